using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.Edge;
using Entrepot.Storage;
using Entrepot.Upstream;
using Prometheus;

namespace Entrepot.Server.Telemetry;

/// <summary>The values of every metric of <see cref="MetricTable"/>. Safe for concurrent use.</summary>
internal sealed class CacheMetrics
{
    private static readonly IReadOnlyList<string> Sources = MetricTable.Source.Values;

    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();
    private readonly MetricFactory _metrics;

    // One child for each combination, found by index: the hot path looks no label up.
    private volatile Dictionary<string, Counter.Child[]> _requests = [];   // replaced as a whole, never changed
    private readonly Counter _allRequests;
    private readonly Counter.Child[] _bytes;
    private readonly Histogram.Child[] _firstByte;

    /// <summary>The metrics of these parts; gauges and the parts' own counts are read when they are scraped.</summary>
    public CacheMetrics(ConnectionLimits connections, FetchTable fetches, DiskSpace space, Scrub scrub, UpstreamSet upstreams, TimeProvider clock)
    {
        _metrics = Metrics.WithCustomRegistry(_registry);
        _allRequests = NewCounter(MetricTable.Requests);
        AddUpstreams([MetricTable.NoUpstream]);

        var bytes = NewCounter(MetricTable.ServedBytes);
        _bytes = Children((kind, source) => bytes.WithLabels(kind, source));

        var (name, _, _, help, _) = MetricTable.FirstByte;
        var firstByte = _metrics.CreateHistogram(
            name, help, MetricTable.FirstByte.LabelNames, new HistogramConfiguration { Buckets = Histogram.ExponentialBuckets(0.0005, 2, 16) });
        _firstByte = Children((kind, source) => firstByte.WithLabels(kind, source));

        ReadWhenScraped(connections);
        ReadWhenScraped(fetches, scrub);
        ReadWhenScraped(space);
        ReadWhenScraped(upstreams, clock);
    }

    /// <summary>The name of a source, as the label has it.</summary>
    public static string NameOf(PullSource source) => Sources[(int)source];

    /// <summary>Has series of requests for these upstreams too. They have to be here before a request can be about one of them; none ever goes.</summary>
    /// <remarks>Safe beside everything else, but not beside itself.</remarks>
    public void AddUpstreams(IEnumerable<string> names)
    {
        var requests = new Dictionary<string, Counter.Child[]>(_requests);
        foreach (var name in names) requests.TryAdd(name, Children((kind, source) => _allRequests.WithLabels(kind, name, source)));
        _requests = requests;
    }

    /// <summary>Counts a request at its end.</summary>
    public void Answered(Exchange exchange)
    {
        var child = KindOf(exchange.Kind) * Sources.Count + (int)exchange.Source;
        _requests[exchange.Upstream ?? MetricTable.NoUpstream][child].Inc();
        _bytes[child].Inc(exchange.Sent);
        if (exchange.FirstByteAfter >= TimeSpan.Zero) _firstByte[child].Observe(exchange.FirstByteAfter.TotalSeconds);
    }

    /// <summary>
    /// What pulls of manifests and blobs were answered since the start: requests by source, those that occurred; body bytes; and how many of those were
    /// of hits. Engines' probes are hits that cost nothing, and lists are never kept: neither says how well content is.
    /// </summary>
    public (IReadOnlyDictionary<string, long> Sources, long Bytes, long HitBytes) Totals()
    {
        var sources = new Dictionary<string, long>();
        var (bytes, hitBytes) = (0L, 0L);
        for (var child = 0; child < (KindOf(TargetKind.Blob) + 1) * Sources.Count; child++)
        {
            var source = child % Sources.Count;
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
        if (RequestForm.IsHead(context.Request.Method)) return;
        await context.Response.BodyWriter.WriteAsync(text.GetBuffer().AsMemory(0, (int)text.Length), context.RequestAborted);
    }

    private void ReadWhenScraped(ConnectionLimits connections)
    {
        var open = NewGauge(MetricTable.Connections);
        var refused = NewCounter(MetricTable.ConnectionsRefused);
        _registry.AddBeforeCollectCallback(() =>
        {
            open.Set(connections.Open);
            foreach (var why in Enum.GetValues<ConnectionRefusal>()) refused.WithLabels(why.ToString().ToLowerInvariant()).IncTo(connections.Refused(why));
        });
    }

    /// <summary>Reads this, too, when it is scraped. Called once.</summary>
    public void ReadWhenScraped(LogQueue lines)
    {
        var dropped = NewCounter(MetricTable.LogDropped);
        _registry.AddBeforeCollectCallback(() => dropped.IncTo(lines.Dropped));
    }

    /// <summary>Reads these, too, when they are scraped. Called once.</summary>
    public void ReadWhenScraped(StoreHealth health, RegularScrub scrub)
    {
        var faulty = NewGauge(MetricTable.StorageFaulty);
        var faults = NewCounter(MetricTable.StorageFaults);
        var bytes = NewGauge(MetricTable.ScrubBytes);
        var size = NewGauge(MetricTable.ScrubSize);
        var ended = NewGauge(MetricTable.ScrubEnded);
        _registry.AddBeforeCollectCallback(() =>
        {
            var now = health.Now;
            foreach (var fault in Enum.GetValues<StorageFault>())
            {
                var label = fault.ToString().ToLowerInvariant();
                faulty.WithLabels(label).Set(now?.Fault == fault ? 1 : 0);
                faults.WithLabels(label).IncTo(health.Met(fault));
            }

            var state = scrub.State;
            bytes.Set(state.Running?.Bytes ?? 0);
            size.Set(state.Running?.TotalBytes ?? 0);
            ended.Set(state.Mark.Ended is { } end ? end.ToUnixTimeMilliseconds() / 1000.0 : 0);
        });
    }

    private void ReadWhenScraped(FetchTable fetches, Scrub scrub)
    {
        var failures = NewCounter(MetricTable.VerifyFailures);
        var running = NewGauge(MetricTable.FetchesRunning);
        var waiting = NewGauge(MetricTable.FetchesWaiting);
        var runs = NewGauge(MetricTable.FetchRuns);
        var size = NewGauge(MetricTable.FetchSize);
        var arrived = NewGauge(MetricTable.FetchArrived);
        var followers = NewGauge(MetricTable.Followers);
        _registry.AddBeforeCollectCallback(() =>
        {
            var states = fetches.States;
            running.Set(states.Count(fetch => !fetch.IsWaiting));
            waiting.Set(states.Count(fetch => fetch.IsWaiting));
            runs.Set(states.Sum(fetch => fetch.Runs));
            size.Set(states.Sum(fetch => fetch.Size ?? 0));
            arrived.Set(states.Sum(fetch => fetch.Size is null ? 0 : fetch.Arrived));
            followers.Set(states.Sum(fetch => fetch.Followers));
            failures.WithLabels(MetricTable.WhereFetch).IncTo(fetches.VerifyFailures);
            failures.WithLabels(MetricTable.WhereScrub).IncTo(scrub.Failures);
        });
    }

    private void ReadWhenScraped(DiskSpace space)
    {
        var bytes = NewGauge(MetricTable.StorageBytes);
        var partial = NewGauge(MetricTable.StoragePartial);
        var reserved = NewGauge(MetricTable.StorageReserved);
        var quota = NewGauge(MetricTable.StorageQuota);
        var blobs = NewGauge(MetricTable.StorageBlobs);
        var evictions = NewCounter(MetricTable.Evictions);
        var evicted = NewCounter(MetricTable.EvictedBytes);
        _registry.AddBeforeCollectCallback(() =>
        {
            var usage = space.Usage;
            bytes.Set(usage.Used + usage.Overhead);
            partial.Set(usage.PartialBytes);
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

    private void ReadWhenScraped(UpstreamSet upstreams, TimeProvider clock)
    {
        var requests = NewCounter(MetricTable.UpstreamRequests);
        var bytes = NewCounter(MetricTable.UpstreamBytes);
        var waiting = NewGauge(MetricTable.UpstreamWaiting);
        var limit = NewGauge(MetricTable.RateLimit);
        var remaining = NewGauge(MetricTable.RateLimitRemaining);
        var limited = NewGauge(MetricTable.RateLimited);
        var circuits = NewGauge(MetricTable.Circuits);
        _registry.AddBeforeCollectCallback(() =>
        {
            var now = upstreams.Now.ToDictionary(upstream => upstream.Name, upstream => (Circuits: upstream.Circuits.ToList(), upstream.Waiting));
            foreach (var (name, counters) in upstreams.Counters)
            {
                foreach (var one in counters.Requests) requests.WithLabels(name, one.Kind, one.Code).IncTo(one.Count);
                bytes.WithLabels(name).IncTo(counters.Bytes);
                foreach (var state in Enum.GetValues<Circuit>())
                    circuits.WithLabels(name, state.ToString().ToLowerInvariant()).Set(now.GetValueOrDefault(name).Circuits?.Count(one => one == state) ?? 0);
                waiting.WithLabels(name).Set(now.GetValueOrDefault(name).Waiting);
                foreach (var (account, budget) in counters.Budgets)
                {
                    var state = budget.At(clock.GetUtcNow());
                    if (state.Limit is { } most) limit.WithLabels(name, account).Set(most);
                    if (state.Remaining is { } left) remaining.WithLabels(name, account).Set(left);
                    limited.WithLabels(name, account).Set(state.LimitedFor?.TotalSeconds ?? 0);
                }
            }
        });
    }

    private Counter NewCounter(MetricSpec spec) => _metrics.CreateCounter(spec.Name, spec.Help, spec.LabelNames);

    private Gauge NewGauge(MetricSpec spec) => _metrics.CreateGauge(spec.Name, spec.Help, spec.LabelNames);

    // Those of content first.
    private static int KindOf(TargetKind kind) => kind switch
    {
        TargetKind.Manifest => 0,
        TargetKind.Blob => 1,
        TargetKind.Tags => 2,
        TargetKind.Referrers => 3,
        _ => 4,
    };

    private static T[] Children<T>(Func<string, string, T> child) =>
        [.. from kind in MetricTable.Kind.Values from source in Sources select child(kind, source)];
}
