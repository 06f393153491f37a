using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>A registry that content comes from, as one configured upstream.</summary>
/// <remarks>
/// Safe for concurrent use. Connecting, authentication, redirects and tries again are its own business; what it answers is either
/// content or the <see cref="RegistryError"/> that a client is to be told. It throws only <see cref="OperationCanceledException"/>,
/// and only for the caller's own token. Every wait has a bound, but for the turn of what nobody
/// waits for (see <see cref="Demand"/>), whose owner ends it. References given to it are of this upstream.
/// </remarks>
public interface IUpstream
{
    /// <summary>The name that clients know, e.g. <c>docker.io</c>.</summary>
    string Name { get; }

    /// <summary>How long what it says holds, and what is served when it does not say.</summary>
    FreshnessRules Freshness { get; }

    /// <summary>How its blobs are fetched.</summary>
    FetchRules Fetching { get; }

    /// <summary>Whether it was found to be out of reach just now, so that asking would be refused at once.</summary>
    bool IsDown { get; }

    /// <summary>Whether so few of the requests that it allows are left that they are kept for what is necessary.</summary>
    bool IsShort { get; }

    /// <summary>Asks what a manifest is, without its content (free at Docker Hub). 404 is <c>MANIFEST_UNKNOWN</c>.</summary>
    Task<Answer<ManifestInfo>> HeadManifestAsync(Reference reference, CancellationToken cancel);

    /// <summary>Fetches a manifest, whole, at most the configured limit of bytes. 404 is <c>MANIFEST_UNKNOWN</c>.</summary>
    /// <remarks>The caller compares the bytes with the digest; the upstream does so only to ask another of its addresses where one was wrong.</remarks>
    Task<Answer<ReceivedManifest>> GetManifestAsync(Reference reference, CancellationToken cancel);

    /// <summary>Asks how large a blob is. 404 is <c>BLOB_UNKNOWN</c>.</summary>
    Task<Answer<BlobInfo>> HeadBlobAsync(Reference reference, CancellationToken cancel);

    /// <summary>Opens bytes of a blob. 404 is <c>BLOB_UNKNOWN</c>.</summary>
    /// <param name="reference">The blob; by digest.</param>
    /// <param name="part">Which of them, and whether somebody waits for them.</param>
    /// <param name="cancel">Ends opening; reading has its own.</param>
    Task<Answer<UpstreamBlob>> OpenBlobAsync(Reference reference, BlobPart part, CancellationToken cancel);

    /// <summary>One page of a repository's tags. 404 is <c>NAME_UNKNOWN</c>.</summary>
    /// <param name="repository">The repository's full name at this upstream.</param>
    /// <param name="count">Most tags wanted; <see langword="null"/> leaves it to the upstream.</param>
    /// <param name="last">The tag after which to begin; <see langword="null"/> for the beginning.</param>
    /// <param name="cancel">Ends the request.</param>
    Task<Answer<TagPage>> ListTagsAsync(string repository, int? count, string? last, CancellationToken cancel);

    /// <summary>
    /// All descriptors that refer to a manifest, of one artifact type if that is given: from the referrers API with all its pages, or, where
    /// an upstream has none, from the referrers tag schema. What nobody refers to has an empty list; there is no 404.
    /// </summary>
    /// <param name="subject">The manifest, by digest.</param>
    /// <param name="artifactType">The only type that is wanted; <see langword="null"/> for all.</param>
    /// <param name="stored">Finds manifests that need not be fetched: a tag that means one of them costs a HEAD alone, which registries do not count.</param>
    /// <param name="cancel">Ends the requests.</param>
    Task<Answer<ReferrerList>> ListReferrersAsync(Reference subject, string? artifactType, FindManifest stored, CancellationToken cancel);
}

/// <summary>Finds the bytes of a manifest that is here; <see langword="null"/> if it is not.</summary>
public delegate ValueTask<ReadOnlyMemory<byte>?> FindManifest(Digest digest, CancellationToken cancel);

/// <summary>What a HEAD told of a manifest. Each is <see langword="null"/> if the upstream did not say it.</summary>
/// <param name="Digest">Docker-Content-Digest.</param>
/// <param name="MediaType">Content-Type, as sent.</param>
/// <param name="Size">Content-Length in bytes.</param>
public sealed record ManifestInfo(Digest? Digest, string? MediaType, long? Size)
{
    /// <summary>What other caches said of it; <see langword="null"/> if none did.</summary>
    public Relay? Relay { get; init; }
}

/// <summary>A manifest as it was received, not yet compared with any digest.</summary>
/// <param name="Content">The bytes.</param>
/// <param name="MediaType">Content-Type, as sent; <see langword="null"/> if there was none.</param>
/// <param name="Digest">Docker-Content-Digest; <see langword="null"/> if there was none.</param>
public sealed record ReceivedManifest(ReadOnlyMemory<byte> Content, string? MediaType, Digest? Digest)
{
    /// <summary>What other caches said of it; <see langword="null"/> if none did.</summary>
    public Relay? Relay { get; init; }
}

/// <summary>What a HEAD told of a blob.</summary>
/// <param name="Size">Bytes.</param>
public sealed record BlobInfo(long Size)
{
    /// <summary>What other caches said of it; <see langword="null"/> if none did.</summary>
    public Relay? Relay { get; init; }
}

/// <summary>One page of tags.</summary>
/// <param name="Tags">Tags in the upstream's order; each fits the specification's grammar.</param>
/// <param name="HasMore">Whether the upstream announced a further page, to be asked for with the last tag of this one.</param>
public sealed record TagPage(IReadOnlyList<string> Tags, bool HasMore)
{
    /// <summary>What other caches said of it; <see langword="null"/> if none did.</summary>
    public Relay? Relay { get; init; }
}

/// <summary>What refers to a manifest.</summary>
/// <param name="Content">An OCI image index, ready to be served.</param>
/// <param name="Filtered">Whether the filter by artifact type has been applied.</param>
public sealed record ReferrerList(ReadOnlyMemory<byte> Content, bool Filtered);

/// <summary>Bytes on their way from an upstream. The opener disposes it, which gives its connection back.</summary>
public sealed class UpstreamBlob : IAsyncDisposable
{
    /// <summary>
    /// The bytes, from <see cref="Offset"/> on. Reading throws <see cref="IOException"/> when the connection breaks, ends before its
    /// announced length, or brings nothing for too long.
    /// </summary>
    public required Stream Content { get; init; }

    /// <summary>Where <see cref="Content"/> begins in the whole blob; not always where it was asked to.</summary>
    public required long Offset { get; init; }

    /// <summary>Bytes of the whole blob; <see langword="null"/> if the upstream does not say.</summary>
    public required long? Size { get; init; }

    /// <summary>Whether a range was asked for and given. What begins at 0 may be the whole blob all the same.</summary>
    public bool IsPart { get; init; }

    /// <summary>A strong ETag; <see langword="null"/> if there was none.</summary>
    public string? Validator { get; init; }

    /// <summary>Which of the upstream's addresses gave it; <see langword="null"/> if there is only one.</summary>
    public string? Origin { get; init; }

    /// <summary>What other caches said of it; <see langword="null"/> if none did.</summary>
    public Relay? Relay { get; init; }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Content.DisposeAsync();
}
