using System.Text;
using Entrepot.Server.Admin;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary>Shows people how far a warming is: in one place on a terminal, with a line for each image, by a line now and then elsewhere.</summary>
internal sealed class WarmDisplay(Surroundings around, bool isDryRun)
{
    // What is wrapped cannot be written over.
    private const int Columns = 79;
    private const int MostShown = 8;
    private static readonly TimeSpan LineEvery = TimeSpan.FromSeconds(5);

    private readonly long _began = around.Clock.GetTimestamp();
    private TimeSpan _line;
    private int _shown;   // lines on the terminal that are to be written over

    /// <summary>Shows what the server says: images that have ended, and how far the others are.</summary>
    public async Task ShowAsync(WarmLine line)
    {
        if (line.Ended.Count > 0) await ClearAsync();
        foreach (var image in line.Ended) await around.Out.WriteLineAsync(Text(image));
        if (line.Done) return;

        var elapsed = around.Clock.GetElapsedTime(_began);
        if (around.IsTerminal)
        {
            await ClearAsync();
            List<string> lines = [.. line.Running.Take(MostShown).Select(Running), Total(line, elapsed)];
            _shown = lines.Count;
            await around.Out.WriteAsync(string.Join('\n', lines.Select(one => one.Length <= Columns ? one : one[..(Columns - 1)] + '…')));
            await around.Out.FlushAsync(CancellationToken.None);
        }
        else if (elapsed - _line >= LineEvery)
        {
            _line = elapsed;
            await around.Out.WriteLineAsync(Total(line, elapsed));
        }
    }

    /// <summary>Sums up.</summary>
    public async Task EndAsync(IReadOnlyList<WarmEntry> images)
    {
        await ClearAsync();
        if (images.Count == 0) return;   // what is wrong with the files has been said

        var (bytes, requests) = (images.Sum(image => image.Bytes), images.Sum(image => image.Requests));
        var counts = images.GroupBy(image => image.Status).OrderBy(group => group.Key, StringComparer.Ordinal).Select(group => $"{Words.Number(group.Count())} {Words.Line(group.Key)}");
        var text = new StringBuilder($"{Words.Count(images.Count, "image")}: {string.Join(", ", counts)}; ");
        text.Append(isDryRun
            ? $"{Quantity.Show(bytes)} would be fetched, with {Words.Count(requests, "request")} that a rate limit counts; finding that out took as many"
            : $"{Quantity.Show(bytes)} in {Words.Duration(around.Clock.GetElapsedTime(_began))}, with {Words.Count(requests, "request")} that a rate limit counts");
        await around.Out.WriteLineAsync(text.ToString());
    }

    /// <summary>Takes away what is on a terminal, so that others can be written.</summary>
    public Task ClearAsync()
    {
        if (_shown == 0) return Task.CompletedTask;
        var up = _shown > 1 ? $"\e[{_shown - 1}A" : "";
        _shown = 0;
        return around.Out.WriteAsync(up + "\r\e[J");
    }

    /// <summary>What came of an image, in a line for people.</summary>
    internal static string Text(WarmEntry image)
    {
        var detail = image switch
        {
            { Error: { } error } => $": {Words.Line(error)}",
            { Status: "planned" } => $": {Quantity.Show(image.Bytes)} of {Quantity.Show(image.Size)}, {Words.Count(image.Requests, "request")}",
            { Bytes: > 0 } => $": {Quantity.Show(image.Bytes)}",
            _ => "",
        };
        return $"{Words.Line(image.Status),-9} {Words.Line(image.Reference)}{detail}";
    }

    private static string Running(WarmRunning image)
    {
        var far = image.TotalBytes > 0 ? $"{Words.Percent(image.Bytes, image.TotalBytes)} of {Quantity.Show(image.TotalBytes)}" : "looking";
        var name = Words.Line(image.Reference);
        var room = Columns - far.Length - 4;
        return $"  {(name.Length <= room ? name : '…' + name[^(room - 1)..])}: {far}";
    }

    private static string Total(WarmLine line, TimeSpan elapsed)
    {
        var rate = elapsed > TimeSpan.Zero ? (long)(line.Bytes / elapsed.TotalSeconds) : 0;

        // Of images that nobody has looked at yet, as much is expected as of those that were looked at.
        var expected = line.Planned > 0 ? (long)(line.TotalBytes * (double)line.TotalImages / line.Planned) : 0;
        var left = rate > 0 && expected > 0 ? $", {Words.Duration(TimeSpan.FromSeconds(Math.Max(0, expected - line.Bytes) / rate))} left" : "";
        return $"{Words.Number(line.Images)} of {Words.Count(line.TotalImages, "image")}: "
            + $"{Quantity.Show(line.Bytes)} of {Quantity.Show(line.TotalBytes)}, {Quantity.Show(rate)}/s{left}";
    }
}
