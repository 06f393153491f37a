using Entrepot.Server.Options;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>Shows people how far an import is: in one place on a terminal, by a line now and then elsewhere. Used by one task at a time.</summary>
/// <param name="around">The process.</param>
/// <param name="totalBytes">Bytes that are to be read.</param>
/// <param name="isQuiet">Whether nothing is shown, since programs read the answer.</param>
internal sealed class ImportDisplay(Surroundings around, long totalBytes, bool isQuiet)
{
    private const string ClearLine = "\r\e[K";
    private static readonly TimeSpan LineEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ShowEvery = TimeSpan.FromMilliseconds(200);

    private readonly long _began = around.Clock.GetTimestamp();
    private long _done;
    private TimeSpan _shown;
    private bool _isShowing;   // whether the cursor is at the end of a line that is to be written over

    /// <summary>Time since the beginning.</summary>
    public TimeSpan Elapsed => around.Clock.GetElapsedTime(_began);

    /// <summary>More bytes have been read.</summary>
    public void Add(int bytes)
    {
        _done += bytes;
        var elapsed = Elapsed;
        if (isQuiet || elapsed - _shown < (around.IsTerminal ? ShowEvery : LineEvery)) return;
        _shown = elapsed;
        _isShowing = around.IsTerminal;
        around.Out.Write(around.IsTerminal ? ClearLine + Line(elapsed) : Line(elapsed) + '\n');
        around.Out.Flush();
    }

    /// <summary>Takes the line on a terminal away, if there is one, so that others can be written.</summary>
    public void Clear()
    {
        if (_isShowing) around.Out.Write(ClearLine);
        _isShowing = false;
    }

    // Short enough for a terminal of 80 columns: what is wrapped cannot be written over.
    private string Line(TimeSpan elapsed)
    {
        var rate = elapsed > TimeSpan.Zero ? (long)(_done / elapsed.TotalSeconds) : 0;
        var left = rate > 0 ? $", {Words.Duration(TimeSpan.FromSeconds(Math.Max(0, totalBytes - _done) / rate))} left" : "";
        return $"{Words.Percent(_done, totalBytes)}: {Quantity.Show(_done)} of {Quantity.Show(totalBytes)}, {Quantity.Show(rate)}/s{left}";
    }
}
