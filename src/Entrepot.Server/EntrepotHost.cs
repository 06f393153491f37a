using System.Net;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.Edge;
using Entrepot.Server.Options;
using Entrepot.Server.Telemetry;
using Entrepot.Storage;
using Entrepot.Upstream;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Serilog;
using Log = Entrepot.Server.Telemetry.Log;

namespace Entrepot.Server;

/// <summary>What the host is given from outside: the clock, the patience, the log.</summary>
public sealed record HostParts
{
    /// <summary>The time.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>How long upstreams are waited for.</summary>
    public UpstreamTimes Times { get; init; } = new();

    /// <summary>Where log lines go.</summary>
    public Serilog.ILogger Log { get; init; } = Serilog.Core.Logger.None;
}

/// <summary>How full the store is.</summary>
/// <param name="Root">The directory, absolute.</param>
/// <param name="Blobs">Whole blobs in it.</param>
/// <param name="Bytes">Bytes of those blobs.</param>
/// <param name="FreeBytes">Bytes free on the file system.</param>
/// <param name="TotalBytes">Bytes of the file system.</param>
public sealed record StoreUsage(string Root, int Blobs, long Bytes, long FreeBytes, long TotalBytes);

/// <summary>The appliance could not start; the message is the one line for whoever started it.</summary>
public sealed class StartupException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The running appliance: the one place where its parts are joined, and the file to read first.</summary>
/// <remarks>
/// Parts are owned here and end in the opposite order of their making: registry listeners, admin listener, pulls, fetches, upstreams, index, store.
/// </remarks>
public sealed class EntrepotHost : IAsyncDisposable
{
    /// <summary>The orders in which blobs can leave, by the name that options have for them.</summary>
    internal static readonly IReadOnlyDictionary<string, Func<EvictionPolicy>> EvictionPolicies =
        new Dictionary<string, Func<EvictionPolicy>> { ["lru"] = () => new LruPolicy() };

    private static readonly TimeSpan HousekeepingEvery = TimeSpan.FromSeconds(10);

    private readonly StoreRoot _root;
    private readonly FasterCacheIndex _index;
    private readonly DiskSpace _space;
    private readonly Reconciler _reconciler;
    private readonly FetchTable _fetches;
    private readonly PullThrough _pulls;
    private readonly List<(RegistryUpstream Upstream, UpstreamCounters Counters)> _upstreams;
    private readonly AdminEndpoint _admin;
    private readonly WebApplication _registryWeb;
    private readonly WebApplication _adminWeb;
    private readonly ILogger<EntrepotHost> _log;
    private readonly TimeSpan _shutdownTimeout;
    private readonly CancellationTokenSource _ending = new();
    private readonly TimeProvider _clock;
    private Task _housekeeping = Task.CompletedTask;
    private Task _reconciling = Task.CompletedTask;   // begun by the housekeeping
    private int _disposed;

    private EntrepotHost(EntrepotOptions options, HostParts parts, StoreRoot root)
    {
        _root = root;
        _index = new FasterCacheIndex(root, options.CheckpointEvery, parts.Clock, fault => Log.CheckpointFailed(_log!, fault));
        _registryWeb = BuildWeb(options.Listen, options, parts);
        _adminWeb = BuildWeb([options.Admin], options, parts);
        _log = _registryWeb.Services.GetRequiredService<ILogger<EntrepotHost>>();

        _space = new DiskSpace(root, _index, EvictionPolicies[options.Eviction](), options.Quota.Resolve(root.TotalBytes()), options.MinFreeBytes)
        {
            Evicted = (blobs, bytes) => Log.Evicted(_log, blobs, bytes),
        };
        var store = new DiskBlobStore(root, _index, _space, parts.Clock, digest => Log.FalseFile(_log, digest));
        _fetches = new FetchTable(store, parts.Clock) { Ended = FetchEnded };
        _upstreams = [.. options.Upstreams.Select(listed =>
        {
            var upstream = options.Offline ? listed with { Freshness = listed.Freshness with { Offline = true } } : listed;
            var counters = new UpstreamCounters();
            return (new RegistryUpstream(upstream, parts.Times, options.ManifestLimit, counters, parts.Clock), counters);
        })];
        _pulls = new PullThrough(
            store, _index, _fetches, _upstreams.Select(one => one.Upstream), parts.Clock, (reference, fault) => Log.NotKept(_log, fault, reference));

        var metrics = new CacheMetrics(_fetches, _space, [.. _upstreams.Select(one => (one.Upstream.Name, one.Counters))]);
        var routes = new UpstreamRoutes(options.Upstreams.Select(one => (one.Name, one.Hosts.AsEnumerable())), options.DefaultUpstream);
        var registry = new RegistryEndpoint(_pulls, routes, metrics, _log, parts.Clock);
        _admin = new AdminEndpoint(metrics);
        _registryWeb.Run(registry.HandleAsync);
        _adminWeb.Run(_admin.HandleAsync);

        (_shutdownTimeout, _clock) = (options.ShutdownTimeout, parts.Clock);
        _reconciler = new Reconciler(root, store, _index, (count, path) => Log.ForeignFiles(_log, count, path));
    }

    /// <summary>Where the registry API answers, with real ports.</summary>
    public IReadOnlyList<Uri> Registry { get; private set; } = [];

    /// <summary>Where health and metrics answer, with its real port.</summary>
    public Uri Admin { get; private set; } = null!;   // set by StartAsync, before anybody has the host

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
            root = StoreRoot.Open(options.StorageRoot);
            host = new EntrepotHost(options, parts, root);
            await host.ListenAsync(cancel);

            // Counting a million blobs takes longer than it is worth waiting for: clients are answered already.
            host.Store = host.Measure(root);
            host._housekeeping = Task.Run(host.KeepHouseAsync, CancellationToken.None);
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

    /// <summary>Takes over what may change while it runs: the quota. A smaller one evicts down to it before this returns.</summary>
    public void Reload(EntrepotOptions options)
    {
        var limit = options.Quota.Resolve(_root.TotalBytes());
        _space.SetLimit(limit);
        Log.Reloaded(_log, limit);
    }

    /// <summary>Ends it in order: no new requests, running responses have <c>shutdownTimeout</c> to end, then everything else.</summary>
    /// <param name="cancel">Ends the patience with running responses at once.</param>
    public async Task StopAsync(CancellationToken cancel)
    {
        Log.Stopping(_log, _shutdownTimeout.TotalSeconds);
        _admin.Drain();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(_shutdownTimeout);
        await _registryWeb.StopAsync(patience.Token);
        await DisposeAsync();
    }

    /// <summary>Ends it without patience. May follow <see cref="StopAsync"/>, which has done all this.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 1) return;
        await _registryWeb.DisposeAsync();
        await _adminWeb.DisposeAsync();
        await _ending.CancelAsync();
        await _housekeeping;
        await _reconciling;
        _ending.Dispose();
        await _pulls.DisposeAsync();
        await _fetches.DisposeAsync();
        foreach (var (upstream, _) in _upstreams) upstream.Dispose();
        await _index.DisposeAsync();
        _root.Dispose();
    }

    // Two servers, so that health can still be asked while the registry's drains.
    private static WebApplication BuildWeb(IEnumerable<string> addresses, EntrepotOptions options, HostParts parts)
    {
        // What is aborted ends with FIN. A reset takes from the client what it has not read yet, and containerd, which asks another host for the
        // rest where a connection ended early, gives up where it was reset. The announced length keeps such an end from passing for clean.
        AppContext.SetSwitch("Microsoft.AspNetCore.Server.Kestrel.FinOnError", true);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSerilog(parts.Log);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTimeout);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = options.Connections;
            kestrel.Limits.MaxRequestBodySize = 0;   // nothing is pushed here
            kestrel.Limits.MinResponseDataRate = new MinDataRate(options.MinRate, TimeSpan.FromSeconds(5));
            foreach (var text in addresses) kestrel.Listen(Endpoint(text), listen => listen.Protocols = HttpProtocols.Http1);
        });
        return builder.Build();
    }

    private static IPEndPoint Endpoint(string text) =>
        Parsers.TryParseEndpoint(text, out var endpoint) ? endpoint : throw new StartupException($"cannot listen on '{text}': it is not an address and a port");

    // What is remembered is counted faster than what is there; the directory is listed only when nothing is remembered.
    private StoreUsage Measure(StoreRoot root)
    {
        var known = Sum(_index.Blobs().Select(blob => blob.Value.Size));
        var (blobs, bytes) = known.Blobs > 0 ? known : Sum(root.Blobs().Select(blob => blob.Size));
        return new StoreUsage(root.Path, blobs, bytes, root.FreeBytes(), root.TotalBytes());

        static (int Blobs, long Bytes) Sum(IEnumerable<long> sizes) => sizes.Aggregate((Blobs: 0, Bytes: 0L), (sum, size) => (sum.Blobs + 1, sum.Bytes + size));
    }

    private async Task ListenAsync(CancellationToken cancel)
    {
        if (_index.Spoilt > 0) Log.SpoiltRecords(_log, _index.Spoilt);
        if (_index.Warning is { } warning) Log.IndexLost(_log, warning);
        _index.Start();
        Admin = (await BindAsync(_adminWeb, cancel))[0];
        Registry = await BindAsync(_registryWeb, cancel);
    }

    private static async Task<IReadOnlyList<Uri>> BindAsync(WebApplication web, CancellationToken cancel)
    {
        try
        {
            await web.StartAsync(cancel);
        }
        catch (Exception fault) when (fault is IOException or System.Net.Sockets.SocketException)
        {
            throw new StartupException($"cannot listen: {fault.Message}", fault);
        }

        return [.. web.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Select(address => new Uri(address))];
    }

    // Finds out what is there, then how much the rest takes, again and again: it grows slowly and is of no blob.
    private async Task KeepHouseAsync()
    {
        try
        {
            await _space.MeasureAsync(_ending.Token);
            _reconciling = ReconcileAsync();
            using var timer = new PeriodicTimer(HousekeepingEvery, _clock);
            while (await timer.WaitForNextTickAsync(_ending.Token)) MeasureOverhead();
        }
        catch (OperationCanceledException)
        {
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Log.StoreUnmeasured(_log, fault);
        }
    }

    private void MeasureOverhead()
    {
        try
        {
            _space.MeasureOverhead();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Log.OverheadUnmeasured(_log, fault);
        }
    }

    // Beside everything else: nothing waits for it.
    private async Task ReconcileAsync()
    {
        try
        {
            await _reconciler.RunAsync(_ending.Token);
        }
        catch (OperationCanceledException)
        {
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Log.Unreconciled(_log, fault);
        }
    }

    private void FetchEnded(FetchEnd end)
    {
        if (end.Error is { } error) Log.FetchFailed(_log, end.Fault, end.Reference, end.Bytes, error.Detail ?? error.Message);
        else Log.Fetched(_log, end.Reference, end.Bytes);
    }
}
