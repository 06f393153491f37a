using System.Diagnostics.CodeAnalysis;

namespace Entrepot.Oci;

/// <summary>The media types that registries and engines use.</summary>
public static class MediaTypes
{
    /// <summary>An image index (OCI image specification).</summary>
    public const string OciIndex = "application/vnd.oci.image.index.v1+json";

    /// <summary>An image manifest (OCI image specification).</summary>
    public const string OciManifest = "application/vnd.oci.image.manifest.v1+json";

    /// <summary>Docker's manifest list, schema 2.</summary>
    public const string DockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

    /// <summary>Docker's image manifest, schema 2.</summary>
    public const string DockerManifest = "application/vnd.docker.distribution.manifest.v2+json";

    /// <summary>The config of an image (OCI image specification).</summary>
    public const string OciConfig = "application/vnd.oci.image.config.v1+json";

    /// <summary>Docker's config of an image.</summary>
    public const string DockerConfig = "application/vnd.docker.container.image.v1+json";

    /// <summary>What blobs are served as; their true type is in the manifest that names them.</summary>
    public const string Bytes = "application/octet-stream";

    /// <summary>
    /// What upstreams are asked with: every known manifest type and <c>*/*</c>, whatever the client accepts, so that a tag has one meaning.
    /// </summary>
    public static IReadOnlyList<string> Accepted { get; } =
    [
        OciIndex, OciManifest, DockerList, DockerManifest,
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.oci.artifact.manifest.v1+json",
        "*/*",
    ];

    /// <summary>Whether this is a layer of an image's file system, however it is packed; foreign and nondistributable ones, too.</summary>
    public static bool IsImageLayer(string mediaType) =>
        mediaType.StartsWith("application/vnd.oci.image.layer.", StringComparison.Ordinal) ||
        mediaType.StartsWith("application/vnd.docker.image.rootfs.", StringComparison.Ordinal);

    /// <summary>Whether this may stand in a header: printable ASCII, not empty and not absurdly long.</summary>
    public static bool IsUsable([NotNullWhen(true)] string? mediaType) =>
        mediaType is { Length: > 0 and <= 255 } && !mediaType.AsSpan().ContainsAnyExceptInRange(' ', '~');
}
