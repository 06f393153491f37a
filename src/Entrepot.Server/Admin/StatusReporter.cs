using Entrepot.Pull;
using Entrepot.Server.Cli;
using Entrepot.Server.Options;
using Entrepot.Server.Telemetry;
using Entrepot.Storage;
using Entrepot.Upstream;

namespace Entrepot.Server.Admin;

/// <summary>Tells how the appliance is, at one moment after the other. Safe for concurrent use; waits for nobody.</summary>
internal sealed class StatusReporter
{
    // With less than a tenth of the quota to move in, much of what is pulled is not kept.
    private const int LeastShare = 10;

    private readonly DateTimeOffset _began;

    /// <summary>Tells of the time from now on.</summary>
    public StatusReporter(TimeProvider clock) => (Clock, _began) = (clock, clock.GetUtcNow());

    /// <summary>The room under the root.</summary>
    public required DiskSpace Space { get; init; }

    /// <summary>The root.</summary>
    public required StoreRoot Root { get; init; }

    /// <summary>Bytes that the file system is to keep free.</summary>
    public required long MinFree { get; init; }

    /// <summary>What is remembered of the store.</summary>
    public required FasterCacheIndex Index { get; init; }

    /// <summary>What compares that with the directory.</summary>
    public required Reconciler Reconciler { get; init; }

    /// <summary>What is arriving.</summary>
    public required FetchTable Fetches { get; init; }

    /// <summary>What is cached.</summary>
    public required Images Images { get; init; }

    /// <summary>What has been answered.</summary>
    public required CacheMetrics Metrics { get; init; }

    /// <summary>What went wrong lately.</summary>
    public required RecentFaults Faults { get; init; }

    /// <summary>Whether the store fails.</summary>
    public required StoreHealth Health { get; init; }

    /// <summary>What hashes it again.</summary>
    public required RegularScrub Scrub { get; init; }

    /// <summary>What is warmed again and again.</summary>
    public required WarmSchedules Schedules { get; init; }

    /// <summary>Where blobs come from.</summary>
    public required UpstreamSet Upstreams { get; init; }

    /// <summary>Where the registry API answers.</summary>
    public required Func<IReadOnlyList<Uri>> Registry { get; init; }

    /// <summary>Whether it is about to end.</summary>
    public required Func<bool> IsDraining { get; init; }

    private TimeProvider Clock { get; }

    /// <summary>How it is now.</summary>
    public async Task<StatusReport> ReportAsync()
    {
        var isMeasured = Space.Measured.IsCompleted ? await Space.Measured : default(bool?);
        var usage = Space.Usage;
        var free = Root.FreeBytes();
        var now = Upstreams.Now;   // first: whoever is in it has been counted since before
        var counters = Upstreams.Counters.ToDictionary(one => one.Name, one => one.Counters);
        UpstreamStatus[] upstreams = [.. now.Select(upstream => Describe(upstream, counters[upstream.Name], Clock.GetUtcNow()))];
        var (sources, bytes, hitBytes) = Metrics.Totals();
        return new StatusReport(
            Product.Version,
            IsDraining() ? "draining" : Health.Now is null ? "ready" : "degraded",
            Math.Max(0, (long)(Clock.GetUtcNow() - _began).TotalSeconds),
            [.. Registry().Select(uri => uri.GetLeftPart(UriPartial.Authority))],
            new StorageStatus(Root.Path, usage.Blobs, usage.Partials, usage.PartialBytes, usage.Used + usage.Overhead, usage.Reserved, usage.Pinned, usage.Limit, free),
            new RequestStatus(sources.Values.Sum(), sources, bytes, hitBytes),
            upstreams,
            Describe(Scrub.State, Scrub.Rules),
            [.. InOrder(Fetches.States).Select(Describe)],
            [.. Problems(isMeasured, usage, free, upstreams)]);
    }

    // What somebody may wonder about first: many wait for it, much is to come.
    private static IEnumerable<FetchState> InOrder(IEnumerable<FetchState> fetches) => fetches
        .OrderBy(fetch => fetch.IsWaiting)
        .ThenByDescending(fetch => fetch.Followers)
        .ThenByDescending(fetch => (fetch.Size ?? long.MaxValue) - fetch.Arrived)
        .ThenBy(fetch => fetch.Reference.ToString(), StringComparer.Ordinal);

    private static FetchStatus Describe(FetchState fetch) => new(
        fetch.Reference.ToString(),
        fetch.IsWaiting ? "waiting" : fetch.IsPassing ? "passing" : "running",
        fetch.Size, fetch.Arrived, fetch.Rate, fetch.Runs, fetch.Followers);

    private static ScrubStatus Describe(ScrubState state, ScrubRules rules) => new(
        state.Running is not null ? "running" : rules.Every == Timeout.InfiniteTimeSpan ? "off" : "waiting",
        state.Running?.Bytes ?? 0, state.Running?.TotalBytes ?? 0, state.Mark.Ended, state.Next);

    private static UpstreamStatus Describe(RegistryUpstream upstream, UpstreamCounters counters, DateTimeOffset now)
    {
        AccountStatus[] accounts =
        [
            .. counters.Budgets.Select(one => Describe(one.Account, one.Budget.At(now)))
                .Where(one => one is not { Limit: null, Remaining: null, LimitedFor: null })
                .OrderBy(one => one.Account, StringComparer.Ordinal),
        ];
        return new UpstreamStatus(
            upstream.Name,
            upstream.Freshness.Offline ? "offline" : upstream.WasDead ? "down" : "up",
            [.. upstream.Options.Urls.Select(url => url.ToString())],
            Sum(one => one.Limit),
            Sum(one => one.Remaining),
            accounts);

        long? Sum(Func<AccountStatus, long?> value) => accounts.Any(one => value(one) is not null) ? accounts.Sum(value) : null;
    }

    private static AccountStatus Describe(string account, BudgetState state) => new(
        account, state.Limit, state.Remaining, (long?)state.Window?.TotalSeconds, state.Source,
        state.LimitedFor is { } time ? (long)Math.Ceiling(time.TotalSeconds) : null);

    private IEnumerable<string> Problems(bool? isMeasured, SpaceUsage usage, long free, IReadOnlyList<UpstreamStatus> upstreams)
    {
        if (Health.Now is { } fault)
            yield return $"The store in {Root.Path} fails ({fault.Fault.ToString().ToLowerInvariant()}) since {fault.Since:yyyy-MM-dd HH:mm:ss}Z: {fault.Why}. What is not stored is passed through and not kept; caching goes on by itself when that is mended.";
        if (IsDraining()) yield return "The server is stopping: it ends what it has begun and takes nothing new.";
        foreach (var upstream in upstreams.Where(upstream => upstream.State == "down"))
            yield return $"{upstream.Name} is out of reach: what is cached is served, everything else of it fails. Is {string.Join(", ", upstream.Urls)} reachable from here?";
        foreach (var upstream in upstreams.Where(upstream => upstream.RateLimitRemaining == 0))
            yield return $"{upstream.Name} says that its rate limit is used up: configure an account for it, or wait.";

        foreach (var (name, account) in upstreams.SelectMany(upstream => upstream.Accounts, (upstream, account) => (upstream.Name, account)))
            if (account.LimitedFor is { } seconds)
                yield return $"{name} limits the requests of {account.Account}: it is asked again in {seconds} s, and until then what is cached is served.";

        if (isMeasured is null) yield return "The store is still being measured: what is cached is served, nothing new is kept.";
        else if (isMeasured is false) yield return $"The store in {Root.Path} could not be measured: nothing new is kept until that succeeds, which is tried again. See the log.";
        else if (!Reconciler.Progress.IsDone) yield return $"The store is still being compared with the index, {Reconciler.Progress.Files} files so far: files not yet seen are hashed before they are served.";

        if (Images.IncompletePins() is [var first, ..] incomplete)
            yield return $"{first}{(incomplete.Count > 1 ? $" and {incomplete.Count - 1} more pinned images are" : " is pinned and")} not completely stored: pull it through this cache once more.";
        var room = usage.Limit - usage.Overhead - usage.Pinned;
        if (room < usage.Limit / LeastShare)
            yield return $"Pinned images take {Quantity.Show(usage.Pinned)} of the quota of {Quantity.Show(usage.Limit)}: what does not fit beside them is passed through and not kept. Unpin something, or raise storage.quota.";
        if (free < MinFree && usage.Used - usage.Pinned < MinFree - free)
            yield return $"The file system of {Root.Path} has {Quantity.Show(free)} free, and storage.minFree wants {Quantity.Show(MinFree)}: nothing new is kept. Free some space; emptying the cache is not enough.";
        if (Index.Warning is { } warning) yield return $"At the start, {warning}.";
        if (Index.Spoilt > 0) yield return $"{Index.Spoilt} records could not be read at the start; what they told (tags, pins) is forgotten. Compare list with what should be pinned.";
        foreach (var sentence in Schedules.Problems) yield return sentence;
        foreach (var sentence in Faults.Sentences()) yield return sentence;
    }
}
