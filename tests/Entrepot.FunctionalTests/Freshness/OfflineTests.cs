using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;
using Entrepot.Upstream;

namespace Entrepot.FunctionalTests.Freshness;

/// <summary>An offline upstream is never contacted, and what is told of it is still true.</summary>
public sealed class OfflineTests : IAsyncLifetime
{
    private static readonly Digest Unknown = Digest.Of("unknown"u8);

    private readonly TestRegistry _registry = new();
    private readonly TestRegistry _other = new();
    private readonly ShiftedClock _clock = new();
    private Appliance _cache = null!;
    private TestImage _image = null!;
    private int _asked;

    public async Task InitializeAsync()
    {
        _cache = await Appliance.StartAsync(_registry, new Setup
        {
            Clock = _clock,
            More = [new UpstreamOptions { Name = "other.example", Urls = [_other.Url] }],
        });
        _image = _registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 220), TestBlob.Random(1000, seed: 221));
        await _cache.PullAsync(_image);
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
        await _other.DisposeAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Anything_OfAnOfflineUpstream_ContactsNobody(bool all)
    {
        await GoOfflineAsync(all);

        Assert.Equal("Entrepot; hit", (await _cache.GetManifestAsync("1")).CacheStatus);
        _clock.Advance(TimeSpan.FromDays(1));
        foreach (var method in (HttpMethod[])[HttpMethod.Get, HttpMethod.Head])
        {
            Assert.Equal((200, "Entrepot; fwd=stale; detail=offline"), await AskAsync(method, "/v2/org/app/manifests/1"));
            Assert.Equal((200, "Entrepot; hit"), await AskAsync(method, $"/v2/org/app/manifests/{_image.Manifest.Digest}"));
            Assert.Equal((200, "Entrepot; hit"), await AskAsync(method, Appliance.PathOf(_image.Layers[0].Digest)));
            Assert.Equal((404, null), await AskAsync(method, "/v2/org/app/manifests/2"));
            Assert.Equal((404, null), await AskAsync(method, $"/v2/org/app/manifests/{Unknown}"));
            Assert.Equal((404, null), await AskAsync(method, Appliance.PathOf(Unknown)));
            Assert.Equal((503, null), await AskAsync(method, "/v2/org/app/tags/list"));
            Assert.Equal((503, null), await AskAsync(method, $"/v2/org/app/referrers/{_image.Manifest.Digest}"));
        }

        Assert.Equal(404, (await _cache.GetAsync(Appliance.PathOf(Unknown), ("Range", "bytes=5000000-"))).Status);
        Assert.Equal(206, (await _cache.GetBlobAsync(_image.Layers[0], ("Range", "bytes=10-19"))).Status);
        Assert.Equal(_asked, _registry.Log.All.Count);
    }

    [Theory]
    [InlineData("manifests/2", "MANIFEST_UNKNOWN")]
    [InlineData("blobs/sha256:2222222222222222222222222222222222222222222222222222222222222222", "BLOB_UNKNOWN")]
    [InlineData("tags/list", "UNAVAILABLE")]
    [InlineData("referrers/sha256:2222222222222222222222222222222222222222222222222222222222222222", "UNAVAILABLE")]
    public async Task Unknown_OfAnOfflineUpstream_SaysWhy(string target, string code)
    {
        await GoOfflineAsync(all: true);

        var got = await _cache.GetAsync($"/v2/org/app/{target}");

        Assert.Equal(code, got.ErrorCode);
        Assert.EndsWith("this upstream is offline", (string?)got.Json["errors"]![0]!["detail"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task IncompleteImage_OfAnOfflineUpstream_Is503ByTagAndByDigest()
    {
        var half = _registry.Content.AddImage("org/app", "half", TestBlob.Random(1000, seed: 222));
        (await _cache.GetManifestAsync("half")).Is(half.Manifest.Bytes);
        await GoOfflineAsync(all: true);

        foreach (var method in (HttpMethod[])[HttpMethod.Get, HttpMethod.Head])
        {
            Assert.Equal((503, null), await AskAsync(method, "/v2/org/app/manifests/half"));
            Assert.Equal((503, null), await AskAsync(method, $"/v2/org/app/manifests/{half.Manifest.Digest}"));
        }
    }

    [Fact]
    public async Task OneOfTwoUpstreams_IsOffline_TheOtherIsAsked()
    {
        var image = _other.Content.AddImage("team/app", "1", TestBlob.Random(1000, seed: 223));
        await GoOfflineAsync(all: false);

        (await _cache.GetAsync("/v2/team/app/manifests/1?ns=other.example")).Is(image.Manifest.Bytes);
        Assert.Equal(_asked, _registry.Log.All.Count);
    }

    [Fact]
    public async Task Online_Again_AsksAtOnceForWhatWasUnknown()
    {
        var image = _registry.Content.AddImage("org/app", "2", TestBlob.Random(1000, seed: 224));
        await GoOfflineAsync(all: true);
        Assert.Equal(404, (await _cache.GetManifestAsync("2")).Status);

        await _cache.RestartAsync(options => options with { Offline = false });

        (await _cache.GetManifestAsync("2")).Is(image.Manifest.Bytes);
    }

    private async Task GoOfflineAsync(bool all)
    {
        await _cache.RestartAsync(options => all ? options with { Offline = true } : options with { Upstreams = [Offline(options.Upstreams[0]), .. options.Upstreams.Skip(1)] });
        _asked = _registry.Log.All.Count;
    }

    private static UpstreamOptions Offline(UpstreamOptions upstream) => upstream with { Freshness = upstream.Freshness with { Offline = true } };

    private async Task<(int Status, string? CacheStatus)> AskAsync(HttpMethod method, string path)
    {
        var got = await _cache.SendAsync(method, path);
        return (got.Status, got.CacheStatus);
    }
}
