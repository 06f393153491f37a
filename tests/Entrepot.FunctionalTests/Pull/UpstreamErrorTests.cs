using System.Globalization;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Pull;

public sealed class UpstreamErrorTests
{
    private const string Missing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    [Theory]
    [InlineData(403, 403, "DENIED")]
    [InlineData(401, 401, "UNAUTHORIZED")]
    [InlineData(429, 429, "TOOMANYREQUESTS")]
    [InlineData(500, 503, "UNAVAILABLE")]
    [InlineData(502, 503, "UNAVAILABLE")]
    [InlineData(503, 503, "UNAVAILABLE")]
    public async Task UpstreamStatus_OfBlobAndManifest_IsToldInOurWords(int upstream, int status, string code)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 40));
        registry.On(Ask.Anything, Misbehave.Status(upstream), TestRegistry.Always);

        (await cache.GetBlobAsync(image.Layers[0])).IsError(status, code);
        (await cache.GetManifestAsync("1")).IsError(status, code);
        (await cache.GetManifestAsync(image.Manifest.Digest.ToString())).IsError(status, code);
    }

    [Fact]
    public async Task Outage_IsTold_WithRetryAfter()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        registry.On(Ask.Anything, Misbehave.Status(503), TestRegistry.Always);

        var got = await cache.GetManifestAsync("1");

        got.IsError(503, "UNAVAILABLE");
        Assert.InRange(int.Parse(got.Header("Retry-After")!, CultureInfo.InvariantCulture), 1, 60);
    }

    [Fact]
    public async Task Limit_WithRetryAfter_IsPassedOn()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        registry.On(Ask.Anything, Misbehave.Status(429, "Retry-After", "37"), TestRegistry.Always);

        var got = await cache.GetManifestAsync("1");
        var head = await cache.HeadAsync("/v2/org/app/manifests/1");

        got.IsError(429, "TOOMANYREQUESTS");
        Assert.Equal((429, "37", "37"), (head.Status, got.Header("Retry-After"), head.Header("Retry-After")));
    }

    [Fact]
    public async Task Limit_OfABlobThatNamesNoTime_IsToldWithThreeSeconds()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(1000, seed: 47);
        registry.On(Ask.Anything, Misbehave.Status(429), TestRegistry.Always);

        var got = await cache.GetBlobAsync(blob);
        var head = await cache.HeadAsync(Appliance.PathOf(blob.Digest));

        got.IsError(429, "TOOMANYREQUESTS");
        Assert.Equal((429, "3", "3"), (head.Status, got.Header("Retry-After"), head.Header("Retry-After")));
    }

    [Theory]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(503)]
    public async Task TwoServerErrors_ThenWell_AreNotSeenByTheClient(int status)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 41));
        registry.On(Ask.Blob, Misbehave.Status(status), times: 2).On(Ask.Manifest, Misbehave.Status(status), times: 2);

        (await cache.GetBlobAsync(image.Layers[0])).Is(image.Layers[0].Bytes);
        (await cache.GetManifestAsync(image.Manifest.Digest.ToString())).Is(image.Manifest.Bytes);

        Assert.Equal(3, registry.BlobGets);
        Assert.Equal(3, registry.Log.Count(Ask.Manifest));
    }

    [Theory]
    [InlineData("blob")]
    [InlineData("tag")]
    [InlineData("digest")]
    public async Task HangBeforeHeaders_OfBlobOrManifest_Is504(string what)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup { Times = Setup.Impatient });
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 42));
        registry.On(Ask.Anything, Misbehave.HangBeforeHeaders(), TestRegistry.Always);

        var got = await (what switch
        {
            "blob" => cache.GetBlobAsync(image.Layers[0]),
            "tag" => cache.GetManifestAsync("1"),
            _ => cache.GetManifestAsync(image.Manifest.Digest.ToString()),
        });

        got.IsError(504, "UNAVAILABLE");
    }

    [Fact]
    public async Task HangBeforeHeaders_Once_IsTriedAgain()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup { Times = Setup.Impatient });
        var blob = registry.Content.AddBlob(1000, seed: 43);
        registry.On(Ask.Blob, Misbehave.HangBeforeHeaders());

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
    }

    [Fact]
    public async Task Unknown_BlobManifestAndRepository_Is404InItsOwnCode()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);

        (await cache.GetAsync($"/v2/org/app/blobs/{Missing}")).IsError(404, "BLOB_UNKNOWN");
        (await cache.GetManifestAsync("none")).IsError(404, "MANIFEST_UNKNOWN");
        (await cache.GetManifestAsync(Missing)).IsError(404, "MANIFEST_UNKNOWN");
        (await cache.GetAsync("/v2/org/app/tags/list")).IsError(404, "NAME_UNKNOWN");
        Assert.Equal(404, (await cache.HeadAsync($"/v2/org/app/blobs/{Missing}")).Status);
        Assert.Equal(404, (await cache.HeadAsync("/v2/org/app/manifests/none")).Status);
    }

    [Theory]
    [InlineData("1")]
    [InlineData("")]
    public async Task Manifest_WithWrongBytes_Is502(string tag)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 44));
        var target = tag.Length > 0 ? tag : image.Manifest.Digest.ToString();
        registry.On(Ask.Manifest, Misbehave.FlipByte(20), TestRegistry.Always);

        (await cache.GetManifestAsync(target)).IsError(502, "UNAVAILABLE");
        Assert.Empty(cache.Store.Checked());

        registry.Behave();
        (await cache.GetManifestAsync(target)).Is(image.Manifest.Bytes);
    }

    [Fact]
    public async Task Manifest_CutOnce_IsAskedForOnceMore()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 46));
        registry.On(Ask.Manifest, Misbehave.Cut(50), times: 1);

        (await cache.GetManifestAsync("1")).Is(image.Manifest.Bytes);
        Assert.Equal(2, registry.Log.All.Count(Ask.Manifest));
    }

    public static TheoryData<string> Garbage => ["html", "cut", "empty", "longer than allowed"];

    [Theory]
    [MemberData(nameof(Garbage))]
    public async Task Manifest_Garbage_Is502AndNotRemembered(string how)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup
        {
            Options = options => options with { ManifestLimit = 64 << 10 },
        });
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 45));
        registry.On(how == "html" ? Ask.AnyManifest : Ask.Manifest, how switch
        {
            "html" => Misbehave.Html(),
            "cut" => Misbehave.Cut(50),
            "empty" => Misbehave.Truncate(0),
            _ => Misbehave.Content(new byte[65 << 10]),
        }, TestRegistry.Always);

        var got = await cache.GetManifestAsync("1");
        Assert.True(got.Clean);
        Assert.InRange(got.Status, 502, 504);
        Assert.Equal("UNAVAILABLE", got.ErrorCode);
        Assert.Empty(cache.Store.Checked());

        registry.Behave();
        (await cache.GetManifestAsync("1")).Is(image.Manifest.Bytes);
    }
}
