using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Stands in for an upstream that is never to be contacted, and answers for it. Safe for concurrent use.</summary>
/// <remarks>
/// What is not stored is told as unknown: nothing could ever answer. Lists that are not kept are another matter: an empty one, or a 404, would say
/// of things that may well be stored that they do not exist.
/// </remarks>
internal sealed class OfflineUpstream(string name, FreshnessRules freshness) : IUpstream
{
    /// <summary>Why something is unknown.</summary>
    public const string NotStored = "it is not stored, and this upstream is offline";

    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public FreshnessRules Freshness => freshness;

    /// <inheritdoc/>
    public FetchRules Fetching { get; } = new();

    /// <inheritdoc/>
    public bool IsDown => true;

    /// <inheritdoc/>
    public bool IsShort => false;

    /// <inheritdoc/>
    public Task<Answer<ManifestInfo>> HeadManifestAsync(Reference reference, CancellationToken cancel) =>
        Unknown<ManifestInfo>(RegistryError.ManifestUnknown);

    /// <inheritdoc/>
    public Task<Answer<ReceivedManifest>> GetManifestAsync(Reference reference, CancellationToken cancel) =>
        Unknown<ReceivedManifest>(RegistryError.ManifestUnknown);

    /// <inheritdoc/>
    public Task<Answer<BlobInfo>> HeadBlobAsync(Reference reference, CancellationToken cancel) => Unknown<BlobInfo>(RegistryError.BlobUnknown);

    /// <inheritdoc/>
    public Task<Answer<UpstreamBlob>> OpenBlobAsync(Reference reference, BlobPart part, CancellationToken cancel) =>
        Unknown<UpstreamBlob>(RegistryError.BlobUnknown);

    /// <inheritdoc/>
    public Task<Answer<TagPage>> ListTagsAsync(string repository, int? count, string? last, CancellationToken cancel) => NotKept<TagPage>("lists of tags are not kept");

    /// <inheritdoc/>
    public Task<Answer<ReferrerList>> ListReferrersAsync(Reference subject, string? artifactType, FindManifest stored, CancellationToken cancel) =>
        NotKept<ReferrerList>("no list of what refers to it is kept");

    private static Task<Answer<T>> Unknown<T>(RegistryError error) where T : class => Task.FromResult<Answer<T>>(error with { Detail = NotStored });

    private static Task<Answer<T>> NotKept<T>(string what) where T : class =>
        Task.FromResult<Answer<T>>(RegistryError.Down($"{what}, and this upstream is offline"));
}
