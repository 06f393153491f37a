using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Pull;

namespace Entrepot.FunctionalTests.Freshness;

/// <summary>Tags over time: pulled again and again, moved, deleted, asked for in vain, asked about slowly.</summary>
public sealed class TagLifeTests : IAsyncLifetime
{
    private readonly TestRegistry _registry = new();
    private readonly ShiftedClock _clock = new();
    private Appliance _cache = null!;
    private TestImage _image = null!;

    public async Task InitializeAsync()
    {
        _cache = await StartAsync(new FreshnessRules { RevalidateWait = Timeout.InfiniteTimeSpan });
        _image = _registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 210));
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task UnchangedTag_200PullsOverManyTtls_CostOneCountedGet()
    {
        for (var i = 0; i < 200; i++)
        {
            (await _cache.GetManifestAsync("1")).Is(_image.Manifest.Bytes);
            _clock.Advance(TimeSpan.FromSeconds(10));
        }

        Assert.Equal(1, _registry.Log.Count(Ask.Manifest));
        Assert.InRange(_registry.Log.Count(Ask.HeadManifest), 2000 / 60, (2000 / 60) + 2);
    }

    [Fact]
    public async Task MovedTag_OldDigest_IsServedWithoutTheUpstream()
    {
        await _cache.PullAsync(_image);
        var moved = Move();
        _clock.Advance(TimeSpan.FromSeconds(61));

        (await _cache.GetManifestAsync("1")).Is(moved.Manifest.Bytes);
        var asked = _registry.Log.All.Count;
        var old = await _cache.GetManifestAsync(_image.Manifest.Digest.ToString());

        old.Is(_image.Manifest.Bytes);
        Assert.Equal("Entrepot; hit", old.CacheStatus);
        Assert.Equal("Entrepot; hit", (await _cache.GetManifestAsync("1")).CacheStatus);
        Assert.Equal(asked, _registry.Log.All.Count);
    }

    [Fact]
    public async Task DeletedTag_AfterARestartWithoutTheUpstream_IsForgottenAndNotStale()
    {
        await _cache.PullAsync(_image);
        _registry.Content.RemoveTag("org/app", "1");
        _clock.Advance(TimeSpan.FromSeconds(61));
        (await _cache.GetManifestAsync("1")).IsError(404, "MANIFEST_UNKNOWN");
        await _registry.DisposeAsync();

        await _cache.RestartAsync();

        (await _cache.GetManifestAsync("1")).IsError(503, "UNAVAILABLE");
        (await _cache.GetManifestAsync(_image.Manifest.Digest.ToString())).Is(_image.Manifest.Bytes);
    }

    [Theory]
    [InlineData("GET", true)]
    [InlineData("HEAD", true)]
    [InlineData("GET", false)]
    [InlineData("HEAD", false)]
    public async Task Unknown_AskedAgain_CostsTheUpstreamNothingForNegativeTtl(string method, bool byTag)
    {
        var later = new Content().AddImage("org/app", "2", TestBlob.Random(1000, seed: 211)).Manifest;
        var path = $"/v2/org/app/manifests/{(byTag ? "2" : later.Digest.ToString())}";
        Assert.Equal(404, (await _cache.SendAsync(new HttpMethod(method), path)).Status);
        _registry.Content.AddManifest("org/app", "2", later.Bytes, later.MediaType);
        var asked = _registry.Log.All.Count;

        // Far less than 10 s even where the machine is slow.
        for (var i = 0; i < 20; i++) Assert.Equal(404, (await _cache.SendAsync(new HttpMethod(method), path)).Status);
        Assert.Equal(asked, _registry.Log.All.Count);

        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(200, (await _cache.SendAsync(new HttpMethod(method), path)).Status);
    }

    [Fact]
    public async Task Unknown_OfOneRepository_SaysNothingOfAnother()
    {
        var digest = _image.Manifest.Digest.ToString();
        Assert.Equal(404, (await _cache.GetManifestAsync(digest, "org/other")).Status);

        (await _cache.GetManifestAsync(digest)).Is(_image.Manifest.Bytes);
    }

    [Fact]
    public async Task SlowUpstream_KnownTag_IsServedStaleAndTheAnswerIsForTheNext()
    {
        await using var cache = await StartAsync(new FreshnessRules { RevalidateWait = TimeSpan.FromMilliseconds(50) });
        await cache.PullAsync(_image);
        var moved = Move();
        _clock.Advance(TimeSpan.FromSeconds(61));
        var gate = new Gate();
        _registry.On(Ask.HeadManifest, Misbehave.HoldHeaders(gate));
        var asked = _registry.Log.Count(Ask.HeadManifest);

        foreach (var slow in (Got[])[await cache.GetManifestAsync("1"), await cache.GetManifestAsync("1")])
        {
            slow.Is(_image.Manifest.Bytes);
            Assert.Equal("Entrepot; fwd=stale; detail=slow", slow.CacheStatus);
        }

        await gate.ReachedAsync();
        gate.Open();
        Got got = null!;
        await Appliance.UntilAsync(async () => (got = await cache.GetManifestAsync("1")).CacheStatus == "Entrepot; hit", () => $"still {got}");
        got.Is(moved.Manifest.Bytes);
        Assert.Equal(asked + 1, _registry.Log.Count(Ask.HeadManifest));
        Assert.Equal(2, _registry.Log.Count(Ask.Manifest));
    }

    [Fact]
    public async Task ClientThatBeganARevalidation_Leaves_ItsAnswerIsForTheNext()
    {
        await _cache.PullAsync(_image);
        var moved = Move();
        _clock.Advance(TimeSpan.FromSeconds(61));
        var gate = new Gate();
        _registry.On(Ask.HeadManifest, Misbehave.HoldHeaders(gate));
        var asked = _registry.Log.Count(Ask.HeadManifest);

        using (var left = new CancellationTokenSource())
        {
            var first = _cache.Client.GetAsync(new Uri(_cache.Url, "/v2/org/app/manifests/1"), left.Token);
            await gate.ReachedAsync();
            await left.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        }

        var second = _cache.GetManifestAsync("1");
        gate.Open();

        (await second).Is(moved.Manifest.Bytes);
        Assert.Equal(asked + 1, _registry.Log.Count(Ask.HeadManifest));
    }

    [Fact]
    public async Task LimitedUpstream_AfterTheTagMoved_IsAskedForTheManifestAgainLater()
    {
        await _cache.PullAsync(_image);
        var moved = Move();
        _clock.Advance(TimeSpan.FromSeconds(61));
        _registry.On(Ask.Manifest, Misbehave.Status(429));

        (await _cache.GetManifestAsync("1")).Is(_image.Manifest.Bytes);

        _clock.Advance(TimeSpan.FromSeconds(11));   // a 429 that names no time silences for ten
        (await _cache.GetManifestAsync("1")).Is(moved.Manifest.Bytes);
    }

    [Fact]
    public async Task Start_WithoutTheUpstream_ServesWhatIsKnown()
    {
        await _cache.PullAsync(_image);
        await _registry.DisposeAsync();

        await _cache.RestartAsync();
        var fresh = await _cache.GetManifestAsync("1");
        _clock.Advance(TimeSpan.FromDays(100));
        var stale = await _cache.GetManifestAsync("1");

        fresh.Is(_image.Manifest.Bytes);
        stale.Is(_image.Manifest.Bytes);
        Assert.Equal(("Entrepot; hit", "Entrepot; fwd=stale; detail=unreachable"), (fresh.CacheStatus, stale.CacheStatus));
        (await _cache.GetBlobAsync(_image.Layers[0])).Is(_image.Layers[0].Bytes);
    }

    private TestImage Move() => _registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 212));

    private Task<Appliance> StartAsync(FreshnessRules rules) =>
        Appliance.StartAsync(_registry, new Setup { Clock = _clock, Times = Setup.Patient, Upstream = one => one with { Freshness = rules } });
}
