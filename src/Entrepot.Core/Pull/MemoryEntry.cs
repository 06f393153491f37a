using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Content in memory, with what is told of it. Safe for concurrent use.</summary>
internal sealed class MemoryEntry
{
    // Far less than it takes to fill a quota anew, so that the order in which blobs leave stays that in which they were used. At 10 ms most hits of a few hundred
    // blobs in constant use were touches, each with a task of its own on the thread pool.
    private static readonly TimeSpan BlobInterval = TimeSpan.FromMilliseconds(250);

    private long _asManifestTicks = DateTimeOffset.MinValue.UtcTicks;   // when it was last touched as what
    private long _asBlobTicks = DateTimeOffset.MinValue.UtcTicks;
    private volatile bool _isFound;
    private volatile ManifestContent? _manifest;
    private volatile ManifestContent? _told;
    private volatile SmallBlob? _blob;

    /// <summary>Content under its name.</summary>
    public MemoryEntry(Digest digest, ReadOnlyMemory<byte> content)
    {
        (Digest, Content) = (digest, content);
        Place = new(this);
    }

    /// <summary>Its name.</summary>
    public Digest Digest { get; }

    /// <summary>The bytes.</summary>
    public ReadOnlyMemory<byte> Content { get; }

    /// <summary>Bytes that it counts for.</summary>
    public long Size => Content.Length + MemoryCache.EntryBytes;

    /// <summary>Where it stands in the queue; its owner's.</summary>
    public LinkedListNode<MemoryEntry> Place { get; }

    /// <summary>Whether somebody has found it since it was queued.</summary>
    public bool IsFound
    {
        get => _isFound;
        set
        {
            // Read first: a thousand clients of one manifest are not to take its cache line from each other.
            if (_isFound != value) _isFound = value;
        }
    }

    /// <summary>Whether the store is to be told that a manifest is used: who is told so does it, and for <see cref="RecentTouches.Interval"/> nobody else.</summary>
    public bool ShouldTouch(DateTimeOffset now) => IsDue(ref _asManifestTicks, now, RecentTouches.Interval);

    /// <summary>The same of a blob, which is one touch and not as many as an image has parts, so that it is due sooner.</summary>
    public bool ShouldTouchBlob(DateTimeOffset now) => IsDue(ref _asBlobTicks, now, BlobInterval);

    /// <summary>It as a manifest: made once, unless what is remembered of it changes.</summary>
    public ManifestContent AsManifest(string mediaType, DateTimeOffset storedAt)
    {
        if (_manifest is { } known && known.StoredAt == storedAt && known.MediaType == mediaType) return known;
        return _manifest = new ManifestContent(Digest, mediaType, Content.Length, Content, storedAt);
    }

    /// <summary>What a tag's record tells of it as a manifest, without its bytes: made once, unless the tags differ about it.</summary>
    public ManifestContent AsToldBy(string mediaType)
    {
        if (_told is { } known && known.MediaType == mediaType) return known;
        return _told = new ManifestContent(Digest, mediaType, Content.Length, default);
    }

    /// <summary>It as a blob: made once, unless what is remembered of it changes.</summary>
    public SmallBlob AsBlob(DateTimeOffset storedAt)
    {
        if (_blob is { } known && known.StoredAt == storedAt) return known;
        return _blob = new SmallBlob(Digest, Content.Length, Content, storedAt);
    }

    private static bool IsDue(ref long lastTicks, DateTimeOffset now, TimeSpan interval)
    {
        var last = Interlocked.Read(ref lastTicks);
        var isRecent = now.UtcTicks >= last && now.UtcTicks - last < interval.Ticks;
        return !isRecent && Interlocked.CompareExchange(ref lastTicks, now.UtcTicks, last) == last;
    }
}
