using System.Globalization;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Bench;

/// <summary>A blob of a trace.</summary>
/// <param name="Digest">Its name.</param>
/// <param name="Size">Bytes.</param>
internal sealed record TraceBlob(Digest Digest, long Size);

/// <summary>A pull: a manifest is asked for, and what its client does not have of the blobs that it references.</summary>
/// <param name="Seconds">Since the trace began.</param>
/// <param name="Manifest">The manifest.</param>
/// <param name="Asked">Blobs that the client asks for, in this order.</param>
/// <param name="Kept">Blobs that the manifest references and the client has.</param>
internal sealed record TracePull(double Seconds, TraceBlob Manifest, IReadOnlyList<TraceBlob> Asked, IReadOnlyList<TraceBlob> Kept);

/// <summary>Pulls in the order of time, read from the text format of <c>bench/traces.md</c>, or written in it.</summary>
internal sealed class Trace
{
    private readonly Dictionary<string, TraceBlob> _blobs = [];

    private Trace(string name) => Name = name;

    /// <summary>The file's name, without what follows its last dot.</summary>
    public string Name { get; }

    /// <summary>All pulls.</summary>
    public List<TracePull> Pulls { get; } = [];

    /// <summary>Bytes on disk of everything that is asked for: what a cache would take that never evicts.</summary>
    public long WorkingSet => Pulls.SelectMany(pull => pull.Asked.Append(pull.Manifest)).DistinctBy(blob => blob.Digest).Sum(blob => Quota.OnDisk(blob.Size));

    /// <summary>Reads a trace.</summary>
    /// <exception cref="FormatException">A line is wrong; the message names it.</exception>
    public static Trace Read(string path)
    {
        var trace = new Trace(Path.GetFileNameWithoutExtension(path));
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (line.Length == 0 || line[0] == '#') continue;
            try
            {
                trace.Pulls.Add(trace.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)));
            }
            catch (Exception fault) when (fault is FormatException or OverflowException)
            {
                throw new FormatException($"{path}:{number}: {fault.Message}", fault);
            }
        }

        return trace;
    }

    private TracePull Parse(string[] words)
    {
        if (words.Length < 2) throw new FormatException("a line has a time and a manifest at least");
        if (!double.TryParse(words[0], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds))
            throw new FormatException($"'{words[0]}' is no time: seconds since the beginning");
        if (Pulls.Count > 0 && seconds < Pulls[^1].Seconds) throw new FormatException($"{words[0]} is before the time of the line before");
        var blobs = words.AsSpan(2).ToArray();
        return new TracePull(
            seconds, Blob(words[1]), [.. blobs.Where(word => word[0] != '-').Select(Blob)], [.. blobs.Where(word => word[0] == '-').Select(word => Blob(word[1..]))]);
    }

    // NAME=SIZE the first time, NAME afterwards; a name that is no digest stands for one.
    private TraceBlob Blob(string word)
    {
        var (name, size) = word.IndexOf('=', StringComparison.Ordinal) is > 0 and var at ? (word[..at], word[(at + 1)..]) : (word, null);
        if (_blobs.TryGetValue(name, out var blob))
            return size is null || long.Parse(size, NumberStyles.None, CultureInfo.InvariantCulture) == blob.Size ? blob : throw new FormatException($"'{name}' had {blob.Size} bytes before");
        if (size is null || !long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes))
            throw new FormatException($"'{word}' has no size: NAME=BYTES where it comes first");
        var digest = Digest.TryParse(name, out var read) ? read : Digest.Of(System.Text.Encoding.UTF8.GetBytes(name));
        return _blobs[name] = new TraceBlob(digest, bytes);
    }
}
