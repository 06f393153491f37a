using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Life;

/// <summary>What is left when the upstream is gone, or as good as gone.</summary>
public sealed class OutageTests
{
    private static readonly Setup AlwaysAsk = new() { TagTtl = TimeSpan.Zero };

    public static TheoryData<string> Outages => ["stopped", "503", "429", "silent"];

    [Theory]
    [MemberData(nameof(Outages))]
    public async Task KnownImage_DuringAnOutage_IsServedStale(string outage)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, AlwaysAsk with { Times = outage == "silent" ? Setup.Impatient : Setup.Patient });
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(100_000, seed: 100), TestBlob.Random(1000, seed: 101));
        await cache.PullAsync(image);
        foreach (var blob in image.Layers) await cache.StoredAsync(blob.Digest);
        await StartAsync(outage, registry);

        var tag = await cache.GetManifestAsync("1");
        var head = await cache.HeadAsync("/v2/org/app/manifests/1");
        var layer = await cache.GetBlobAsync(image.Layers[0]);

        tag.Is(image.Manifest.Bytes);
        Assert.StartsWith("Entrepot; fwd=stale; detail=", tag.CacheStatus, StringComparison.Ordinal);
        Assert.Equal(200, head.Status);
        Assert.StartsWith("Entrepot; fwd=stale; detail=", head.CacheStatus, StringComparison.Ordinal);
        layer.Is(image.Layers[0].Bytes);
        Assert.Equal("Entrepot; hit", layer.CacheStatus);
    }

    [Fact]
    public async Task KnownTag_OlderThanItsTtl_IsServedStaleWhenTheUpstreamIsGone()
    {
        var clock = new ShiftedClock();
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup { Clock = clock });
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 102));
        await cache.PullAsync(image);
        await registry.DisposeAsync();

        Assert.Equal("Entrepot; hit", (await cache.GetManifestAsync("1")).CacheStatus);
        clock.Advance(TimeSpan.FromDays(30));

        var stale = await cache.GetManifestAsync("1");
        stale.Is(image.Manifest.Bytes);
        Assert.StartsWith("Entrepot; fwd=stale; detail=", stale.CacheStatus, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unknown_WhileTheUpstreamIsStopped_Is503AndNever404()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, AlwaysAsk);
        await registry.DisposeAsync();
        var digest = Digest.Of("unknown"u8);

        foreach (var path in (string[])
            [$"/v2/org/app/blobs/{digest}", "/v2/org/app/manifests/1", $"/v2/org/app/manifests/{digest}", "/v2/org/app/tags/list"])
        {
            var got = await cache.GetAsync(path);
            got.IsError(503, "UNAVAILABLE");
            Assert.NotNull(got.Header("Retry-After"));
            Assert.Equal(503, (await cache.HeadAsync(path)).Status);
        }
    }

    [Fact]
    public async Task StartAndRestart_ContactNobody()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        Assert.Equal(System.Net.HttpStatusCode.OK, (await cache.AdminAsync("/readyz")).Status);
        Assert.Equal((0, 0), (registry.MostConnections, registry.Log.All.Count));
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 108));
        await cache.PullAsync(image);
        var asked = registry.Log.All.Count;

        await cache.RestartAsync();
        Assert.Equal("Entrepot; hit", (await cache.GetManifestAsync("1")).CacheStatus);
        Assert.Equal("Entrepot; hit", (await cache.GetBlobAsync(image.Layers[0])).CacheStatus);

        await Appliance.UntilAsync(() => Task.FromResult(registry.Connections == 0), () => "a connection is open");   // those of before the restart are closed
        Assert.Equal(asked, registry.Log.All.Count);
    }

    [Fact]
    public async Task DeadUpstream_IsAMetricAndALogLine_AndSoIsItsReturn()
    {
        var log = new LogLines();
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, AlwaysAsk with { Log = log.Log });
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 109));
        Assert.Equal((1, 0), await CircuitsAsync());
        await registry.DisposeAsync();
        for (var i = 0; i < 2; i++) Assert.Equal(503, (await cache.GetManifestAsync("1")).Status);

        var (closed, _) = await CircuitsAsync();
        Assert.Equal(0, closed);
        Assert.Single(log.All, line => line.StartsWith($"Warning: docker.io (http://{registry.Url.Authority}) failed repeatedly and is asked only every 0.5 s: ", StringComparison.Ordinal));

        await using var again = new TestRegistry(port: registry.Url.Port) { Content = registry.Content };
        await Appliance.UntilAsync(
            async () => (await cache.GetManifestAsync("1")).Bytes.AsSpan().SequenceEqual(image.Manifest.Bytes), () => "the upstream is not asked again");
        Assert.Equal((1, 0), await CircuitsAsync());
        Assert.Single(log.All, line => line == $"Information: docker.io (http://{registry.Url.Authority}) answers again");

        async Task<(double Closed, double Open)> CircuitsAsync()
        {
            var metrics = await cache.MetricsAsync();
            return (metrics.Sum("entrepot_upstream_circuits", "state=\"closed\""), metrics.Sum("entrepot_upstream_circuits", "state=\"open\""));
        }
    }

    [Fact]
    public async Task IncompleteImage_WhileTheUpstreamIsStopped_Is503()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, AlwaysAsk);
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 103), TestBlob.Random(1000, seed: 104));
        (await cache.GetManifestAsync("1")).Is(image.Manifest.Bytes);
        (await cache.GetBlobAsync(image.Config)).Is(image.Config.Bytes);
        (await cache.GetBlobAsync(image.Layers[0])).Is(image.Layers[0].Bytes);
        await registry.DisposeAsync();

        (await cache.GetManifestAsync("1")).IsError(503, "UNAVAILABLE");
        Assert.Equal(503, (await cache.HeadAsync("/v2/org/app/manifests/1")).Status);
    }

    [Fact]
    public async Task Outage_ThatEnds_IsForgotten()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, AlwaysAsk);
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 105));
        await cache.PullAsync(image);
        await registry.DisposeAsync();
        Assert.StartsWith("Entrepot; fwd=stale; detail=", (await cache.GetManifestAsync("1")).CacheStatus, StringComparison.Ordinal);

        await using var again = new TestRegistry(port: registry.Url.Port) { Content = registry.Content };
        var moved = again.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 106));

        // The circuit may stay open for the rest of its break, in which the old answer is right.
        Got got = null!;
        await Appliance.UntilAsync(
            async () => !(got = await cache.GetManifestAsync("1")).CacheStatus!.Contains("detail=", StringComparison.Ordinal),
            () => $"still {got.CacheStatus}");
        got.Is(moved.Manifest.Bytes);
    }

    [Theory]
    [InlineData(401, "UNAUTHORIZED")]
    [InlineData(403, "DENIED")]
    public async Task Refusal_IsNoOutage_AndIsPassedOn(int status, string code)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, AlwaysAsk);
        await cache.PullAsync(registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 107)));
        registry.On(Ask.Anything, Misbehave.Status(status), TestRegistry.Always);

        (await cache.GetManifestAsync("1")).IsError(status, code);
    }

    private static async Task StartAsync(string outage, TestRegistry registry)
    {
        if (outage == "stopped") await registry.DisposeAsync();
        else registry.On(Ask.Anything, outage == "silent" ? Misbehave.HangBeforeHeaders() : Misbehave.Status(int.Parse(outage)), TestRegistry.Always);
    }
}
