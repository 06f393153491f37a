using System.Text;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;
using Entrepot.Server.Options;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>One client takes more than its share, and all others pull as before. Both see the same server, whose limits are small where a test would take long.</summary>
[Collection(nameof(Alone))]
public sealed class FloodFaultTests : IAsyncLifetime
{
    private const string Flooder = "127.0.0.9";
    private const int LayerBytes = 100_000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly TestRegistry _registry = new();
    private Appliance _cache = null!;
    private TestImage _known = null!;
    private TestImage _unknown = null!;
    private MetricValues _before = null!;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Theory]
    [Fault("10,000 idle connections of one client, which may have 5,000")]
    public async Task IdleConnections_BeyondWhatAClientMayHave_AreClosed(string fault)
    {
        await StartAsync(options => options);
        var memory = GC.GetTotalMemory(forceFullCollection: true);
        using var flood = new Flood(_cache.Url, Flooder);
        await flood.ConnectAsync(10_000);
        await _cache.MetricsAsync(metrics => Grown(metrics, "entrepot_connections_refused_total") == 5000);
        await Appliance.UntilAsync(() => Task.FromResult(flood.Ended() == 5000), () => $"{flood.Ended()} were closed");

        // 16 KiB a connection, both ends of it; a request has not begun on any.
        // What other tests have left behind may have gone meanwhile.
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - memory, long.MinValue, 10_000 * (16 << 10));
        await TellAsync(fault, "5,000 are closed without an answer");
    }

    [Theory]
    [Fault("more connections than `limits.connections`")]
    public async Task Connections_BeyondAll_AreClosedUntilOthersEnd(string fault)
    {
        await StartAsync(options => options with { Connections = 50, ClientConnections = 50 });
        using (var flood = new Flood(_cache.Url, Flooder))
        {
            await flood.ConnectAsync(60);
            await _cache.MetricsAsync(metrics => Grown(metrics, "entrepot_connections_refused_total", "reason=\"all\"") >= 10);
            await Appliance.UntilAsync(() => Task.FromResult(flood.Ended() >= 10), () => $"{flood.Ended()} were closed");
        }

        await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_connections") < 50);
        await TellAsync(fault, "those are closed without an answer, until others end", whenOver: true);
    }

    [Theory]
    [Fault("connections that send nothing")]
    public async Task Connections_SendNothing_AreClosed(string fault)
    {
        await StartAsync(options => options with { IdleTimeout = TimeSpan.FromSeconds(1) });

        await OthersPullAmidAsync(isOn => WaveAsync(100, [], 0, isOn));

        await TellAsync(fault, "they are closed after `limits.idleTimeout`");
    }

    [Theory]
    [Fault("headers that do not come to an end")]
    public async Task Headers_ComeSlowly_AreAnswered408(string fault)
    {
        await StartAsync(options => options with { HeaderTimeout = TimeSpan.FromSeconds(1) });

        await OthersPullAmidAsync(isOn => WaveAsync(500, "GET /v2/ HTTP/1.1\r\nHost: a\r\nX-"u8.ToArray(), 408, isOn));

        await TellAsync(fault, "408 after `limits.headerTimeout`, and they are closed");
    }

    [Theory]
    [Fault("headers larger than `limits.headers`", 431)]
    [Fault("more headers than `limits.headerCount`", 431)]
    [Fault("a request line longer than `limits.requestLine`", 414)]
    public async Task Head_TooLarge_IsRefused(string fault, int status)
    {
        await StartAsync(options => options);
        var head = Encoding.ASCII.GetBytes(fault switch
        {
            "headers larger than `limits.headers`" => $"GET /v2/ HTTP/1.1\r\nHost: a\r\nX: {new string('x', 33 << 10)}\r\n",
            "more headers than `limits.headerCount`" => $"GET /v2/ HTTP/1.1\r\nHost: a\r\n{string.Concat(Enumerable.Repeat("X: x\r\n", 100))}\r\n",
            _ => $"GET /v2/{new string('x', 9 << 10)}",
        });

        await OthersPullAmidAsync(isOn => WaveAsync(20, head, status, isOn));

        await TellAsync(fault, $"{status}, and they are closed");
    }

    [Theory]
    [Fault("readers that take nothing of a layer")]
    public async Task Readers_TakeNothing_AreGivenUp(string fault)
    {
        await StartAsync(options => options with { MinRate = 1e6 });
        var layer = _registry.Content.AddBlob(8_000_000, seed: 784);
        (await _cache.GetBlobAsync(layer)).Is(layer.Bytes);
        await _cache.StoredAsync(layer.Digest);
        using var flood = new Flood(_cache.Url, Flooder);
        await flood.ConnectAsync(50, receiveBuffer: 4096);
        await flood.SendAsync(Request(Appliance.PathOf(layer.Digest)));
        await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_connections") >= 50);
        await OthersPullAsync();
        Assert.True((await _cache.MetricsAsync()).Sum("entrepot_connections") >= 50, "the readers have been given up before others had pulled");

        await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_connections") < 50);
        await TellAsync(fault, "they are given up after 5 s, as slower than `limits.minRate`");
    }

    [Theory]
    [Fault("requests in a row without end, whose answers nobody reads")]
    public async Task Requests_Pipelined_AreTakenNoFasterThanTheirAnswers(string fault)
    {
        await StartAsync(options => options);
        var layer = _registry.Content.AddBlob(8_000_000, seed: 785);
        (await _cache.GetBlobAsync(layer)).Is(layer.Bytes);
        await _cache.StoredAsync(layer.Digest);
        var memory = GC.GetTotalMemory(forceFullCollection: true);
        using var flood = new Flood(_cache.Url, Flooder);
        await flood.ConnectAsync(20, receiveBuffer: 4096);
        var thousand = Enumerable.Repeat(Request(Appliance.PathOf(layer.Digest)), 1000).SelectMany(request => request).ToArray();
        var sending = Enumerable.Range(0, 300).Aggregate(Task.CompletedTask, (before, _) => SendAfterAsync(before));

        await OthersPullAsync();
        Assert.False(sending.IsCompleted);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - memory, long.MinValue, 64 << 20);
        await TellAsync(fault, "what it sends is no longer read: 40 KiB wait in memory for each connection");
        flood.Dispose();
        await Assert.ThrowsAnyAsync<Exception>(() => sending);

        async Task SendAfterAsync(Task before)
        {
            await before;
            await flood.SendAsync(thousand);
        }
    }

    [Theory]
    [Fault("11,000 pulls of as many names that are nowhere")]
    public async Task UnknownNames_ByTheThousand_FillNoTable(string fault)
    {
        await StartAsync(options => options, connections: 8);
        var asked = 0;
        await OthersPullAmidAsync(PullThousandAsync);
        while (asked < 11_000) await PullThousandAsync(() => { });

        Assert.InRange(_registry.MostRequests, 1, 8 + 1);   // one that the client has given up may still count
        await TellAsync(fault, "404; the upstream is asked by no more than `connections` at once");

        Task PullThousandAsync(Action isOn) => Parallel.ForAsync(0, 1000, new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (_, _) =>
        {
            var got = await _cache.GetManifestAsync("1", $"org/none{Interlocked.Increment(ref asked)}");
            Assert.Equal(404, got.Status);
            isOn();
        });
    }

    [Theory]
    [Fault("more pulls of what is unknown than `limits.waiting`, while the upstream hangs")]
    public async Task UnknownNames_MoreThanMayWait_AreRefusedAtOnce(string fault)
    {
        await StartAsync(options => options with { Waiting = 20 }, connections: 4);
        var gate = new Gate();
        _registry.On(request => request.Path.Contains("/none", StringComparison.Ordinal), Misbehave.HoldHeaders(gate), TestRegistry.Always);
        var asked = Enumerable.Range(0, 24).Select(i => _cache.GetManifestAsync("1", $"org/none{i}")).ToList();
        await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_upstream_waiting") == 20);

        var refused = await _cache.GetManifestAsync("1", "org/none");

        refused.IsError(503, "UNAVAILABLE");
        Assert.NotNull(refused.Header("Retry-After"));
        (await _cache.GetManifestAsync(_known.Tag)).Is(_known.Manifest.Bytes);
        gate.Open();
        Assert.All(await Task.WhenAll(asked), got => Assert.Equal(404, got.Status));
        await TellAsync(fault, "503 with Retry-After at once; what is known is served, and those that wait are answered", whenOver: true);
    }

    [Theory]
    [Fault("more unknown layers than `limits.fetches` and `limits.waiting`")]
    public async Task Layers_MoreThanMayWait_AreRefusedAtOnce(string fault)
    {
        await StartAsync(options => options with { Fetches = 2, Waiting = 3 });
        var layers = Enumerable.Range(0, 6).Select(i => _registry.Content.AddBlob(100_000, seed: 790 + i)).ToList();
        var gate = new Gate(1000);
        _registry.On(Ask.Blob, Misbehave.Hold(gate), 2);
        var asked = layers.Take(5).Select(layer => _cache.GetBlobAsync(layer)).ToList();
        await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_fetches_running") + metrics.Sum("entrepot_fetches_waiting") == 5);

        var refused = await _cache.GetBlobAsync(layers[5]);

        refused.IsError(503, "UNAVAILABLE");
        Assert.NotNull(refused.Header("Retry-After"));
        (await _cache.GetBlobAsync(_known.Layers[0])).Is(_known.Layers[0].Bytes);
        gate.Open();
        foreach (var (got, layer) in (await Task.WhenAll(asked)).Zip(layers)) got.Is(layer.Bytes);
        (await _cache.GetBlobAsync(layers[5])).Is(layers[5].Bytes);
        foreach (var layer in layers) await _cache.StoredAsync(layer.Digest);
        await TellAsync(fault, "503 with Retry-After at once; those that wait come whole", whenOver: true);
    }

    [Theory]
    [Fault("a manifest of 4 MB", 4_000_000)]
    [Fault("a manifest larger than `limits.manifest`", (8 << 20) + 1)]
    public async Task Manifest_Large_IsTakenUpToTheLimit(string fault, int size)
    {
        await StartAsync(options => options);
        var bytes = Encoding.ASCII.GetBytes($$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","padding":"{{new string('x', size)}}"}""");
        var manifest = _registry.Content.AddManifest("org/large", "1", bytes, MediaTypes.OciManifest);
        var gate = new Gate(size / 2);
        _registry.On(request => request is { Method: "GET", IsManifest: true } && request.Path.StartsWith("/v2/org/large/", StringComparison.Ordinal), Misbehave.Hold(gate));
        var asked = _cache.GetManifestAsync("1", "org/large");
        await gate.ReachedAsync();
        await OthersPullAsync();
        Assert.False(asked.IsCompleted);
        gate.Open();

        var got = await asked;

        if (size < 8 << 20)
        {
            got.Is(bytes);
            Assert.True(_cache.Store.Has(manifest.Digest));
            await TellAsync(fault, "200, and it is kept");
            return;
        }

        got.IsError(502, "UNAVAILABLE");
        Assert.Contains("more than limits.manifest, 8388608 bytes", (string?)got.Json["errors"]![0]!["detail"], StringComparison.Ordinal);
        await TellAsync(fault, "502, whose detail names the limit");
    }

    private static byte[] Request(string path) => Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");

    private async Task StartAsync(Func<EntrepotOptions, EntrepotOptions> limits, int connections = 64)
    {
        _cache = await Appliance.StartAsync(_registry, new Setup { Options = limits, Upstream = one => one with { Connections = connections } });
        _known = _registry.Content.AddImage("org/app", "known", TestBlob.Random(LayerBytes, seed: 780));
        _unknown = _registry.Content.AddImage("org/app", "unknown", TestBlob.Random(LayerBytes, seed: 781));
        await _cache.PullAsync(_known);
        _before = await _cache.MetricsAsync();
    }

    // Known and unknown, on new connections.
    private async Task OthersPullAsync()
    {
        foreach (var layer in _known.Layers.Append(_known.Config))
        {
            using var client = await RawClient.ConnectAsync(_cache.Url);
            var (status, _) = await client.SendAsync("GET", Appliance.PathOf(layer.Digest));
            var (bytes, clean) = await client.ReadRestAsync();
            Assert.Equal((200, true), (status, clean));
            Assert.True(layer.Bytes.AsSpan().SequenceEqual(bytes));
        }

        await _cache.PullAsync(_unknown).WaitAsync(Patience);
    }

    // Others pull from when the flood is on, which goes on wave after wave until they have.
    private async Task OthersPullAmidAsync(Func<Action, Task> wave)
    {
        using var over = new CancellationTokenSource();
        var isOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var flooding = Task.Run(async () =>
        {
            do await wave(() => isOn.TrySetResult());
            while (!over.IsCancellationRequested);
        });
        await Task.WhenAny(isOn.Task, flooding);
        await OthersPullAsync();
        Assert.False(flooding.IsCompleted, flooding.Exception?.ToString());
        await over.CancelAsync();
        await flooding;
    }

    // Connections that all send the same, and are ended with a status, or with none.
    private async Task WaveAsync(int connections, byte[] request, int status, Action isOn)
    {
        using var flood = new Flood(_cache.Url, Flooder);
        await flood.ConnectAsync(connections);
        if (request.Length > 0) await flood.SendAsync(request);
        isOn();
        Assert.All(await flood.EndedAsync(), told => Assert.Equal(status, told));
    }

    private async Task TellAsync(string fault, string saw, bool whenOver = false)
    {
        await OthersPullAsync();
        var now = await _cache.MetricsAsync();
        var refused = ((string[])["all", "client"]).Where(why => Grown(now, "entrepot_connections_refused_total", $"reason=\"{why}\"") > 0).ToList();
        _cache.Store.Checked();
        FaultPage.Tell("Floods and limits", new FaultRow(fault, saw, whenOver ? "pulls, when it is over" : "pulls, known and unknown, meanwhile",
            refused.Count == 0 ? "no connection refused" : $"connections refused ({string.Join(", ", refused)})"));
    }

    private double Grown(MetricValues now, string metric, params string[] labels) => now.Sum(metric, labels) - _before.Sum(metric, labels);
}
