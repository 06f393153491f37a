using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.Edge;
using Entrepot.Storage;
using Entrepot.Upstream;
using Prometheus;

namespace Entrepot.Server.Telemetry;

/// <summary>Every metric of the appliance, in one file: the list an operator reads. Safe for concurrent use.</summary>
/// <remarks>Labels have few values: never a digest, a repository, a tag or an address.</remarks>
internal sealed class CacheMetrics
{
    private const string NoUpstream = "none";
    private static readonly string[] Sources = [.. Enum.GetNames<PullSource>().Select(name => name.ToLowerInvariant())];
    private static readonly string[] Kinds = ["manifest", "blob", "tags", "referrers", "other"];

    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();

    // One child for each combination, found by index: the hot path looks no label up.
    private readonly Dictionary<string, Counter.Child[]> _requests;
    private readonly Counter.Child[] _bytes;
    private readonly Histogram.Child[] _firstByte;

    /// <summary>The metrics of these parts; gauges and the parts' own counts are read when they are scraped.</summary>
    public CacheMetrics(FetchTable fetches, DiskSpace space, Scrub scrub, IReadOnlyList<(string Name, UpstreamCounters Counters)> upstreams)
    {
        var metrics = Metrics.WithCustomRegistry(_registry);

        var requests = metrics.CreateCounter("entrepot_requests_total", "Requests answered, by where the answer came from.", "kind", "upstream", "source");
        _requests = upstreams.Select(one => one.Name).Append(NoUpstream)
            .ToDictionary(name => name, name => Children((kind, source) => requests.WithLabels(kind, name, source)));

        var bytes = metrics.CreateCounter("entrepot_served_bytes_total", "Body bytes sent to clients.", "kind", "source");
        _bytes = Children((kind, source) => bytes.WithLabels(kind, source));

        var firstByte = metrics.CreateHistogram(
            "entrepot_time_to_first_byte_seconds", "From a request to the first byte of its answer's body.", ["kind", "source"],
            new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(0.0005, 2, 16) });
        _firstByte = Children((kind, source) => firstByte.WithLabels(kind, source));

        var failures = metrics.CreateCounter("entrepot_verify_failures_total", "Blobs whose bytes were not what their digest names.", "where");
        var running = metrics.CreateGauge("entrepot_fetches_running", "Blobs now being fetched.");
        var followers = metrics.CreateGauge("entrepot_followers", "Responses now reading a blob that is being fetched.");
        _registry.AddBeforeCollectCallback(() =>
        {
            running.Set(fetches.Count);
            followers.Set(fetches.Followers);
            failures.WithLabels("fetch").IncTo(fetches.VerifyFailures);
            failures.WithLabels("scrub").IncTo(scrub.Failures);
        });
        ReadWhenScraped(metrics, space);
        foreach (var (name, counters) in upstreams) ReadWhenScraped(metrics, name, counters);
    }

    /// <summary>The name of a source, as the label has it.</summary>
    public static string NameOf(PullSource source) => Sources[(int)source];

    /// <summary>Counts a request at its end.</summary>
    public void Answered(Exchange exchange)
    {
        var child = KindOf(exchange.Kind) * Sources.Length + (int)exchange.Source;
        _requests[exchange.Upstream ?? NoUpstream][child].Inc();
        _bytes[child].Inc(exchange.Sent);
        if (exchange.FirstByteAfter >= TimeSpan.Zero) _firstByte[child].Observe(exchange.FirstByteAfter.TotalSeconds);
    }

    /// <summary>What has been answered since the start: requests by source, those that occurred; body bytes; and how many of those were of hits.</summary>
    public (IReadOnlyDictionary<string, long> Sources, long Bytes, long HitBytes) Totals()
    {
        var sources = new Dictionary<string, long>();
        var (bytes, hitBytes) = (0L, 0L);
        for (var child = 0; child < _bytes.Length; child++)
        {
            var source = child % Sources.Length;
            var count = (long)_requests.Values.Sum(children => children[child].Value);
            if (count > 0) sources[Sources[source]] = sources.GetValueOrDefault(Sources[source]) + count;
            bytes += (long)_bytes[child].Value;
            if ((PullSource)source is PullSource.Hit) hitBytes += (long)_bytes[child].Value;
        }

        return (sources, bytes, hitBytes);
    }

    /// <summary>Writes everything in Prometheus' text format.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        using var text = new MemoryStream();
        await _registry.CollectAndExportAsTextAsync(text, context.RequestAborted);
        context.Response.ContentLength = text.Length;
        await context.Response.BodyWriter.WriteAsync(text.GetBuffer().AsMemory(0, (int)text.Length), context.RequestAborted);
    }

    private void ReadWhenScraped(MetricFactory metrics, DiskSpace space)
    {
        var bytes = metrics.CreateGauge("entrepot_storage_bytes", "Bytes on disk under the root: blobs, index, records, directories.");
        var reserved = metrics.CreateGauge("entrepot_storage_reserved_bytes", "Bytes set aside for blobs that are arriving.");
        var quota = metrics.CreateGauge("entrepot_storage_quota_bytes", "Bytes that all of that may take.");
        var blobs = metrics.CreateGauge("entrepot_storage_blobs", "Blobs under the root.");
        var evictions = metrics.CreateCounter("entrepot_evictions_total", "Blobs that left.", "reason");
        var evicted = metrics.CreateCounter("entrepot_evicted_bytes_total", "Bytes on disk of blobs that left.", "reason");
        _registry.AddBeforeCollectCallback(() =>
        {
            var usage = space.Usage;
            bytes.Set(usage.Used + usage.Overhead);
            reserved.Set(usage.Reserved);
            quota.Set(usage.Limit);
            blobs.Set(usage.Blobs);
            foreach (var reason in Enum.GetValues<EvictionReason>())
            {
                var label = reason.ToString().ToLowerInvariant();
                evictions.WithLabels(label).IncTo(space.Evictions.Blobs(reason));
                evicted.WithLabels(label).IncTo(space.Evictions.Bytes(reason));
            }
        });
    }

    private void ReadWhenScraped(MetricFactory metrics, string upstream, UpstreamCounters counters)
    {
        var requests = metrics.CreateCounter("entrepot_upstream_requests_total", "Requests sent to upstreams, by the status they ended in.", "upstream", "kind", "code");
        var bytes = metrics.CreateCounter("entrepot_upstream_bytes_total", "Body bytes received from upstreams.", "upstream").WithLabels(upstream);
        var limit = metrics.CreateGauge("entrepot_upstream_ratelimit_limit", "Requests that an upstream allows in its period, as it says.", "upstream");
        var remaining = metrics.CreateGauge("entrepot_upstream_ratelimit_remaining", "Requests that an upstream says are left.", "upstream");
        _registry.AddBeforeCollectCallback(() =>
        {
            foreach (var one in counters.Requests) requests.WithLabels(upstream, one.Kind, one.Code).IncTo(one.Count);
            bytes.IncTo(counters.Bytes);
            if (counters.Limit is { } most) limit.WithLabels(upstream).Set(most);
            if (counters.Remaining is { } left) remaining.WithLabels(upstream).Set(left);
        });
    }

    private static int KindOf(TargetKind kind) => kind switch
    {
        TargetKind.Manifest => 0,
        TargetKind.Blob => 1,
        TargetKind.Tags => 2,
        TargetKind.Referrers => 3,
        _ => 4,
    };

    private static T[] Children<T>(Func<string, string, T> child) =>
        [.. from kind in Kinds from source in Sources select child(kind, source)];
}
