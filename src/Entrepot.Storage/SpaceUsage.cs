using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>What rests of a blob: an interrupted fetch, or the parts of it that lazy clients read. An immutable value.</summary>
/// <param name="Size">Bytes on disk.</param>
/// <param name="Fill">Whether all of it was to come.</param>
/// <param name="Since">When it was last gone on with.</param>
internal sealed record Resting(long Size, FillMode Fill, DateTimeOffset Since);

/// <summary>A victim. An immutable value.</summary>
/// <param name="Victim">Who leaves.</param>
/// <param name="Resting">What is known of it, if it is what rests of a blob.</param>
internal readonly record struct Leaver(Victim Victim, Resting? Resting);

/// <summary>A blob on its way out; twice, if it came back and had to leave again before the first file was gone. Guarded by whoever counts it.</summary>
internal sealed class Departure
{
    /// <summary>Files that are not gone yet.</summary>
    public int Files { get; set; }

    /// <summary>Ends when none is left.</summary>
    public TaskCompletionSource Left { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>How the room under the root is used. Bytes on disk.</summary>
/// <param name="Blobs">Blobs that are whole.</param>
/// <param name="Partials">Blobs of which a part rests; known from the start.</param>
/// <param name="PartialBytes">Bytes of those parts.</param>
/// <param name="Used">Bytes of both, of those that have been measured.</param>
/// <param name="Pinned">Of those, bytes of blobs that never leave to make room.</param>
/// <param name="Reserved">Bytes set aside for what is arriving.</param>
/// <param name="Overhead">Bytes of index, records and directories.</param>
/// <param name="Limit">Bytes that all of that may take.</param>
public sealed record SpaceUsage(int Blobs, int Partials, long PartialBytes, long Used, long Pinned, long Reserved, long Overhead, long Limit);

/// <summary>Blobs that left, and their bytes, by reason, since the start. Safe for concurrent use.</summary>
public sealed class EvictionCounters
{
    private readonly long[] _blobs = new long[Enum.GetValues<EvictionReason>().Length];
    private readonly long[] _bytes = new long[Enum.GetValues<EvictionReason>().Length];

    /// <summary>How many left for a reason.</summary>
    public long Blobs(EvictionReason reason) => Interlocked.Read(ref _blobs[(int)reason]);

    /// <summary>How many bytes on disk that freed.</summary>
    public long Bytes(EvictionReason reason) => Interlocked.Read(ref _bytes[(int)reason]);

    internal void Count(EvictionReason reason, long bytes)
    {
        Interlocked.Increment(ref _blobs[(int)reason]);
        Interlocked.Add(ref _bytes[(int)reason], bytes);
    }
}
