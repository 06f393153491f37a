using Entrepot.Server.Admin;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary>Shows people how far a verification is: in one place on a terminal, by a line now and then elsewhere.</summary>
internal sealed class VerifyDisplay(Surroundings around)
{
    private const string ClearLine = "\r\e[K";
    private static readonly TimeSpan LineEvery = TimeSpan.FromSeconds(5);

    private readonly long _began = around.Clock.GetTimestamp();
    private readonly HashSet<string> _told = [];
    private TimeSpan _line;
    private bool _isShowing;   // whether the cursor is at the end of a line that is to be written over

    /// <summary>Shows what the server says; what is wrong is told once, and the end sums up.</summary>
    public async Task ShowAsync(VerifyProgress progress)
    {
        foreach (var digest in progress.Wrong.Where(_told.Add))
        {
            await ClearAsync();
            await around.Out.WriteLineAsync($"wrong, and removed: {Words.Line(digest)}");
        }

        var elapsed = around.Clock.GetElapsedTime(_began);
        if (progress.Done)
        {
            await ClearAsync();
            await around.Out.WriteLineAsync(Sum(progress, elapsed));
        }
        else if (around.IsTerminal)
        {
            _isShowing = true;
            await around.Out.WriteAsync(ClearLine + Line(progress, elapsed));
            await around.Out.FlushAsync(CancellationToken.None);
        }
        else if (elapsed - _line >= LineEvery)
        {
            _line = elapsed;
            await around.Out.WriteLineAsync(Line(progress, elapsed));
        }
    }

    /// <summary>Takes the line on a terminal away, if there is one, so that others can be written.</summary>
    public Task ClearAsync()
    {
        if (!_isShowing) return Task.CompletedTask;
        _isShowing = false;
        return around.Out.WriteAsync(ClearLine);
    }

    /// <summary>How far it came: the middle of a sentence.</summary>
    public static string HowFar(VerifyProgress? last) =>
        last is null ? "at its beginning" : $"after {Words.Number(last.Blobs)} of {Words.Count(last.TotalBlobs, "blob")}";

    // Short enough for a terminal of 80 columns: what is wrapped cannot be written over.
    private static string Line(VerifyProgress progress, TimeSpan elapsed)
    {
        var rate = elapsed > TimeSpan.Zero ? (long)(progress.Bytes / elapsed.TotalSeconds) : 0;
        var left = rate > 0 ? $", {Words.Duration(TimeSpan.FromSeconds(Math.Max(0, progress.TotalBytes - progress.Bytes) / rate))} left" : "";
        return $"{Words.Percent(progress.Bytes, progress.TotalBytes)}: "
            + $"{Quantity.Show(progress.Bytes)} of {Quantity.Show(progress.TotalBytes)}, {Quantity.Show(rate)}/s{left}";
    }

    private static string Sum(VerifyProgress last, TimeSpan elapsed)
    {
        var found = (last.Wrong.Count, last.Unreadable) switch
        {
            (0, 0) => "nothing is wrong",
            (0, _) => "nothing that could be read is wrong",
            _ => $"{Words.Number(last.Wrong.Count)} wrong, and removed",
        };
        if (last.Unreadable > 0) found += $"; {Words.Count(last.Unreadable, "blob")} could not be read: see the server's log";
        return $"{Words.Count(last.Blobs, "blob")}, {Quantity.Show(last.Bytes)} verified in {Words.Duration(elapsed)}: {found}";
    }
}
