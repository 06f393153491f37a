using System.Globalization;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Pull;

/// <summary>One appliance in front of another.</summary>
public sealed class ChainTests
{
    [Theory]
    [InlineData("stopped", 503, null)]
    [InlineData("503", 503, null)]
    [InlineData("503", 503, "3")]
    [InlineData("429", 429, "3")]
    [InlineData("429", 429, null)]
    public async Task UnknownContent_OriginCannotSay_IsAskedAtMostOnceOfTheInnerOne(string origin, int status, string? retryAfter)
    {
        await using var registry = new TestRegistry();
        await using var inner = await Appliance.StartAsync(registry, new Setup { Times = Setup.Patient with { Break = TimeSpan.FromSeconds(10) } });
        await using var outer = await InFrontOfAsync(inner, registry);
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 670));
        if (origin == "stopped") await registry.DisposeAsync();
        else registry.On(Ask.Anything, retryAfter is null ? Misbehave.Status(int.Parse(origin, CultureInfo.InvariantCulture)) : Misbehave.Status(int.Parse(origin, CultureInfo.InvariantCulture), "Retry-After", retryAfter), TestRegistry.Always);

        var tag = await outer.GetManifestAsync("1");
        var digest = await outer.GetManifestAsync(image.Manifest.Digest.ToString());
        var layer = await outer.GetBlobAsync(image.Layers[0]);

        foreach (var got in (Got[])[tag, digest, layer]) got.IsError(status, status == 429 ? "TOOMANYREQUESTS" : "UNAVAILABLE");
        Assert.Equal(retryAfter ?? (status == 503 ? "5" : "3"), tag.Header("Retry-After"));
        var metrics = await outer.MetricsAsync();
        var asked = status == 429 ? 2 : 3;   // whoever limits is asked for nothing but blobs until then
        Assert.Equal(asked, metrics.Sum("entrepot_upstream_requests_total", $"code=\"{status}\""));
        Assert.Equal(asked, metrics.Sum("entrepot_upstream_requests_total"));
    }

    [Fact]
    public async Task CacheStatus_OfWhatCameThroughBoth_HasAMemberOfEach()
    {
        var time = new ShiftedClock();
        await using var registry = new TestRegistry();
        await using var inner = await Appliance.StartAsync(registry);
        await using var outer = await InFrontOfAsync(inner, registry, new Setup { Clock = time });
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(100_000, seed: 671));
        var (layer, tag) = (Appliance.PathOf(image.Layers[0].Digest), "/v2/org/app/manifests/1");

        Assert.Equal("Entrepot; fwd=miss, Entrepot; fwd=miss", (await outer.HeadAsync(layer)).CacheStatus);
        Assert.Equal("Entrepot; fwd=miss; stored, Entrepot; fwd=miss; stored", (await outer.GetAsync(layer)).CacheStatus);
        await outer.StoredAsync(image.Layers[0].Digest);
        Assert.Equal("Entrepot; hit", (await outer.GetAsync(layer)).CacheStatus);

        await inner.GetManifestAsync("1");
        Assert.Equal("Entrepot; hit, Entrepot; fwd=miss; stored", (await outer.GetAsync(tag)).CacheStatus);
        Assert.Equal("Entrepot; hit", (await outer.GetAsync(tag)).CacheStatus);
        time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal("Entrepot; hit, Entrepot; fwd=stale; fwd-status=200", (await outer.GetAsync(tag)).CacheStatus);
        Assert.Equal("Entrepot; fwd=miss, Entrepot; fwd=miss", (await outer.GetAsync("/v2/org/app/tags/list")).CacheStatus);
    }

    [Fact]
    public async Task Age_OfATag_IsThatOfBothWhereItComesThroughBoth()
    {
        var time = new ShiftedClock();
        await using var registry = new TestRegistry();
        await using var inner = await Appliance.StartAsync(registry, new Setup { Clock = time, TagTtl = TimeSpan.FromHours(1) });
        await using var outer = await InFrontOfAsync(inner, registry);
        registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 672));
        Assert.Null((await outer.GetManifestAsync("none")).Header("Age"));
        await inner.GetManifestAsync("1");
        time.Advance(TimeSpan.FromMinutes(30));

        var fetched = await outer.GetManifestAsync("1");
        var hit = await outer.GetManifestAsync("1");

        // Half an hour in the inner one; that does not make it less fresh in the outer one.
        Assert.InRange(AgeOf(fetched), 1800, 1860);
        Assert.Equal("Entrepot; hit", hit.CacheStatus);
        Assert.InRange(AgeOf(hit), 0, 60);
    }

    [Theory]
    [InlineData("Cache-Status", "Other; detail=\"open")]
    [InlineData("Age", "-1")]
    public async Task Nonsense_OfAnotherCache_IsLeftOut(string header, string value)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(1000, seed: 673);
        registry.On(Ask.Blob, Misbehave.Header(header, value));

        var got = await cache.GetBlobAsync(blob);

        got.Is(blob.Bytes);
        Assert.Equal(("Entrepot; fwd=miss; stored", null), (got.CacheStatus, got.Header("Age")));
    }

    private static int AgeOf(Got got) => int.Parse(got.Header("Age")!, CultureInfo.InvariantCulture);

    private static Task<Appliance> InFrontOfAsync(Appliance inner, TestRegistry origin, Setup? setup = null) =>
        Appliance.StartAsync(origin, (setup ?? new Setup()) with { Upstream = options => options with { Urls = [inner.Url] } });
}
