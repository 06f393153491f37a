using System.Diagnostics;

namespace Entrepot.FunctionalTests.Registry;

/// <summary>Holds one connection to a number of bytes a second, in real time. Not safe for concurrent use.</summary>
internal sealed class Pace
{
    // Timers know milliseconds, and are late: what is due by then is sent together.
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(2);

    // What a client that did not read, or a busy machine, has missed is made up for as far as this.
    private static readonly TimeSpan Late = TimeSpan.FromMilliseconds(100);

    private long? _rate;
    private TimeSpan _due;   // when all that was sent may have been sent

    /// <summary>A body begins: time in which none was sent is lost.</summary>
    public void Begin(long? bytesPerSecond)
    {
        _rate = bytesPerSecond;
        var now = Now();
        if (_due < now) _due = now;
    }

    /// <summary>Waits until so many more bytes may go.</summary>
    public async ValueTask WaitAsync(int bytes, CancellationToken cancel)
    {
        if (_rate is not { } rate) return;

        var now = Now();
        if (_due < now - Late) _due = now - Late;
        _due += TimeSpan.FromSeconds((double)bytes / rate);
        if (_due - now > Step) await Task.Delay(_due - now, cancel);
    }

    private static TimeSpan Now() => Stopwatch.GetElapsedTime(0);
}
