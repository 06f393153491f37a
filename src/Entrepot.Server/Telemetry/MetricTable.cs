using Entrepot.Pull;
using Entrepot.Server.Edge;
using Entrepot.Storage;
using Entrepot.Upstream;

namespace Entrepot.Server.Telemetry;

/// <summary>Every metric there is: the list an operator reads. Collectors and the reference are made from this table.</summary>
/// <remarks>Labels have few values: never a digest, a repository, a tag or an address.</remarks>
internal static class MetricTable
{
    /// <summary>The value of <c>upstream</c> for requests that name none that is configured.</summary>
    public const string NoUpstream = "none";

    /// <summary>Where fetched bytes are verified.</summary>
    public const string WhereFetch = "fetch";

    /// <summary>Where stored bytes are verified once more.</summary>
    public const string WhereScrub = "scrub";

    /// <summary>Where an answer came from, by the number of the <see cref="PullSource"/>.</summary>
    public static readonly MetricLabel Source = new("source", Names<PullSource>());

    /// <summary>What a request was about.</summary>
    public static readonly MetricLabel Kind = new("kind", ["manifest", "blob", "tags", "referrers", "other"]);

    /// <summary>Requests of clients.</summary>
    public static readonly MetricSpec Requests = new(
        "entrepot_requests_total", MetricKind.Counter, "requests",
        "Requests of clients that have ended, by where the answer came from.",
        Kind, new("upstream", [NoUpstream], "a configured name"), Source);

    /// <summary>Bytes to clients.</summary>
    public static readonly MetricSpec ServedBytes = new(
        "entrepot_served_bytes_total", MetricKind.Counter, "bytes", "Body bytes sent to clients.", Kind, Source);

    /// <summary>Waits of clients.</summary>
    public static readonly MetricSpec FirstByte = new(
        "entrepot_time_to_first_byte_seconds", MetricKind.Histogram, "seconds",
        "From a request to the first byte of its answer's body, or to its headers where it has none.", Kind, Source);

    /// <summary>Connections of clients.</summary>
    public static readonly MetricSpec Connections = new(
        "entrepot_connections", MetricKind.Gauge, "connections", "Connections of clients to the registry API now open.");

    /// <summary>Those that were too many.</summary>
    public static readonly MetricSpec ConnectionsRefused = new(
        "entrepot_connections_refused_total", MetricKind.Counter, "connections",
        "Connections of clients that were closed at once, by what there were too many of: all together, or those of their client.", new MetricLabel("reason", Names<ConnectionRefusal>()));

    /// <summary>Requests to upstreams.</summary>
    public static readonly MetricSpec UpstreamRequests = new(
        "entrepot_upstream_requests_total", MetricKind.Counter, "requests",
        "Requests made of upstreams and their token services, by the status of the answer.",
        Upstream, new("kind", ["manifest", "blob", "tags", "referrers", "token", "ping"]), new("code", ["error", "other"], "a status of HTTP"));

    /// <summary>Bytes from upstreams.</summary>
    public static readonly MetricSpec UpstreamBytes = new(
        "entrepot_upstream_bytes_total", MetricKind.Counter, "bytes", "Body bytes received from upstreams, as they came over the wire.", Upstream);

    /// <summary>Requests that are not made yet.</summary>
    public static readonly MetricSpec UpstreamWaiting = new(
        "entrepot_upstream_waiting", MetricKind.Gauge, "requests", "Requests that wait for a place among an upstream's connections; limits.waiting is the most.", Upstream);

    /// <summary>What an upstream allows.</summary>
    public static readonly MetricSpec RateLimit = new(
        "entrepot_upstream_ratelimit_limit", MetricKind.Gauge, "requests",
        "Requests that an upstream allows an account in its period, as it says; absent until it does.", Upstream, Account);

    /// <summary>What is left of it.</summary>
    public static readonly MetricSpec RateLimitRemaining = new(
        "entrepot_upstream_ratelimit_remaining", MetricKind.Gauge, "requests",
        "Requests that an upstream says an account has left; absent until it does.", Upstream, Account);

    /// <summary>How long it wants to be left alone.</summary>
    public static readonly MetricSpec RateLimited = new(
        "entrepot_upstream_ratelimited_seconds", MetricKind.Gauge, "seconds",
        "Seconds until an upstream that answered 429 may be asked again by an account; 0 if it may be now.", Upstream, Account);

    /// <summary>Circuits to upstreams.</summary>
    public static readonly MetricSpec Circuits = new(
        "entrepot_upstream_circuits", MetricKind.Gauge, "addresses",
        "Addresses of an upstream by how the circuit to them stands: with none closed, the upstream is out of reach.", Upstream, new("state", Names<Circuit>()));

    /// <summary>Running fetches.</summary>
    public static readonly MetricSpec FetchesRunning = new("entrepot_fetches_running", MetricKind.Gauge, "blobs", "Blobs now being fetched.");

    /// <summary>Fetches that have not begun.</summary>
    public static readonly MetricSpec FetchesWaiting = new(
        "entrepot_fetches_waiting", MetricKind.Gauge, "blobs", "Blobs that wait to be fetched, since limits.fetches others are.");

    /// <summary>What fills them.</summary>
    public static readonly MetricSpec FetchRuns = new(
        "entrepot_fetch_runs", MetricKind.Gauge, "requests", "Requests to upstreams that now fill the blobs being fetched.");

    /// <summary>What is to be there.</summary>
    public static readonly MetricSpec FetchSize = new(
        "entrepot_fetch_size_bytes", MetricKind.Gauge, "bytes", "Bytes of the blobs now being fetched, as far as their sizes are known.");

    /// <summary>What of it is.</summary>
    public static readonly MetricSpec FetchArrived = new(
        "entrepot_fetch_arrived_bytes", MetricKind.Gauge, "bytes", "Of those, bytes that have arrived, those of earlier fetches among them.");

    /// <summary>Their readers.</summary>
    public static readonly MetricSpec Followers = new(
        "entrepot_followers", MetricKind.Gauge, "responses", "Responses now reading a blob that is being fetched.");

    /// <summary>What is stored, in bytes.</summary>
    public static readonly MetricSpec StorageBytes = new(
        "entrepot_storage_bytes", MetricKind.Gauge, "bytes", "Bytes on disk under the root: blobs, resting parts of blobs, index, records, directories.");

    /// <summary>What rests.</summary>
    public static readonly MetricSpec StoragePartial = new(
        "entrepot_storage_partial_bytes", MetricKind.Gauge, "bytes", "Of those, bytes of parts of blobs that rest: nobody fetches the blob now.");

    /// <summary>What is to come.</summary>
    public static readonly MetricSpec StorageReserved = new(
        "entrepot_storage_reserved_bytes", MetricKind.Gauge, "bytes", "Bytes set aside for blobs that are arriving.");

    /// <summary>What both may come to.</summary>
    public static readonly MetricSpec StorageQuota = new("entrepot_storage_quota_bytes", MetricKind.Gauge, "bytes", "Bytes that all of that may take.");

    /// <summary>What is stored, in blobs.</summary>
    public static readonly MetricSpec StorageBlobs = new("entrepot_storage_blobs", MetricKind.Gauge, "blobs", "Whole blobs under the root.");

    /// <summary>What left.</summary>
    public static readonly MetricSpec Evictions = new("entrepot_evictions_total", MetricKind.Counter, "blobs", "Blobs, and parts of blobs, that left.", Reason);

    /// <summary>What left, in bytes.</summary>
    public static readonly MetricSpec EvictedBytes = new(
        "entrepot_evicted_bytes_total", MetricKind.Counter, "bytes", "Bytes on disk of what left.", Reason);

    /// <summary>Whether the store fails.</summary>
    public static readonly MetricSpec StorageFaulty = new(
        "entrepot_storage_faulty", MetricKind.Gauge, "switch", "1 while the store fails for a reason, else 0: what is not stored is passed through then.", Fault);

    /// <summary>How often it did.</summary>
    public static readonly MetricSpec StorageFaults = new(
        "entrepot_storage_faults_total", MetricKind.Counter, "faults", "Faults of the store that requests, background work and probes met.", Fault);

    /// <summary>How far a scrub is.</summary>
    public static readonly MetricSpec ScrubBytes = new("entrepot_scrub_bytes", MetricKind.Gauge, "bytes", "Bytes that the regular scrub has hashed since it began or was gone on with; 0 if none runs.");

    /// <summary>How far it has to come.</summary>
    public static readonly MetricSpec ScrubSize = new("entrepot_scrub_size_bytes", MetricKind.Gauge, "bytes", "Bytes that it is to hash in all; 0 if none runs.");

    /// <summary>When one ended last.</summary>
    public static readonly MetricSpec ScrubEnded = new(
        "entrepot_scrub_last_end_timestamp_seconds", MetricKind.Gauge, "seconds", "When the regular scrub has last been through the whole store, or the store was first used, since 1970; 0 while one is under way.");

    /// <summary>Wrong bytes.</summary>
    public static readonly MetricSpec VerifyFailures = new(
        "entrepot_verify_failures_total", MetricKind.Counter, "blobs",
        "Blobs whose bytes were not what their digest names.", new MetricLabel("where", [WhereFetch, WhereScrub]));

    /// <summary>What the log does not tell.</summary>
    public static readonly MetricSpec LogDropped = new(
        "entrepot_log_dropped_total", MetricKind.Counter, "lines", "Lines of the log that were dropped, since limits.logLines others waited to be written.");

    /// <summary>All of them, in the order of the reference.</summary>
    public static IReadOnlyList<MetricSpec> All { get; } =
    [
        Requests, ServedBytes, FirstByte, Connections, ConnectionsRefused,
        UpstreamRequests, UpstreamBytes, UpstreamWaiting, RateLimit, RateLimitRemaining, RateLimited, Circuits,
        FetchesRunning, FetchesWaiting, FetchRuns, FetchSize, FetchArrived, Followers,
        StorageBytes, StoragePartial, StorageReserved, StorageQuota, StorageBlobs,
        Evictions, EvictedBytes, VerifyFailures, StorageFaulty, StorageFaults, ScrubBytes, ScrubSize, ScrubEnded, LogDropped,
    ];

    private static MetricLabel Upstream => new("upstream", [], "a configured name");

    private static MetricLabel Account => new("account", ["anonymous", "dockerConfig"], "a configured username");

    private static MetricLabel Fault => new("reason", Names<StorageFault>());

    private static MetricLabel Reason => new("reason", Names<EvictionReason>());

    private static string[] Names<T>() where T : struct, Enum => [.. Enum.GetNames<T>().Select(name => name.ToLowerInvariant())];
}
