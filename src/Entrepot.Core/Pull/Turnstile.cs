namespace Entrepot.Pull;

/// <summary>Lets so many in at once and no more. Safe for concurrent use.</summary>
/// <remarks>
/// Those who wait are let in as they came, but whoever is wanted in the moment in which a place becomes free goes before all who are not
/// (see <see cref="Demand"/>): so what nobody waits for may wait for ever, and must be cancelled by its owner in the end. Nobody waits while
/// there is a free place. Whoever is inside must not wait for a second place of the same turnstile, or all might.
/// </remarks>
public sealed class Turnstile
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Waiter> _waiting = [];   // as they came; guarded by _gate, like all below
    private int _places;
    private int _inside;

    /// <summary>A turnstile that nobody has passed.</summary>
    /// <param name="places">At least 1.</param>
    public Turnstile(int places)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(places);
        _places = places;
    }

    /// <summary>Most that can be inside. More places let in at once who waits for them; fewer throw nobody out.</summary>
    public int Places
    {
        get { lock (_gate) return _places; }
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value);
            lock (_gate)
            {
                _places = value;
                AdmitLocked();
            }
        }
    }

    /// <summary>How many are inside.</summary>
    public int Inside { get { lock (_gate) return _inside; } }

    /// <summary>How many wait.</summary>
    public int Waiting { get { lock (_gate) return _waiting.Count; } }

    /// <summary>Waits for a place.</summary>
    /// <param name="demand">Whether somebody waits for whoever waits here; asked again whenever a place becomes free.</param>
    /// <param name="cancel">Ends the wait. A place that was given before is returned all the same.</param>
    /// <returns>The place. Its disposal gives it back; a second one does nothing.</returns>
    public Task<IDisposable> EnterAsync(Demand demand, CancellationToken cancel)
    {
        if (cancel.IsCancellationRequested) return Task.FromCanceled<IDisposable>(cancel);

        LinkedListNode<Waiter> waiting;
        lock (_gate)
        {
            if (_inside < _places)
            {
                _inside++;
                return Task.FromResult<IDisposable>(new Place(this));
            }

            waiting = _waiting.AddLast(new Waiter(demand));
        }

        return WaitAsync(waiting, cancel);
    }

    private async Task<IDisposable> WaitAsync(LinkedListNode<Waiter> waiting, CancellationToken cancel)
    {
        using var leaving = cancel.UnsafeRegister(_ => GiveUp(waiting, cancel), null);
        await waiting.Value.Admitted.Task;
        return new Place(this);
    }

    private void GiveUp(LinkedListNode<Waiter> waiting, CancellationToken cancel)
    {
        lock (_gate)
        {
            if (waiting.List is null) return;   // let in meanwhile
            _waiting.Remove(waiting);
        }

        waiting.Value.Admitted.SetCanceled(cancel);
    }

    private void Leave()
    {
        lock (_gate)
        {
            _inside--;
            AdmitLocked();
        }
    }

    private void AdmitLocked()
    {
        while (_inside < _places && NextLocked() is { } next)
        {
            _waiting.Remove(next);
            _inside++;
            next.Value.Admitted.SetResult();   // which runs nothing here
        }
    }

    private LinkedListNode<Waiter>? NextLocked()
    {
        for (var one = _waiting.First; one is not null; one = one.Next)
            if (one.Value.Demand.IsWanted) return one;
        return _waiting.First;
    }

    private sealed class Waiter(Demand demand)
    {
        public Demand Demand => demand;

        public TaskCompletionSource Admitted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Place(Turnstile turnstile) : IDisposable
    {
        private Turnstile? _turnstile = turnstile;

        public void Dispose() => Interlocked.Exchange(ref _turnstile, null)?.Leave();
    }
}
