using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>What is remembered about the blobs in the store, and what their bytes cannot tell.</summary>
/// <remarks>
/// Safe for concurrent use. Looking up never touches a disk. What bytes cannot tell (tags, media types and repositories of manifests)
/// is durable when its task completes, so that an answer may depend on it (invariant 2).
/// </remarks>
public interface ICacheIndex
{
    /// <summary>The blob's record, if its bytes are in the store and known to be right.</summary>
    BlobRecord? FindBlob(Digest digest);

    /// <summary>Remembers a blob whose bytes are in the store, durable and verified.</summary>
    void AddBlob(Digest digest, BlobRecord record);

    /// <summary>Forgets a blob; unknown ones are ignored. What it is known as, if it is a manifest, stays.</summary>
    void RemoveBlob(Digest digest);

    /// <summary>Remembers that a blob was used now. Takes less than a microsecond and allocates nothing; may be lost in a crash.</summary>
    /// <returns>Whether the blob is known.</returns>
    bool Touch(Digest digest, DateTimeOffset now);

    /// <summary>All blobs, in no order, while everything else goes on.</summary>
    /// <remarks>One that changes meanwhile may come twice; one that is added or removed meanwhile may come or not; every other comes once.</remarks>
    IEnumerable<KeyValuePair<Digest, BlobRecord>> Blobs();

    /// <summary>What a tag meant when its upstream was last asked; <see langword="null"/> if it never was.</summary>
    TagRecord? FindTag(Reference tag);

    /// <summary>Remembers what a tag means. The time of its validation alone is not worth a flush, and may be lost.</summary>
    ValueTask SetTagAsync(Reference tag, TagRecord record, CancellationToken cancel);

    /// <summary>Forgets a tag; unknown ones are ignored.</summary>
    ValueTask RemoveTagAsync(Reference tag, CancellationToken cancel);

    /// <summary>Forgets tags, all or none; unknown ones are ignored.</summary>
    ValueTask RemoveTagsAsync(IReadOnlyCollection<Reference> tags, CancellationToken cancel);

    /// <summary>The media type that a manifest was received with; <see langword="null"/> if it is not known as a manifest.</summary>
    string? FindMediaType(Digest manifest);

    /// <summary>Remembers the media type a manifest was received with, and one more repository that has it.</summary>
    ValueTask AddManifestAsync(Reference manifest, string mediaType, CancellationToken cancel);

    /// <summary>Forgets that a repository has a manifest, durably; unknown ones are ignored.</summary>
    /// <param name="manifest">The manifest, by digest.</param>
    /// <param name="isLast">Whether no other repository has it: then its media type goes, too.</param>
    /// <param name="cancel">Ends waiting; see the implementation for what has begun.</param>
    ValueTask RemoveManifestAsync(Reference manifest, bool isLast, CancellationToken cancel);

    /// <summary>All tags, and all manifests by digest that a repository was found to have, each once, in no order, while everything else goes on.</summary>
    /// <remarks>Reads a disk. What is added or removed meanwhile may come or not. A manifest comes although its bytes may have been evicted.</remarks>
    /// <exception cref="IOException">The records cannot be read.</exception>
    IEnumerable<Reference> References();

    /// <summary>What is pinned, and the manifest that it was last known to mean; a snapshot. Durable.</summary>
    IReadOnlyDictionary<Reference, Digest> Pins();

    /// <summary>Remembers, durably, that tags or digests are pinned, and what each means now: all or none, also after a crash.</summary>
    ValueTask SetPinsAsync(IReadOnlyDictionary<Reference, Digest> pins, CancellationToken cancel);

    /// <summary>Forgets pins, durably, all or none; unknown ones are ignored.</summary>
    ValueTask RemovePinsAsync(IReadOnlyCollection<Reference> pins, CancellationToken cancel);

    /// <summary>The list of what refers to a manifest, as its upstream last had it, or as it was imported; <see langword="null"/> if none is known.</summary>
    /// <param name="subject">The manifest, by digest.</param>
    ReferrersRecord? FindReferrers(Reference subject);

    /// <summary>Remembers the list of what refers to a manifest, durably; it is stored already. The time of its validation alone is not worth a flush, and may be lost.</summary>
    /// <remarks>It is forgotten with the manifest's <see cref="RemoveManifestAsync"/>.</remarks>
    ValueTask SetReferrersAsync(Reference subject, ReferrersRecord record, CancellationToken cancel);

    /// <summary>Upstream and repository of everything that is cached, in no order.</summary>
    IReadOnlyCollection<(string Upstream, string Repository)> Repositories();

    /// <summary>Writes down what may be lost otherwise: which blobs are known, and when they were used.</summary>
    /// <param name="cancel">Ends waiting for another one that runs; one that has begun is finished.</param>
    /// <exception cref="IOException">It cannot be written; the one before stays.</exception>
    ValueTask CheckpointAsync(CancellationToken cancel);
}

/// <summary>What is remembered of a blob. An immutable value.</summary>
/// <param name="Size">Bytes.</param>
/// <param name="StoredAt">When they were stored.</param>
/// <param name="LastAccess">When they were last used.</param>
public readonly record struct BlobRecord(long Size, DateTimeOffset StoredAt, DateTimeOffset LastAccess)
{
    /// <summary>A blob that has not been used since it was stored.</summary>
    public BlobRecord(long size, DateTimeOffset storedAt) : this(size, storedAt, storedAt) { }
}

/// <summary>What a tag means.</summary>
/// <param name="Digest">The manifest it points to.</param>
/// <param name="MediaType">That manifest's media type, as the upstream sent it.</param>
/// <param name="Size">Bytes of that manifest.</param>
/// <param name="ValidatedAt">When the upstream last said so.</param>
public sealed record TagRecord(Digest Digest, string MediaType, long Size, DateTimeOffset ValidatedAt);

/// <summary>What refers to a manifest.</summary>
/// <param name="List">
/// The list: an OCI image index, stored as a blob of that name which is not known as a manifest. That of nothing (<see cref="Oci.ReferrerIndex.Empty"/>) need not be stored.
/// </param>
/// <param name="ValidatedAt">When the upstream last said so.</param>
public sealed record ReferrersRecord(Digest List, DateTimeOffset ValidatedAt);
