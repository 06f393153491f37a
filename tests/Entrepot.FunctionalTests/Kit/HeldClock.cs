namespace Entrepot.FunctionalTests.Kit;

/// <summary>The real time, but for long timers: those are due only when a test moves the time ahead. Short ones run in real time, so that time-outs of sockets still happen. Safe for concurrent use.</summary>
/// <param name="least">The shortest time that is held.</param>
internal sealed class HeldClock(TimeSpan least) : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly HashSet<Held> _held = [];   // guarded by _gate
    private TimeSpan _ahead;                     // guarded by _gate

    /// <summary>How many timers wait for so long, as they were begun.</summary>
    public int Waiting(TimeSpan time)
    {
        lock (_gate) return _held.Count(timer => timer.Time == time);
    }

    /// <summary>Moves the time ahead; timers that are due then have been called when it returns, each once.</summary>
    public void Advance(TimeSpan time)
    {
        List<Held> due;
        lock (_gate)
        {
            _ahead += time;
            due = [.. _held.Where(timer => timer.At <= _ahead)];
            foreach (var timer in due) BeginLocked(timer, timer.Period);
        }

        foreach (var timer in due) timer.Call();
    }

    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate) return base.GetUtcNow() + _ahead;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime < least) return base.CreateTimer(callback, state, dueTime, period);   // so are those that are not begun yet
        var timer = new Held(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    private void BeginLocked(Held timer, TimeSpan time)
    {
        (timer.Time, timer.At) = (time, _ahead + time);
        if (time < TimeSpan.Zero) _held.Remove(timer);
        else _held.Add(timer);
    }

    private sealed class Held(HeldClock clock, Action call) : ITimer
    {
        public TimeSpan Time { get; set; }     // guarded by the clock's _gate

        public TimeSpan At { get; set; }       // the same

        public TimeSpan Period { get; private set; } = Timeout.InfiniteTimeSpan;   // the same

        public void Call() => call();

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._gate)
            {
                Period = period > TimeSpan.Zero ? period : Timeout.InfiniteTimeSpan;
                clock.BeginLocked(this, dueTime);
            }

            return true;
        }

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
