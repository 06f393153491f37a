namespace Entrepot.Pull;

/// <content>How it is waited for to the end, and left before.</content>
public sealed partial class Fetch
{
    /// <summary>Waits until it has ended: its blob is durable in the store, or why it is not is known.</summary>
    /// <param name="cancel">Ends this wait.</param>
    public async Task<FollowResult> EndedAsync(CancellationToken cancel)
    {
        while (true)
        {
            Task moved;
            lock (_gate)
            {
                if (_end is { } kind) return new FollowResult(kind, Error: _error);
                moved = _moved.Next;
            }

            await moved.WaitAsync(cancel);
        }
    }

    /// <summary>
    /// The one whom it was begun for wants it no longer, and follows it no longer: what has arrived rests, unless anybody else ever followed it, or does before that.
    /// A client that went away changes nothing (invariant 6).
    /// </summary>
    internal void Abandon()
    {
        lock (_gate)
        {
            if (_joined.Ever > 1) return;
            _joined.IsAbandoned = true;
            AskLocked();
        }
    }

    /// <summary>Whether it was abandoned, and so may be left with what has arrived. From then on it rests.</summary>
    internal bool TryLeave() { lock (_gate) return _joined.IsAbandoned && _phase is Phase.Arriving && _arrival.Arrived.Total != _arrival.Size && TryRestLocked(); }

    /// <summary>Whether what has arrived is to rest.</summary>
    internal bool IsResting { get { lock (_gate) return _phase is Phase.Resting; } }

    private bool TryRestLocked()
    {
        if (_arrival.Followers == 0 && _asking == 0) _phase = Phase.Resting;
        return _phase is Phase.Resting;
    }
}
