namespace Entrepot.Storage.Index;

/// <summary>Sessions of a table: each is rented by one thread for one operation that does not wait, then given back.</summary>
/// <remarks>Safe for concurrent use; renting allocates nothing. Its owner disposes it when nothing is rented any more.</remarks>
internal sealed class SessionPool<TSession> : IDisposable where TSession : class, IDisposable
{
    private readonly Func<TSession> _open;
    private readonly Slot[] _slots;

    /// <summary>A pool of at most <paramref name="count"/> sessions, opened as they are needed.</summary>
    public SessionPool(int count, Func<TSession> open)
    {
        _open = open;
        _slots = new Slot[count];
        for (var i = 0; i < count; i++) _slots[i] = new Slot();
    }

    /// <summary>A session for this thread alone, until <see cref="Slot.Return"/>.</summary>
    /// <remarks>An operation takes a microsecond; who finds all rented, which takes as many preempted threads as there are sessions, yields.</remarks>
    public Slot Rent()
    {
        var first = Thread.GetCurrentProcessorId();
        var wait = default(SpinWait);
        while (true)
        {
            for (var i = 0; i < _slots.Length; i++)
            {
                var slot = _slots[(first + i) % _slots.Length];
                if (!slot.TryTake()) continue;
                slot.Session ??= _open();
                return slot;
            }

            wait.SpinOnce(sleep1Threshold: -1);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var slot in _slots) slot.Session?.Dispose();
    }

    /// <summary>A place for a session.</summary>
    internal sealed class Slot
    {
        private int _taken;

        public TSession? Session { get; set; }   // whoever has taken the slot's

        public bool TryTake() => Volatile.Read(ref _taken) == 0 && Interlocked.CompareExchange(ref _taken, 1, 0) == 0;

        /// <summary>Gives the session back.</summary>
        public void Return() => Volatile.Write(ref _taken, 0);
    }
}
