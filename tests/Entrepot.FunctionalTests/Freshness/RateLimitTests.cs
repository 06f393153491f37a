using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Freshness;

/// <summary>A registry that counts as Docker Hub does: how little it is asked, and what is left of that when little is left.</summary>
public sealed class RateLimitTests : IAsyncLifetime
{
    private const string Account = "account=\"anonymous\"";

    private readonly TestRegistry _registry = new();
    private readonly ShiftedClock _clock = new();
    private Appliance _cache = null!;

    public async Task InitializeAsync() => _cache = await Appliance.StartAsync(_registry, new Setup
    {
        Clock = _clock,
        Upstream = one => one with { Freshness = new() { RevalidateWait = Timeout.InfiniteTimeSpan } },
    });

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    // 1,000 nodes pull each of 50 images once, spread over 6 hours: 50,000 pulls of tags that are past their time again and again.
    [Fact]
    public async Task UnchangedImages_AThousandNodesInSixHours_CostNoCountedRequest()
    {
        const int nodes = 1000, images = 50, minutes = 360;
        var hub = Limit(new HubLimit(100));
        var paths = new string[images];
        for (var i = 0; i < images; i++)
        {
            var image = _registry.Content.AddImage("org/app", $"v{i}", TestBlob.Random(100, seed: 710 + i));
            paths[i] = $"/v2/org/app/manifests/{image.Tag}";
            await _cache.PullAsync(image);
        }

        Assert.Equal(images, hub.Counted);
        var pulls = 0;
        for (var minute = 1; minute <= minutes; minute++)
        {
            _clock.Advance(TimeSpan.FromMinutes(1));
            var until = nodes * images * minute / minutes;
            await Parallel.ForAsync(pulls, until, async (pull, _) =>
            {
                // As engines do it: by HEAD where they have the image, by GET where not; each image by both.
                var got = await _cache.SendAsync(pull / images % 2 == 0 ? HttpMethod.Head : HttpMethod.Get, paths[pull % images]);
                Assert.Equal(200, got.Status);
            });
            pulls = until;
        }

        Assert.Equal(nodes * images, pulls);
        Assert.Equal(images, hub.Counted);
        Assert.Equal(100 - images, (await _cache.MetricsAsync()).Sum("entrepot_upstream_ratelimit_remaining", Account));
        Assert.InRange(_registry.Log.Count(Ask.HeadManifest), images, images * (minutes + 1));
    }

    [Fact]
    public async Task KnownTag_FewerLeftThanTheReserve_StaysFreshForAnHour()
    {
        var hub = Limit(new HubLimit(10));
        await _cache.PullAsync(_registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 770)));
        _clock.Advance(TimeSpan.FromMinutes(59));

        Assert.Equal("Entrepot; hit", (await _cache.GetManifestAsync("1")).CacheStatus);
        Assert.Equal((1, 1), (hub.Counted, _registry.Log.Count(Ask.HeadManifest)));
        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal("Entrepot; fwd=stale; fwd-status=200", (await _cache.GetManifestAsync("1")).CacheStatus);
    }

    [Fact]
    public async Task KnownTag_MoreLeftThanTheReserve_StaysFreshForItsTime()
    {
        Limit(new HubLimit(11));
        await _cache.PullAsync(_registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 771)));
        _clock.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal("Entrepot; fwd=stale; fwd-status=200", (await _cache.GetManifestAsync("1")).CacheStatus);
    }

    [Fact]
    public async Task Limited_UntilRetryAfter_NothingButBlobsIsAsked()
    {
        var known = _registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 772));
        var unknown = _registry.Content.AddImage("org/app", "2", TestBlob.Random(1000, seed: 773));
        await _cache.PullAsync(known);
        var hub = Limit(new HubLimit(0, retryAfter: 300));
        (await _cache.GetManifestAsync("2")).IsError(429, "TOOMANYREQUESTS");
        _clock.Advance(TimeSpan.FromMinutes(2));
        var asked = _registry.Log.All.Count;

        var stale = await _cache.GetManifestAsync("1");
        stale.Is(known.Manifest.Bytes);
        Assert.Equal("Entrepot; fwd=stale; detail=rate-limited", stale.CacheStatus);
        foreach (var path in (string[])["manifests/2", $"manifests/{unknown.Manifest.Digest}", "tags/list", $"referrers/{known.Manifest.Digest}"])
        {
            var got = await _cache.GetAsync("/v2/org/app/" + path);
            got.IsError(429, "TOOMANYREQUESTS");
            Assert.InRange(int.Parse(got.Header("Retry-After")!), 170, 180);
        }

        Assert.Equal(asked, _registry.Log.All.Count);
        Assert.InRange((await _cache.MetricsAsync()).Sum("entrepot_upstream_ratelimited_seconds", Account), 170, 180);
        (await _cache.GetBlobAsync(unknown.Layers[0])).Is(unknown.Layers[0].Bytes);

        _clock.Advance(TimeSpan.FromMinutes(3));
        hub = Limit(new HubLimit(100));
        (await _cache.GetManifestAsync("2")).Is(unknown.Manifest.Bytes);
        Assert.Equal(1, hub.Counted);
        Assert.Equal(0, (await _cache.MetricsAsync()).Sum("entrepot_upstream_ratelimited_seconds", Account));
    }

    [Fact]
    public async Task Status_AfterLimits_TellsWhomTheyAreCountedFor()
    {
        Limit(new HubLimit(1, retryAfter: 300));
        await _cache.PullAsync(_registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 774)));
        _registry.Content.AddImage("org/app", "2", TestBlob.Random(1000, seed: 775));
        Assert.Equal(429, (await _cache.GetManifestAsync("2")).Status);

        var status = JsonNode.Parse((await _cache.AdminAsync("/api/v1/status")).Text)!;
        var account = status["upstreams"]![0]!["accounts"]![0]!;

        Assert.Equal(("anonymous", 1, 0, 21600, "192.0.2.7"),
            ((string?)account["account"], (int)account["limit"]!, (int)account["remaining"]!, (int)account["window"]!, (string?)account["source"]));
        Assert.InRange((int)account["limitedFor"]!, 290, 300);
        Assert.Contains(status["problems"]!.AsArray(), problem => ((string?)problem)!.StartsWith("docker.io limits the requests of anonymous: it is asked again in ", StringComparison.Ordinal));
    }

    private HubLimit Limit(HubLimit hub)
    {
        _registry.Behave();
        _registry.On(Ask.AnyManifest, hub.Answer, TestRegistry.Always);
        return hub;
    }
}
