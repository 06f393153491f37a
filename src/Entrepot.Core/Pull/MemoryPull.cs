using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Answers that can be given at once: from the index and from memory, without a disk, an upstream, or a lock that others hold for long.</summary>
/// <remarks>
/// Safe for concurrent use. All of it may run on a socket's continuation (invariant 9). What cannot be said here, refusals and all that is not
/// fresh included, is for <see cref="ManifestPull"/> and <see cref="BlobPull"/> to say: no answer from here means nothing.
/// </remarks>
internal sealed class MemoryPull(ICacheIndex index, MemoryCache memory, TimeProvider clock)
{
    /// <summary>A manifest: of a fresh tag or by digest, stored and in memory.</summary>
    /// <returns>Whether it is known at once.</returns>
    public bool TryGet(Reference reference, bool headOnly, IUpstream upstream, out Pulled<ManifestContent> pulled)
    {
        pulled = default;
        if (upstream.IsDown) return false;   // whether the image is whole has to be looked at

        var asOf = default(DateTimeOffset?);
        var digest = reference.Digest;
        if (reference.IsTag)
        {
            // The record before the time: see ManifestPull.
            if (index.FindTag(reference) is not { } known) return false;
            if (Freshness.BeforeAsking(reference.Tag, known, null, upstream.Freshness, isShort: false, clock.GetUtcNow()).Action is not TagAction.Hit) return false;
            (asOf, digest) = (known.ValidatedAt, known.Digest);
            if (headOnly)
            {
                var told = memory.Find(digest)?.AsToldBy(known.MediaType) ?? new ManifestContent(digest, known.MediaType, known.Size, default);
                pulled = new(PullSource.Hit, told) { AsOf = asOf };
                return true;
            }
        }

        if (Find(digest, headOnly) is not { } content) return false;
        pulled = new(PullSource.Hit, content) { AsOf = asOf ?? content.StoredAt };
        return true;
    }

    /// <summary>A stored blob that is in memory; of any that is stored, the size.</summary>
    /// <returns>Whether it is known at once.</returns>
    public bool TryGet(Digest digest, bool headOnly, out Pulled<SmallBlob> pulled)
    {
        pulled = default;
        if (Stored(digest) is not { } record) return false;
        var entry = headOnly ? null : memory.Find(digest);
        if (!headOnly && entry is null) return false;
        var content = entry?.AsBlob(record.StoredAt) ?? new SmallBlob(digest, record.Size, default, record.StoredAt);
        pulled = new(PullSource.Hit, content) { AsOf = record.StoredAt };
        return true;
    }

    /// <summary>A stored manifest that is in memory; <see langword="null"/> if it is not.</summary>
    public ManifestContent? Find(Digest digest, bool headOnly)
    {
        if (index.FindManifest(digest) is not var (mediaType, record))
        {
            _ = Stored(digest);   // if it is not, what is here of it goes
            return null;
        }

        if (memory.Find(digest) is { } entry) return entry.AsManifest(mediaType, record.StoredAt);
        return headOnly ? new ManifestContent(digest, mediaType, record.Size, default, record.StoredAt) : null;
    }

    /// <summary>Whether the store is to be told that this is used; for what is in memory that is found out without a lock, and seldom so.</summary>
    public bool ShouldTouch(Digest digest) => memory.Find(digest)?.ShouldTouch(clock.GetUtcNow()) ?? true;

    /// <summary>The same of a blob.</summary>
    public bool ShouldTouchBlob(Digest digest) => memory.Find(digest)?.ShouldTouchBlob(clock.GetUtcNow()) ?? true;

    /// <summary>Keeps a stored manifest, unless it has rotted.</summary>
    /// <returns>Whether its bytes are still what its name says.</returns>
    public bool Add(ManifestContent manifest) => memory.Add(manifest.Digest, manifest.Bytes);

    /// <summary>A stored blob to be served whole, after it has been kept if it is small. If that fails, the blob is disposed.</summary>
    /// <returns><see langword="null"/> if its bytes are not what its name says any more.</returns>
    public async ValueTask<Blob?> AddAsync(Digest digest, Blob stored, CancellationToken cancel)
    {
        if (stored.StoredAt is null || stored.Size > MemoryCache.LargestBlob || !memory.Takes(stored.Size)) return stored;
        await using (stored)
        {
            var bytes = await stored.ReadAllAsync(cancel);
            return memory.Add(digest, bytes) ? new BytesBlob(bytes, stored.StoredAt.Value) : null;
        }
    }

    // Whatever removes bytes from the store makes the index forget them first: what is here of those is of no use any more.
    private BlobRecord? Stored(Digest digest)
    {
        if (index.FindBlob(digest) is { } record) return record;
        memory.Remove(digest);
        return null;
    }
}
