namespace Entrepot.Storage.Index;

/// <summary>The sizes of a table. FASTER's own defaults are for servers with nothing else to do.</summary>
internal sealed record IndexSizes
{
    /// <summary>Bytes of the hash table at first; a power of two.</summary>
    /// <value>At least 512. Default 64 KiB, for 4,096 rows; it doubles as rows come.</value>
    public long TableBytes { get; init; } = 1 << 16;

    /// <summary>Bytes of a page of the log; a power of two.</summary>
    /// <value>At least 4 KiB. Default 512 KiB: two are allocated at once, and the last one is mostly empty in a checkpoint.</value>
    public long PageBytes { get; init; } = 1 << 19;

    /// <summary>Most bytes of the log, all of it in memory; a power of two. Pages are allocated as they are needed.</summary>
    /// <value>At least 16 pages. Default 8 GiB: a hundred million blobs. What comes after that displaces the oldest.</value>
    public long LogBytes { get; init; } = 1L << 33;

    /// <summary>Most sessions of a table.</summary>
    /// <value>At least 1. Default twice the processors, at least 8: an operation takes a microsecond, so more would wait for a processor anyway.</value>
    public int Sessions { get; init; } = Math.Max(8, 2 * Environment.ProcessorCount);
}
