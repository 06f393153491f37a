using Entrepot.Pull;

namespace Entrepot.Upstream;

/// <summary>Shares out the bytes a second that may be taken from one upstream. Safe for concurrent use.</summary>
/// <remarks>
/// Who is about to read takes a share, waiting for it if it must, and returns what did not come. Shares are given as they were asked for, but
/// whoever is wanted in that moment (see <see cref="Demand"/>) goes before all who are not, so that these get what is left. A share is at most 20 ms
/// of the rate, and what nobody took is kept for at most 50 ms: over any time, no more than 70 ms' worth is taken beyond the rate.
/// </remarks>
internal sealed class Bandwidth
{
    private const double Share = 0.020;   // seconds
    private const double Saved = 0.050;   // seconds; timers are late, and what they miss must not be lost

    private readonly TimeProvider _clock;
    private readonly ITimer _timer;   // set whenever somebody waits and not otherwise
    private readonly Lock _gate = new();
    private readonly LinkedList<Waiter> _waiting = [];   // as they came; guarded by _gate, like all below
    private double _credit;                              // bytes that may be taken now; below 0 while there is something to wait for
    private long _counted;                               // until when credit has been added
    private bool _isTicking;
    private long _rate;                                  // 0 is unlimited; read without the gate, too

    public Bandwidth(TimeProvider clock)
    {
        (_clock, _counted) = (clock, clock.GetTimestamp());
        _timer = clock.CreateTimer(_ => Tick(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Bytes a second; <see langword="null"/> for no limit. A change counts at once, also for those who wait.</summary>
    public long? BytesPerSecond
    {
        get => Volatile.Read(ref _rate) is > 0 and var rate ? rate : null;
        set
        {
            lock (_gate)
            {
                CountLocked();
                Volatile.Write(ref _rate, value ?? 0);
                _credit = Math.Clamp(_credit, -_rate * Share, _rate * Saved);
                GiveLocked();
            }
        }
    }

    /// <summary>Waits until some bytes may be read.</summary>
    /// <param name="most">How many are wanted; at least 1.</param>
    /// <param name="demand">Whether somebody waits for them; asked again whenever there is a share.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>How many may be read; at least 1.</returns>
    public ValueTask<int> TakeAsync(int most, Demand demand, CancellationToken cancel) =>
        Volatile.Read(ref _rate) == 0 ? new(most) : TakeShareAsync(most, demand, cancel);

    /// <summary>Gives back what was taken and not read.</summary>
    public void Return(int bytes)
    {
        if (bytes == 0) return;
        lock (_gate)
        {
            if (_rate == 0) return;
            CountLocked();
            _credit = Math.Min(_rate * Saved, _credit + bytes);
            GiveLocked();
        }
    }

    private ValueTask<int> TakeShareAsync(int most, Demand demand, CancellationToken cancel)
    {
        if (cancel.IsCancellationRequested) return ValueTask.FromCanceled<int>(cancel);
        LinkedListNode<Waiter> waiting;
        lock (_gate)
        {
            CountLocked();
            waiting = _waiting.AddLast(new Waiter(most, demand));
            GiveLocked();
        }

        var given = waiting.Value.Given.Task;
        return new(given.IsCompleted || !cancel.CanBeCanceled ? given : WaitAsync(waiting, cancel));
    }

    private async Task<int> WaitAsync(LinkedListNode<Waiter> waiting, CancellationToken cancel)
    {
        using var leaving = cancel.UnsafeRegister(_ => GiveUp(waiting, cancel), null);
        return await waiting.Value.Given.Task;
    }

    private void GiveUp(LinkedListNode<Waiter> waiting, CancellationToken cancel)
    {
        lock (_gate)
        {
            if (waiting.List is null) return;   // given meanwhile
            _waiting.Remove(waiting);
        }

        waiting.Value.Given.SetCanceled(cancel);
    }

    private void CountLocked()
    {
        var now = _clock.GetTimestamp();
        _credit = Math.Min(_rate * Saved, _credit + (_clock.GetElapsedTime(_counted, now).TotalSeconds * _rate));
        _counted = now;
    }

    private void GiveLocked()
    {
        while ((_rate == 0 || _credit >= 0) && NextLocked() is { } next)
        {
            _waiting.Remove(next);
            var bytes = _rate == 0 ? next.Value.Most : (int)Math.Clamp(_rate * Share, 1, next.Value.Most);
            if (_rate > 0) _credit -= bytes;
            next.Value.Given.SetResult(bytes);   // which runs nothing here
        }

        if (_waiting.Count == 0 || _isTicking) return;
        _isTicking = true;

        // Whole milliseconds are all that timers know.
        _timer.Change(TimeSpan.FromMilliseconds(Math.Max(1, Math.Ceiling(-_credit / _rate * 1000))), Timeout.InfiniteTimeSpan);
    }

    private LinkedListNode<Waiter>? NextLocked()
    {
        for (var one = _waiting.First; one is not null; one = one.Next)
            if (one.Value.Demand.IsWanted) return one;
        return _waiting.First;
    }

    private void Tick()
    {
        lock (_gate)
        {
            _isTicking = false;
            CountLocked();
            GiveLocked();
        }
    }

    private sealed class Waiter(int most, Demand demand)
    {
        public int Most => most;

        public Demand Demand => demand;

        public TaskCompletionSource<int> Given { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
