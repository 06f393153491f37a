using System.Net;
using System.Net.Sockets;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.Admin;
using Entrepot.Server.Edge;
using Entrepot.Server.Options;
using Entrepot.Server.Telemetry;
using Entrepot.Server.ZeroCopy;
using Entrepot.Storage;
using Entrepot.Upstream;
using Log = Entrepot.Server.Telemetry.Log;

namespace Entrepot.Server;

/// <summary>How full the store is.</summary>
/// <param name="Root">The directory, absolute.</param>
/// <param name="Blobs">Whole blobs in it.</param>
/// <param name="Bytes">Bytes of those blobs.</param>
/// <param name="Partials">Blobs of which a part rests in it.</param>
/// <param name="PartialBytes">Bytes on disk of those parts.</param>
/// <param name="QuotaBytes">Most bytes that everything under the root may take.</param>
/// <param name="FreeBytes">Bytes free on the file system.</param>
public sealed record StoreUsage(string Root, int Blobs, long Bytes, int Partials, long PartialBytes, long QuotaBytes, long FreeBytes);

/// <summary>The appliance could not start; the message is the one line for whoever started it.</summary>
public sealed class StartupException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The running appliance: the one place where its parts are joined, and the file to read first.</summary>
/// <remarks>
/// Parts are owned here and end in the opposite order of their making: registry listeners, admin and metrics listeners, pulls, fetches, upstreams, index, store.
/// <para>
/// <see cref="Reload"/> runs beside requests, one at a time, and never after the end has begun. It changes three things, each in one step that a request sees whole or
/// not at all: what pulls ask, how requests are routed, and the quota. Series of metrics and upstreams come before the routes that lead to them. A route that was
/// read just before may lead to an upstream that is gone: what is stored is served then, and nobody is asked. Pulls that run hold the upstream that they found and end
/// with it; it has given up its connections by then, and takes new ones only for them (see <see cref="RegistryUpstream"/>).
/// </para>
/// </remarks>
public sealed class EntrepotHost : IAsyncDisposable
{
    /// <summary>The orders in which blobs can leave, by the name that options have for them.</summary>
    internal static readonly IReadOnlyDictionary<string, Func<EvictionPolicy>> EvictionPolicies =
        new Dictionary<string, Func<EvictionPolicy>> { ["lru"] = () => new LruPolicy(), ["adaptive"] = () => new AdaptivePolicy() };

    private readonly StoreRoot _root;
    private readonly FasterCacheIndex _index;
    private readonly DiskSpace _space;
    private readonly DiskBlobStore _store;
    private readonly Staging _staging;
    private readonly BundleImports _imports;
    private readonly Reconciler _reconciler;
    private readonly FetchTable _fetches;
    private readonly PullThrough _pulls;
    private readonly UpstreamSet _upstreams;
    private readonly CacheMetrics _metrics;
    private readonly RegistryEndpoint _registry;
    private readonly RecentFaults _faults;
    private readonly StoreHealth _health;
    private readonly Scrub _scrub;
    private readonly Housekeeping _house;
    private readonly Probes _probes;
    private readonly Listeners _listeners;
    private readonly AdminApi _api;
    private readonly WarmSchedules _schedules;
    private readonly ILogger<EntrepotHost> _log;
    private readonly EntrepotOptions _options;   // as they were at the start
    private readonly Lock _changing = new();     // taken for a change of options, and for the beginning of the end
    private readonly CancellationTokenSource _ending = new();
    private Task _housekeeping = Task.CompletedTask;
    private Task _evicting = Task.CompletedTask;      // what smaller quotas have leave; guarded by _changing
    private bool _isEnding;   // guarded by _changing

    private EntrepotHost(EntrepotOptions options, HostParts parts, StoreRoot root, FasterCacheIndex index, UpstreamSet upstreams, Listeners listeners)
    {
        (_options, _root, _index, _upstreams, _listeners) = (options, root, index, upstreams, listeners);
        (_listeners.Refused, _listeners.OutOfDescriptors) = (ConnectionRefused, OutOfDescriptors);
        _faults = new RecentFaults(parts.Clock);
        _log = _listeners.Registry.Services.GetRequiredService<ILogger<EntrepotHost>>();

        _space = new DiskSpace(root, _index, EvictionPolicies[options.Eviction](), options.Quota.Resolve(root.TotalBytes()), options.MinFreeBytes)
        {
            Evicted = (blobs, bytes) => Log.Evicted(_log, blobs, bytes),
        };
        _health = new StoreHealth(root, _space, parts.Clock)
        {
            Began = condition => Log.StoreFails(_log, condition.Fault.ToString().ToLowerInvariant(), condition.Why),
            Ended = lasted => Log.StoreIsWell(_log, lasted.TotalSeconds),
        };
        _store = new DiskBlobStore(root, _index, _space, parts.Clock, digest => Log.FalseFile(_log, digest));
        _fetches = new FetchTable(_store, parts.Clock, DescriptorLimit.FetchesOf(options.Fetches)) { Waiting = options.Waiting, Resumed = fetch => Log.Resumed(_log, fetch), Ended = FetchEnded };
        _pulls = new PullThrough(_store, _index, _fetches, new MemoryCache(options.MemoryCacheBytes), _upstreams.Now, parts.Clock, NotKept) { Unreadable = Unread };

        _scrub = new Scrub(_store, _index, Unverified) { DiskWorks = _health.Probe, Dropped = RestoreAsync };
        var marks = new ScrubFile(root);
        var regular = new RegularScrub(_scrub, options.Scrub, marks.TryLoad(), marks.Save, parts.Clock)
        {
            Ended = (progress, wrong) => Log.Scrubbed(_log, progress.Blobs, progress.Bytes, wrong, progress.Unreadable),
            Failed = ScrubFailed,
        };
        _probes = new Probes(_health, () => _upstreams.Now.Any(upstream => !upstream.Freshness.Offline && !upstream.WasDead));
        _metrics = new CacheMetrics(_listeners.Connections, _fetches, _space, _scrub, _upstreams, parts.Clock);
        _metrics.ReadWhenScraped(_health, regular);
        _metrics.ReadWhenScraped(parts.LogQueue);
        _metrics.AddUpstreams(_upstreams.Now.Select(upstream => upstream.Name));
        _registry = new RegistryEndpoint(_pulls, Routes(options), _metrics, _log, parts.Clock);
        _reconciler = new Reconciler(root, _store, _index, (count, path) => Log.ForeignFiles(_log, count, path));
        _schedules = new WarmSchedules(_pulls.Warmup, () => _registry.Routes, () => _space.Measured, parts.Clock, _log);
        _imports = new BundleImports(_staging = new Staging(root, _store, _space, parts.Clock), _pulls.Images.Sets, _store, parts.Clock);
        _house = NewHousekeeping(regular, parts.Clock);
        _api = NewApi(NewStatus(regular, parts.Clock), parts.Clock);
        _listeners.Registry.Run(_registry.HandleAsync);
        _listeners.Admin.Run(new AdminEndpoint(_metrics, _probes, _api).HandleAsync);
        _listeners.Metrics?.Run(new MetricsEndpoint(_metrics, _probes).HandleAsync);
    }

    /// <summary>Where the registry API answers, with real ports.</summary>
    public IReadOnlyList<Uri> Registry { get; private set; } = [];

    /// <summary>Where health and metrics answer, with its real port.</summary>
    public Uri Admin { get; private set; } = null!;   // set by StartAsync, before anybody has the host

    /// <summary>Where metrics and health alone answer, with its real port; <see langword="null"/> if they do not.</summary>
    public Uri? Metrics { get; private set; }

    /// <summary>What was sent of files.</summary>
    internal ZeroCopyCounts FileBytes => _listeners.Output.Counts;

    /// <summary>Waits until all uses so far are marked in the store.</summary>
    internal Task MarkedAsync() => _pulls.MarkedAsync();

    /// <summary>How full the store was at start.</summary>
    public StoreUsage Store { get; private set; } = null!;   // set by StartAsync, like Admin

    /// <summary>Starts the appliance. It runs until it is stopped or disposed; no signal is listened to here.</summary>
    /// <exception cref="StartupException">A busy port, a store that cannot be used.</exception>
    public static async Task<EntrepotHost> StartAsync(EntrepotOptions options, HostParts parts, CancellationToken cancel)
    {
        StoreRoot? root = null;
        EntrepotHost? host = null;
        try
        {
            root = StoreRoot.Open(options.StorageRoot, parts.Files);
            host = await MakeAsync(options, parts, root);
            await host.ListenAsync(cancel);

            // Counting a million blobs takes longer than it is worth waiting for: clients are answered already.
            host.Store = host.Measure(root);
            host._housekeeping = Task.Run(() => host._house.RunAsync(host._ending.Token), CancellationToken.None);
            _ = host._schedules.Replace(options.Warm);
            return host;
        }
        catch (Exception fault)
        {
            if (host is not null) await host.DisposeAsync();
            else root?.Dispose();
            if (fault is StoreUnusableException unusable) throw new StartupException(unusable.Message, unusable);
            throw;
        }
    }

    // Three things that need none of the others, and most of the time that a start takes: reading what is remembered, and loading what talks to both sides.
    private static async Task<EntrepotHost> MakeAsync(EntrepotOptions options, HostParts parts, StoreRoot root)
    {
        EntrepotHost? host = null;   // told of things from when it is there, which is before they begin to happen
        var index = Task.Run(() => new FasterCacheIndex(root, options.CheckpointEvery, parts.Clock, fault => host?.CheckpointFailed(fault)));
        var upstreams = Task.Run(() => MakeUpstreams(options, parts, change => Log.Circuit(host!._log, change, parts.Times.Break)));
        var listeners = Task.Run(() => new Listeners(options, parts));
        try
        {
            await Task.WhenAll(index, upstreams, listeners);
            return host = new EntrepotHost(options, parts, root, await index, await upstreams, await listeners);
        }
        catch
        {
            if (index.IsCompletedSuccessfully) await (await index).DisposeAsync();
            if (upstreams.IsCompletedSuccessfully) (await upstreams).Dispose();
            throw;
        }
    }

    private static UpstreamSet MakeUpstreams(EntrepotOptions options, HostParts parts, Action<CircuitChange> changed)
    {
        var upstreams = new UpstreamSet(parts.Times, LimitsOf(options), parts.Clock) { CircuitChanged = changed };
        upstreams.Replace(InForce(options));
        return upstreams;
    }

    /// <summary>Takes over what may change while it runs: the upstreams, for requests that begin afterwards, and the quota. What leaves for a smaller one does
    /// so beside everything else. Safe for concurrent use, waits for no disk but the measuring; does nothing once the end has begun.</summary>
    /// <exception cref="IOException">The file system cannot be measured; nothing has changed.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public void Reload(EntrepotOptions options)
    {
        lock (_changing)
        {
            if (_isEnding) return;

            // What can fail comes first, as long as nothing has changed: the measuring, and the making of routes and upstreams.
            var limit = options.Quota.Resolve(_root.TotalBytes());
            var routes = Routes(options);
            var change = _upstreams.Replace(InForce(options));
            _metrics.AddUpstreams(change.Added);
            if (!change.IsNone) _pulls.Replace(_upstreams.Now);
            _registry.Routes = routes;
            _house.Scrub.Rules = options.Scrub;
            _evicting = Task.WhenAll(_evicting, _space.SetLimit(limit, _ending.Token));
            foreach (var upstream in change.Retired) upstream.Dispose();
            _ = _schedules.Replace(options.Warm);

            Log.Reloaded(_log, limit);
            if (!change.IsNone) Log.UpstreamsReplaced(_log, change.Added, change.Changed, change.Removed);
            if (RestartOptions.Changed(_options, options) is { Count: > 0 } later) Log.NeedRestart(_log, string.Join(", ", later));
        }
    }

    /// <summary>Ends it in order: no new requests, running responses have <c>shutdownTimeout</c> to end, then everything else. What administrators have begun
    /// ends at its next durable step, and they are told.</summary>
    /// <param name="cancel">Ends the patience with running responses at once.</param>
    public async Task StopAsync(CancellationToken cancel)
    {
        Log.Stopping(_log, _options.ShutdownTimeout.TotalSeconds);
        _probes.Drain();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(_options.ShutdownTimeout);
        _ = _api.DrainAsync();
        var schedules = _schedules.DisposeAsync().AsTask();
        await _listeners.Registry.StopAsync(patience.Token);
        await schedules;
        _ = _api.EndAsync();
        await _listeners.Admin.StopAsync(patience.Token);   // in order, so that clients get their last line
        await DisposeAsync();
    }

    /// <summary>Ends it without patience. May follow <see cref="StopAsync"/>, which has done all this.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_changing)
        {
            if (_isEnding) return;
            _isEnding = true;
        }

        await _listeners.Registry.DisposeAsync();
        await _listeners.Admin.DisposeAsync();
        await _api.EndAsync();   // its clients are gone by now: what still runs is a step on the disk
        _api.Dispose();
        await _schedules.DisposeAsync();
        if (_listeners.Metrics is { } metrics) await metrics.DisposeAsync();
        await _ending.CancelAsync();
        await _housekeeping;
        await _scrub.DisposeAsync();
        await _evicting;
        _ending.Dispose();
        _imports.Dispose();
        await _pulls.DisposeAsync();
        await _fetches.DisposeAsync();
        _upstreams.Dispose();
        await _staging.DisposeAsync();
        await _index.DisposeAsync();
        _root.Dispose();
    }

    private static IEnumerable<UpstreamOptions> InForce(EntrepotOptions options) =>
        options.Offline ? options.Upstreams.Select(one => one with { Freshness = one.Freshness with { Offline = true } }) : options.Upstreams;

    private static UpstreamRoutes Routes(EntrepotOptions options) =>
        new(options.Upstreams.Select(one => (one.Name, one.Hosts.AsEnumerable())), options.DefaultUpstream);

    private static UpstreamLimits LimitsOf(EntrepotOptions options) =>
        new() { ManifestBytes = options.ManifestLimit, TagListBytes = options.TagListBytes, Waiting = options.Waiting };

    // What is remembered is counted faster than what is there; the directory is listed only when nothing is remembered.
    private StoreUsage Measure(StoreRoot root)
    {
        var known = Sum(_index.Blobs().Select(blob => blob.Value.Size));
        var (blobs, bytes) = known.Blobs > 0 ? known : Sum(root.Blobs().Select(blob => blob.Size));
        var usage = _space.Usage;
        return new StoreUsage(root.Path, blobs, bytes, usage.Partials, usage.PartialBytes, usage.Limit, root.FreeBytes());

        static (int Blobs, long Bytes) Sum(IEnumerable<long> sizes) => sizes.Aggregate((Blobs: 0, Bytes: 0L), (sum, size) => (sum.Blobs + 1, sum.Bytes + size));
    }

    private async Task ListenAsync(CancellationToken cancel)
    {
        if (_root.Unwritable is { } unwritable) _health.Report(unwritable);
        if (_index.Spoilt > 0) Log.SpoiltRecords(_log, _index.Spoilt);
        if (_index.Warning is { } warning) Log.IndexLost(_log, warning);
        if (_listeners.Connections.Most < _options.Connections) Log.FewDescriptors(_log, _options.Connections, DescriptorLimit.Find() ?? 0, _listeners.Connections.Most, DescriptorLimit.FetchesOf(_options.Fetches));
        _index.Start();
        Admin = (await Listeners.BindAsync(_listeners.Admin, [_options.Admin], cancel))[0];
        if (_listeners.Metrics is { } web) Metrics = (await Listeners.BindAsync(web, [_options.Metrics!], cancel))[0];
        Registry = await Listeners.BindAsync(_listeners.Registry, _options.Listen, cancel);
        _probes.Open();
    }

    private AdminApi NewApi(StatusReporter status, TimeProvider clock)
    {
        var warm = new WarmApi(_pulls.Warmup, () => _registry.Routes, clock);
        var imports = new ImportApi(_imports, () => _registry.Routes, () => _space.Measured);
        var bundles = new BundleEndpoint(_pulls.Bundles, _pulls.Images, () => _registry.Routes, _log);
        return new AdminApi(_pulls.Images, warm, _scrub, imports, () => _registry.Routes, bundles, status.ReportAsync, () => _space.Measured, clock, _log);
    }

    private StatusReporter NewStatus(RegularScrub scrub, TimeProvider clock) => new(clock)
    {
        Schedules = _schedules,
        Space = _space,
        Root = _root,
        MinFree = _options.MinFreeBytes,
        Index = _index,
        Reconciler = _reconciler,
        Fetches = _fetches,
        Images = _pulls.Images,
        Metrics = _metrics,
        Faults = _faults,
        Health = _health,
        Scrub = scrub,
        Upstreams = _upstreams,
        Registry = () => Registry,
        IsDraining = () => _probes.IsDraining,
    };

    private Housekeeping NewHousekeeping(RegularScrub scrub, TimeProvider clock) => new()
    {
        Images = _pulls.Images,
        Space = _space,
        Store = _store,
        Reconciler = _reconciler,
        Health = _health,
        Scrub = scrub,
        Imports = _imports,
        PartialTtl = _options.PartialTtl,
        Clock = clock,
        Log = _log,
    };

    private void ConnectionRefused(ConnectionRefusal why, IPAddress client, long count)
    {
        var (option, most) = why is ConnectionRefusal.All ? ("limits.connections", _listeners.Connections.Most) : ("limits.clientConnections", _options.ClientConnections);
        Log.ConnectionRefused(_log, client, option, most, count);
    }

    private void CheckpointFailed(Exception fault)
    {
        if (_health.Now is null) Log.CheckpointFailed(_log, fault);   // once, and not every minute while it lasts
        _health.Report(fault);
        _faults.Add("The index could not be written down", fault);
    }

    private void ScrubFailed(Exception fault)
    {
        if (_health.Now is null) Log.ScrubFailed(_log, fault);   // the same
        _health.Report(fault);
    }

    private void NotKept(Reference reference, Exception fault)
    {
        _health.Report(fault);
        if (!reference.IsTag) _scrub.Doubt(reference.Digest);
        Log.NotKept(_log, fault, reference);
        _faults.Add("The store failed, and something was served that could not be kept,", fault);
    }

    private void Unverified(Digest digest, Exception fault)
    {
        _health.Report(fault);
        Log.Unverified(_log, fault, digest);
        _faults.Add("A blob could not be read to be verified", fault);
    }

    private void Unread(Digest digest, Exception fault)
    {
        _health.Report(fault);
        Log.Unread(_log, fault, digest);
        _faults.Add("A blob could not be read to be served", fault);
        _scrub.Doubt(digest);
    }

    // Told by listeners: what has no descriptor left for a client has none for a file.
    private void OutOfDescriptors(SocketException fault) => _health.Report(new IOException(fault.Message, StoreHealth.NoDescriptors));

    private async Task RestoreAsync(Digest digest, CancellationToken cancel)
    {
        if (await _pulls.TryRestoreAsync(digest, cancel)) Log.Restored(_log, digest);
        else Log.NotRestored(_log, digest);
    }

    private void FetchEnded(FetchEnd end)
    {
        if (end is { StoreFailed: true, Fault: { } fault })
        {
            _health.Report(fault);
            _faults.Add("The store failed while a blob arrived,", fault);
        }

        Log.Ended(_log, end);
    }
}
