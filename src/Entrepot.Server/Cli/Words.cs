using System.Globalization;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary>Numbers, times and texts for people. Pure.</summary>
internal static class Words
{
    private const int ShortHex = 12;

    /// <summary><c>1 blob</c>, <c>4,210 blobs</c>.</summary>
    public static string Count(long count, string noun) => $"{Number(count)} {noun}{(count == 1 ? "" : "s")}";

    /// <summary><c>4,210</c>.</summary>
    public static string Number(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary><c>91.2 %</c>, cut off so that only all is 100 %; <c>-</c> of nothing.</summary>
    public static string Percent(long part, long whole) =>
        whole <= 0 ? "-" : string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(1000m * part / whole) / 10:0.#} %");

    /// <summary>What follows a count of blobs: <c> and parts of 3 more (5 MiB)</c>; nothing for none.</summary>
    public static string Parts(int blobs, long bytes) => blobs == 0 ? "" : $" and parts of {Number(blobs)} more ({Quantity.Show(bytes)})";

    /// <summary>A time span in its two largest units: <c>34 s</c>, <c>5 min 3 s</c>, <c>2 h 5 min</c>, <c>3 d 4 h</c>.</summary>
    public static string Duration(TimeSpan time) => time switch
    {
        { TotalSeconds: < 60 } => $"{Math.Max(0, time.Seconds)} s",
        { TotalMinutes: < 60 } => $"{time.Minutes} min {time.Seconds} s",
        { TotalHours: < 24 } => $"{time.Hours} h {time.Minutes} min",
        _ => $"{time.Days} d {time.Hours} h",
    };

    /// <summary>How long ago, in one unit: <c>2 h ago</c>; <c>-</c> for never.</summary>
    public static string Ago(DateTimeOffset? then, DateTimeOffset now) => then is { } at ? $"{Largest(now - at)} ago" : "-";

    /// <summary>A digest's algorithm and first digits, enough to tell it from others by eye.</summary>
    public static string Short(string digest)
    {
        var end = digest.IndexOf(':', StringComparison.Ordinal) + 1 + ShortHex;
        return end < digest.Length ? digest[..end] : digest;
    }

    /// <summary>A text of somebody else's, on one line and without what a terminal would obey.</summary>
    public static string Line(string text) => string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)).Trim();

    private static string Largest(TimeSpan time) => time switch
    {
        { TotalSeconds: < 60 } => $"{Math.Max(0, time.Seconds)} s",
        { TotalMinutes: < 60 } => $"{time.Minutes} min",
        { TotalHours: < 24 } => $"{time.Hours} h",
        _ => $"{time.Days} d",
    };
}
