using System.Text;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Upstream;

namespace Entrepot.FunctionalTests.Life;

/// <summary>Options that are read again while the server runs.</summary>
public sealed class ReloadTests : IAsyncLifetime
{
    private readonly TestRegistry _registry = new();
    private readonly TestRegistry _other = new();
    private readonly LogLines _log = new();
    private Appliance _cache = null!;

    private UpstreamOptions Other => new() { Name = "other.test", Urls = [_other.Url], Hosts = ["mirror.test"] };

    public async Task InitializeAsync() => _cache = await Appliance.StartAsync(_registry, new Setup { Log = _log.Log });

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
        await _other.DisposeAsync();
    }

    [Fact]
    public async Task AddedUpstream_IsReachedInEveryWayAndCounted()
    {
        var image = _other.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 600));
        (await _cache.GetAsync("/v2/org/app/manifests/1?ns=other.test")).IsError(404, "NAME_UNKNOWN");

        _cache.Reload(options => options with { Upstreams = [.. options.Upstreams, Other] });

        (await _cache.GetAsync("/v2/org/app/manifests/1?ns=other.test")).Is(image.Manifest.Bytes);
        (await _cache.GetAsync("/v2/other.test/org/app/manifests/1")).Is(image.Manifest.Bytes);
        (await RawClient.AskAsync(_cache.Url, "GET", "/v2/org/app/manifests/1", "mirror.test")).Is(image.Manifest.Bytes);
        var metrics = await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total", "upstream=\"other.test\"") == 3);
        Assert.Equal(_other.Log.All.Count, metrics.Sum("entrepot_upstream_requests_total", "upstream=\"other.test\""));
        Assert.Contains(_log.All, line => line.Contains("added [\"other.test\"], changed [], removed []", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AddedUpstream_CanBeTheDefault()
    {
        var image = _other.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 601));

        _cache.Reload(options => options with { Upstreams = [.. options.Upstreams, Other], DefaultUpstream = "other.test" });

        (await _cache.GetManifestAsync("1")).Is(image.Manifest.Bytes);
        Assert.Empty(_registry.Log.All);
    }

    [Fact]
    public async Task RemovedUpstream_IsUnknown_AndItsCountersStayAndGoOnWhenItComesBack()
    {
        var image = _other.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 602));
        _cache.Reload(options => options with { Upstreams = [.. options.Upstreams, Other] });
        (await _cache.GetAsync("/v2/org/app/manifests/1?ns=other.test")).Is(image.Manifest.Bytes);
        var asked = _other.Log.All.Count;

        _cache.Reload(options => options with { Upstreams = [options.Upstreams[0]] });

        (await _cache.GetAsync("/v2/org/app/manifests/1?ns=other.test")).IsError(404, "NAME_UNKNOWN");
        var metrics = await _cache.MetricsAsync();
        Assert.Equal(asked, metrics.Sum("entrepot_upstream_requests_total", "upstream=\"other.test\""));
        await Appliance.UntilAsync(() => Task.FromResult(_other.Connections == 0), () => "its connections stay open");

        _cache.Reload(options => options with { Upstreams = [.. options.Upstreams, Other with { Connections = 1 }] });
        (await _cache.GetAsync("/v2/org/app/manifests/2?ns=other.test")).IsError(404, "MANIFEST_UNKNOWN");
        metrics = await _cache.MetricsAsync();
        Assert.Equal(_other.Log.All.Count, metrics.Sum("entrepot_upstream_requests_total", "upstream=\"other.test\""));
    }

    [Fact]
    public async Task ChangedAddress_IsAskedAtOnce_AlsoForWhatTheOldOneDidNotHave()
    {
        var image = _other.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 603));
        (await _cache.GetManifestAsync("1")).IsError(404, "MANIFEST_UNKNOWN");
        var before = _registry.Log.All.Count;

        _cache.ReloadUpstream(upstream => upstream with { Urls = [_other.Url] });

        await _cache.PullAsync(image);
        Assert.Equal(before, _registry.Log.All.Count);
        var metrics = await _cache.MetricsAsync();
        Assert.Equal(before + _other.Log.All.Count, metrics.Sum("entrepot_upstream_requests_total", "upstream=\"docker.io\""));
        Assert.Contains(_log.All, line => line.Contains("added [], changed [\"docker.io\"], removed []", StringComparison.Ordinal));
    }

    // The others are longer than the test has patience for.
    [Theory]
    [InlineData("headerTimeout", 504)]
    [InlineData("requestTimeout", 504)]
    [InlineData("stallTimeout", 200)]
    public async Task ChangedTimeout_UpstreamHangs_IsWaitedForAsLong(string option, int status)
    {
        var blob = _registry.Content.AddBlob(1_000_000, seed: 605);
        var brief = TimeSpan.FromMilliseconds(100);
        var isBody = option == "stallTimeout";
        _registry.On(Ask.Anything, isBody ? Misbehave.HangAt(400_000) : Misbehave.HangBeforeHeaders(), TestRegistry.Always);
        _cache.ReloadUpstream(upstream => upstream with
        {
            HeaderTimeout = option == "headerTimeout" ? brief : TimeSpan.FromMinutes(1),
            RequestTimeout = option == "requestTimeout" ? brief : TimeSpan.FromMinutes(1),
            Fetching = upstream.Fetching with { StallTimeout = isBody ? brief : TimeSpan.FromMinutes(1) },
        });

        var got = await _cache.GetBlobAsync(blob);

        if (isBody) got.Is(blob.Bytes);   // resumed, and soon
        else got.IsError(status, "UNAVAILABLE");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RunningFetch_UpstreamChangedOrRemoved_EndsWithTheOneItBeganWith(bool isRemoved)
    {
        var blob = _registry.Content.AddBlob(1_000_000, seed: 604);
        var gate = new Gate(400_000);
        _registry.On(Ask.Blob, Misbehave.All(Misbehave.Hold(gate), Misbehave.Cut(600_000)));
        _registry.On(Ask.Blob, Misbehave.Cut(100_000));
        var running = _cache.GetBlobAsync(blob);
        await gate.ReachedAsync();

        if (isRemoved) _cache.Reload(options => options with { Upstreams = [Other], DefaultUpstream = "other.test" });
        else _cache.ReloadUpstream(upstream => upstream with { Urls = [_other.Url] });
        gate.Open();

        (await running).Is(blob.Bytes);
        Assert.Equal(3, _registry.BlobGets);   // broken off twice, and resumed where it was
        Assert.Empty(_other.Log.All);
        await Appliance.UntilAsync(() => Task.FromResult(_registry.Connections == 0), () => "connections stay open although nobody reads from them");
    }

    [Fact]
    public async Task UnchangedUpstream_KeepsItsTokenAndConnections()
    {
        var image = _registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 605));
        var tokens = _registry.RequireToken();
        (await _cache.GetManifestAsync("1")).Is(image.Manifest.Bytes);

        _cache.Reload(options => options with { Upstreams = [options.Upstreams[0] with { Urls = [.. options.Upstreams[0].Urls] }, Other] });
        await _cache.PullAsync(image);

        Assert.Equal(1, tokens.Issued);
        Assert.Single(_registry.Log.All.Select(request => request.Connection).Distinct());
    }

    [Fact]
    public async Task UnchangedUpstream_FoundDead_StaysLeftAlone()
    {
        await _registry.DisposeAsync();
        await Appliance.UntilAsync(
            async () => Text(await _cache.GetManifestAsync("1")).Contains("left alone", StringComparison.Ordinal), () => "it is never left alone");

        _cache.Reload(options => options with { Upstreams = [.. options.Upstreams, Other] });

        Assert.Contains("left alone", Text(await _cache.GetManifestAsync("1")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ChangedAccount_IsUsedAtOnce()
    {
        var image = _registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 606));
        _registry.BasicAuthorization = "Basic " + Convert.ToBase64String("joe:right"u8);
        (await _cache.GetManifestAsync("1")).IsError(401, "UNAUTHORIZED");

        _cache.ReloadUpstream(upstream => upstream with { Username = "joe", Password = "wrong" });
        (await _cache.GetManifestAsync("1")).IsError(401, "UNAUTHORIZED");
        _cache.ReloadUpstream(upstream => upstream with { Password = "right" });

        await _cache.PullAsync(image);
    }

    [Fact]
    public async Task ChangedPasswordFile_IsUsedWithoutReload()
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, "wrong\n");
            var image = _registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 607));
            _registry.BasicAuthorization = "Basic " + Convert.ToBase64String("joe:the right one"u8);
            _cache.ReloadUpstream(upstream => upstream with { Username = "joe", PasswordFile = file });
            (await _cache.GetManifestAsync("1")).IsError(401, "UNAUTHORIZED");

            await File.WriteAllTextAsync(file, "the right one\n");

            (await _cache.GetManifestAsync("1")).Is(image.Manifest.Bytes);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task ChangedFreshness_HoldsAtOnce()
    {
        var image = _registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 608));
        await _cache.PullAsync(image);
        Assert.Equal("Entrepot; hit", (await _cache.GetManifestAsync("1")).CacheStatus);

        _cache.ReloadUpstream(upstream => upstream with { Freshness = upstream.Freshness with { TagTtl = TimeSpan.Zero } });

        Assert.Equal("Entrepot; fwd=stale; fwd-status=200", (await _cache.GetManifestAsync("1")).CacheStatus);
    }

    [Fact]
    public async Task Offline_SetAndTakenBack_HoldsAtOnce()
    {
        var image = _registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 609));
        var later = _registry.Content.AddImage("org/app", "2", TestBlob.Random(1000, seed: 610));
        await _cache.PullAsync(image);
        var asked = _registry.Log.All.Count;

        _cache.Reload(options => options with { Offline = true });
        (await _cache.GetManifestAsync("1")).Is(image.Manifest.Bytes);
        (await _cache.GetManifestAsync("2")).IsError(404, "MANIFEST_UNKNOWN");
        Assert.Equal(asked, _registry.Log.All.Count);

        _cache.Reload(options => options with { Offline = false });
        (await _cache.GetManifestAsync("2")).Is(later.Manifest.Bytes);
    }

    [Fact]
    public async Task OptionsThatNeedARestart_AreNamedInOneWarningAndChangeNothing()
    {
        var url = _cache.Url;

        _cache.Reload(options => options with { Listen = ["127.0.0.1:1"], StorageRoot = "/elsewhere", ManifestLimit = 100_000 });

        Assert.Single(_log.All, "Warning: Changed options that take effect at the next start only: listen, storage.root, limits.manifest");
        Assert.Equal(url, _cache.Url);
        Assert.Equal(200, (await _cache.GetAsync("/v2/")).Status);
    }

    [Fact]
    public async Task Reload_AfterTheEnd_DoesNothing()
    {
        var host = _cache.Host;
        await _cache.StopAsync();

        host.Reload(_cache.Options with { Upstreams = [Other], DefaultUpstream = "other.test" });

        Assert.DoesNotContain(_log.All, line => line.Contains("read again", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ReloadsUnderLoad_EveryPullIsRightAndCountersOnlyGrow()
    {
        var blobs = Enumerable.Range(0, 40).Select(i => _registry.Content.AddBlob(200_000, seed: 620 + i)).ToList();
        _other.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 611));
        foreach (var blob in blobs) _other.Content.AddBlob(blob);
        using var done = new CancellationTokenSource();
        var reloading = Task.Run(() =>
        {
            var (reloads, last) = (0, 0.0);
            while (!done.IsCancellationRequested)
            {
                var turned = reloads++ % 2 == 0;
                _cache.Reload(options => options with
                {
                    Upstreams = [options.Upstreams[0] with { Urls = [turned ? _other.Url : _registry.Url] }, .. turned ? new[] { Other } : []],
                });
                var asked = _cache.MetricsAsync().GetAwaiter().GetResult().Sum("entrepot_upstream_requests_total");
                Assert.True(asked >= last, $"{last} requests became {asked}");
                last = asked;
            }

            return reloads;
        });

        await Task.WhenAll(Enumerable.Range(0, 8).Select(async client =>
        {
            foreach (var blob in blobs) (await _cache.GetBlobAsync(blob)).Is(blob.Bytes);
            var got = await _cache.GetAsync("/v2/org/app/manifests/1?ns=other.test");
            Assert.True(got.Status == 200 || got.ErrorCode is "NAME_UNKNOWN" or "MANIFEST_UNKNOWN", got.ToString());
        }));
        await done.CancelAsync();

        Assert.True(await reloading > 4);
        Assert.Equal(blobs.Count, _registry.BlobGets + _other.BlobGets);
        await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") == 8 * (blobs.Count + 1));
    }

    private static string Text(Got got) => Encoding.UTF8.GetString(got.Bytes);
}
