using Entrepot.Server.Admin;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary>Shows people how far an export is: in one place on a terminal, by a line now and then elsewhere; nothing to programs.</summary>
internal sealed class ExportDisplay(Surroundings around, bool isSilent)
{
    private const string ClearLine = "\r\e[K";
    private static readonly TimeSpan LineEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ShowEvery = TimeSpan.FromMilliseconds(200);

    private readonly long _began = around.Clock.GetTimestamp();
    private TimeSpan _last;
    private bool _isShowing;   // whether the cursor is at the end of a line that is to be written over

    /// <summary>Says something once.</summary>
    public async Task SayAsync(string what)
    {
        if (isSilent) return;
        await ClearAsync();
        await around.Out.WriteLineAsync(what);
    }

    /// <summary>Shows how far it is. Cheap if nothing is due.</summary>
    /// <param name="found">Bytes that an earlier export had written.</param>
    /// <param name="done">Bytes that are written, those among them.</param>
    /// <param name="total">Bytes in all.</param>
    public async ValueTask ShowAsync(long found, long done, long total)
    {
        var elapsed = around.Clock.GetElapsedTime(_began);
        if (isSilent || elapsed - _last < (around.IsTerminal ? ShowEvery : LineEvery)) return;
        _last = elapsed;
        var rate = (long)((done - found) / elapsed.TotalSeconds);
        var left = rate > 0 ? $", {Words.Duration(TimeSpan.FromSeconds((total - done) / rate))} left" : "";
        var line = $"{Words.Percent(done, total)}: {Quantity.Show(done)} of {Quantity.Show(total)}, {Quantity.Show(rate)}/s{left}";
        if (!around.IsTerminal)
        {
            await around.Out.WriteLineAsync(line);
            return;
        }

        _isShowing = true;
        await around.Out.WriteAsync(ClearLine + line);
        await around.Out.FlushAsync(CancellationToken.None);
    }

    /// <summary>Sums up.</summary>
    /// <param name="report">What was exported.</param>
    /// <param name="found">Bytes that an earlier export had written.</param>
    public async Task EndAsync(ExportReport report, long found)
    {
        foreach (var file in report.Files) await SayAsync($"{file.Path}  {Quantity.Show(file.Size)}  {file.Digest}");
        await SayAsync(report.Receipt + (report.Signature is null ? "" : $"  signed: {report.Signature}"));
        await SayAsync($"{Words.Count(report.Images.Count, "image")}, {Words.Count(report.Blobs, "blob")}, {Quantity.Show(report.Bytes)} exported in {Words.Duration(around.Clock.GetElapsedTime(_began))}"
            + (found > 0 ? $"; {Quantity.Show(found)} of them were there from an earlier export" : ""));
    }

    /// <summary>Takes the line on a terminal away, if there is one, so that others can be written.</summary>
    public Task ClearAsync()
    {
        if (!_isShowing) return Task.CompletedTask;
        _isShowing = false;
        return around.Out.WriteAsync(ClearLine);
    }
}
