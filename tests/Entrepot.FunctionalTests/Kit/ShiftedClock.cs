namespace Entrepot.FunctionalTests.Kit;

/// <summary>The real time, moved ahead as a test says. Timers run in real time, so that time-outs of sockets still happen.</summary>
internal sealed class ShiftedClock : TimeProvider
{
    private long _ticks;

    public void Advance(TimeSpan time) => Interlocked.Add(ref _ticks, time.Ticks);

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddTicks(Interlocked.Read(ref _ticks));
}
