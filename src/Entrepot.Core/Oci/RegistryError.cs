namespace Entrepot.Oci;

/// <summary>An answer that is not the content: what a client is told, in the words of the specification.</summary>
/// <remarks>An immutable value. It is an answer, not a fault: it travels as a value and one file writes it to the wire.</remarks>
/// <param name="Status">HTTP status code.</param>
/// <param name="Code">Error code (OCI distribution specification 1.1, "Error Codes"), or a code of Docker's registries.</param>
/// <param name="Message">One sentence for a person; it may reach a terminal, so it holds no credential and no address inside.</param>
/// <param name="Detail">What exactly was wrong; <see langword="null"/> when the message says it all.</param>
/// <param name="RetryAfter">When asking again makes sense; <see langword="null"/> when nobody said.</param>
public sealed record RegistryError(int Status, string Code, string Message, string? Detail = null, TimeSpan? RetryAfter = null)
{
    /// <summary>400: the repository's name breaks the grammar.</summary>
    public static RegistryError NameInvalid { get; } = new(400, "NAME_INVALID", "invalid repository name");

    /// <summary>400: the digest breaks the grammar or is of an algorithm other than sha256 and sha512.</summary>
    public static RegistryError DigestInvalid { get; } = new(400, "DIGEST_INVALID", "invalid digest; sha256 and sha512 are supported");

    /// <summary>400: the tag breaks the grammar.</summary>
    public static RegistryError TagInvalid { get; } = new(400, "MANIFEST_INVALID", "invalid tag");

    /// <summary>404: no such repository, or an upstream that is not configured.</summary>
    public static RegistryError NameUnknown { get; } = new(404, "NAME_UNKNOWN", "repository name not known to registry");

    /// <summary>404: the upstream has no such manifest.</summary>
    public static RegistryError ManifestUnknown { get; } = new(404, "MANIFEST_UNKNOWN", "manifest unknown to registry");

    /// <summary>404: the upstream has no such blob.</summary>
    public static RegistryError BlobUnknown { get; } = new(404, "BLOB_UNKNOWN", "blob unknown to registry");

    /// <summary>405: a write; this is a cache.</summary>
    public static RegistryError Unsupported { get; } = new(405, "UNSUPPORTED", "this cache is read-only");

    /// <summary>401: the upstream wants credentials that are not configured, or refuses those that are.</summary>
    public static RegistryError Unauthorized { get; } = new(401, "UNAUTHORIZED", "the upstream refused its credentials");

    /// <summary>403: the upstream knows who asks and says no.</summary>
    public static RegistryError Denied { get; } = new(403, "DENIED", "the upstream denied access");

    /// <summary>502: the upstream answered nonsense, too much, or wrong bytes.</summary>
    public static RegistryError BadGateway(string detail) => new(502, "UNAVAILABLE", "the upstream's answer cannot be used", detail);

    /// <summary>503: the upstream is down or answers 5xx. Never told as 404: a client told "unknown" gives up.</summary>
    public static RegistryError Down(string detail, TimeSpan? retryAfter = null) =>
        new(503, "UNAVAILABLE", "the upstream cannot be reached", detail, retryAfter);

    /// <summary>503: one of this cache's own limits has been reached.</summary>
    public static RegistryError Busy(string detail) => new(503, "UNAVAILABLE", "this cache has too much to do", detail);

    /// <summary>504: the upstream accepted the request and then said nothing in time.</summary>
    public static RegistryError Silent(string detail) => new(504, "UNAVAILABLE", "the upstream did not answer in time", detail);

    /// <summary>429: the upstream limits how often it may be asked.</summary>
    public static RegistryError TooManyRequests(TimeSpan? retryAfter) =>
        new(429, "TOOMANYREQUESTS", "the upstream limits requests", null, retryAfter);

    /// <summary>503: this process could not store or read something.</summary>
    public static RegistryError StoreFault(string detail) => new(503, "UNAVAILABLE", "the cache's own store failed", detail);

    /// <summary>
    /// Whether the upstream could not say (unreachable, silent, limiting, 5xx, nonsense), as against having said no.
    /// What is known may be served in place of such an answer.
    /// </summary>
    public bool IsOutage => Status is 429 or >= 500;
}
