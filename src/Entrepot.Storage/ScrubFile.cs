using System.Globalization;
using System.Text;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>How far regular scrubs have come, in a file among the records: <c>began after ended</c>. Used by one at a time.</summary>
/// <remarks>It is not flushed: what a crash loses of it is looked at once more.</remarks>
public sealed class ScrubFile(StoreRoot root)
{
    private const string None = "-";

    private readonly string _path = Path.Combine(root.Records, "scrub");

    /// <summary>Reads what was saved last.</summary>
    /// <returns><see langword="null"/> if nothing was, or it cannot be read.</returns>
    public ScrubMark? TryLoad()
    {
        try
        {
            if (!CheckedLine.TryRead(File.ReadAllBytes(_path).AsSpan().TrimEnd((byte)'\n'), out var content)) return null;
            return Encoding.ASCII.GetString(content).Split(' ') is [var began, var after, var ended] && TryTime(began) is { } since
                ? new ScrubMark(since, Digest.TryParse(after, out var digest) ? digest : null, TryTime(ended))
                : null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Saves a mark in place of the one before.</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    public void Save(ScrubMark mark)
    {
        var text = $"{Text(mark.Began)} {mark.After?.ToString() ?? None} {(mark.Ended is { } ended ? Text(ended) : None)}";
        File.WriteAllBytes(_path + ".new", CheckedLine.Of(Encoding.ASCII.GetBytes(text)));
        File.Move(_path + ".new", _path, overwrite: true);
    }

    private static string Text(DateTimeOffset time) => time.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture);

    private static DateTimeOffset? TryTime(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds) && milliseconds < 253_402_300_800_000
            ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds)
            : null;
}
