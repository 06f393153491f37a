using System.Globalization;
using System.Text;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Edge;

public sealed class ManifestTests : IAsyncLifetime
{
    private readonly TestRegistry _registry = new();
    private readonly ShiftedClock _clock = new();
    private Appliance _cache = null!;
    private TestImage _image = null!;

    public async Task InitializeAsync()
    {
        _cache = await Appliance.StartAsync(_registry, new Setup { Clock = _clock });
        _image = _registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 70));
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task Base_Get_Is200WithoutAChallengeOrAnUpstream()
    {
        var got = await _cache.GetAsync("/v2/");

        Assert.Equal(200, got.Status);
        Assert.Equal("registry/2.0", got.Header("Docker-Distribution-API-Version"));
        Assert.Null(got.Header("WWW-Authenticate"));
        Assert.Empty(_registry.Log.All);
        Assert.Equal(200, (await _cache.HeadAsync("/v2/")).Status);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task GetAndHead_ColdAndWarm_HaveAllHeaders(bool byTag)
    {
        var target = byTag ? "1" : _image.Manifest.Digest.ToString();

        var cold = await _cache.GetManifestAsync(target);
        var warm = await _cache.GetManifestAsync(target);
        var head = await _cache.HeadAsync($"/v2/org/app/manifests/{target}");

        cold.Is(_image.Manifest.Bytes);
        warm.Is(_image.Manifest.Bytes);
        Assert.Empty(head.Bytes);
        Assert.All((Got[])[cold, warm, head], HasManifestHeaders);
        Assert.Equal("Entrepot; fwd=miss; stored", cold.CacheStatus);
        Assert.Equal("Entrepot; hit", warm.CacheStatus);
        Assert.Equal("Entrepot; hit", head.CacheStatus);
        Assert.Equal(1, _registry.Log.Count(Ask.Manifest));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Head_OfAnUnknownManifest_CostsTheUpstreamNoGetByTag(bool byTag)
    {
        var target = byTag ? "1" : _image.Manifest.Digest.ToString();

        var head = await _cache.HeadAsync($"/v2/org/app/manifests/{target}");

        HasManifestHeaders(head);
        Assert.DoesNotContain(_registry.Log.All, request => request.Method == "GET" && request.Path.EndsWith("/1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Tag_FreshThenOlderThanItsTtl_IsAskedForByHeadOnly()
    {
        await _cache.GetManifestAsync("1");
        var asked = _registry.Log.All.Count;
        (await _cache.GetManifestAsync("1")).Is(_image.Manifest.Bytes);
        Assert.Equal(asked, _registry.Log.All.Count);

        _clock.Advance(TimeSpan.FromSeconds(61));
        var again = await _cache.GetManifestAsync("1");

        again.Is(_image.Manifest.Bytes);
        Assert.Equal("Entrepot; fwd=stale; fwd-status=200", again.CacheStatus);
        Assert.Equal("HEAD", _registry.Log.All[asked].Method);
        Assert.Equal(asked + 1, _registry.Log.All.Count);
        Assert.Equal("Entrepot; hit", (await _cache.GetManifestAsync("1")).CacheStatus);
    }

    [Fact]
    public async Task Tag_ThatMoved_IsSeenAfterItsTtl()
    {
        await _cache.GetManifestAsync("1");
        var moved = _registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 71));

        (await _cache.GetManifestAsync("1")).Is(_image.Manifest.Bytes);
        _clock.Advance(TimeSpan.FromSeconds(61));
        (await _cache.GetManifestAsync("1")).Is(moved.Manifest.Bytes);

        (await _cache.GetManifestAsync(_image.Manifest.Digest.ToString())).Is(_image.Manifest.Bytes);
    }

    [Fact]
    public async Task Tag_ThatIsGone_Is404AfterItsTtl()
    {
        await _cache.PullAsync(_image);
        _registry.Content.RemoveTag("org/app", "1");
        _clock.Advance(TimeSpan.FromSeconds(61));

        (await _cache.GetManifestAsync("1")).IsError(404, "MANIFEST_UNKNOWN");
    }

    [Fact]
    public async Task Age_CountsFromTheLastValidation()
    {
        await _cache.GetManifestAsync("1");
        _clock.Advance(TimeSpan.FromSeconds(30));

        var age = int.Parse((await _cache.GetManifestAsync("1")).Header("Age")!, CultureInfo.InvariantCulture);

        Assert.InRange(age, 30, 45);
    }

    [Theory]
    [InlineData("application/vnd.oci.image.index.v1+json")]
    [InlineData("application/vnd.docker.distribution.manifest.v2+json")]
    [InlineData("application/vnd.docker.distribution.manifest.list.v2+json")]
    [InlineData("application/vnd.docker.distribution.manifest.v1+prettyjws")]
    [InlineData("application/vnd.example.thing.v9+json")]
    [InlineData("application/vnd.example+json;charset=UTF-8;  odd=yes")]
    public async Task MediaType_OfAnyKind_IsPassedExactly(string mediaType)
    {
        var bytes = Encoding.UTF8.GetBytes($$"""{"schemaVersion":2,"mediaType":"{{mediaType}}", "annotations" : {} }""");
        var manifest = _registry.Content.AddManifest("org/app", "odd", bytes, mediaType);

        foreach (var target in (string[])["odd", "odd", manifest.Digest.ToString()])
        {
            var got = await _cache.GetManifestAsync(target);
            got.Is(bytes);
            Assert.Equal(mediaType, got.Header("Content-Type"));
        }

        await _cache.RestartAsync();
        Assert.Equal(mediaType, (await _cache.GetManifestAsync(manifest.Digest.ToString())).Header("Content-Type"));
    }

    [Fact]
    public async Task Accept_OfTheClient_DoesNotChangeWhatIsAskedOrAnswered()
    {
        var got = await _cache.GetAsync("/v2/org/app/manifests/1", ("Accept", "application/vnd.docker.distribution.manifest.v2+json"));

        got.Is(_image.Manifest.Bytes);
        Assert.All(_registry.Log.All.Where(Ask.AnyManifest), request =>
            Assert.All(MediaTypes.Accepted, type => Assert.Contains(type, request.Header("Accept")!, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("\"{0}\"", 304)]
    [InlineData("W/\"{0}\"", 304)]
    [InlineData("\"other\", \"{0}\"", 304)]
    [InlineData("*", 304)]
    [InlineData("\"other\"", 200)]
    public async Task IfNoneMatch_IsComparedAsHttpSays(string pattern, int status)
    {
        await _cache.GetManifestAsync("1");
        var value = pattern.Replace("{0}", _image.Manifest.Digest.ToString(), StringComparison.Ordinal);

        var get = await _cache.GetAsync("/v2/org/app/manifests/1", ("If-None-Match", value));
        var head = await _cache.HeadAsync("/v2/org/app/manifests/1", ("If-None-Match", value));

        Assert.Equal((status, status), (get.Status, head.Status));
        Assert.Equal("Entrepot; hit", get.CacheStatus);
        if (status == 304) Assert.Empty(get.Bytes);
        Assert.Equal($"\"{_image.Manifest.Digest}\"", get.Header("ETag"));
    }

    private void HasManifestHeaders(Got got)
    {
        Assert.Equal(200, got.Status);
        Assert.Equal(_image.Manifest.Digest.ToString(), got.Header("Docker-Content-Digest"));
        Assert.Equal($"\"{_image.Manifest.Digest}\"", got.Header("ETag"));
        Assert.Equal(MediaTypes.OciManifest, got.Header("Content-Type"));
        Assert.Equal(_image.Manifest.Bytes.Length.ToString(CultureInfo.InvariantCulture), got.Header("Content-Length"));
        Assert.Equal("registry/2.0", got.Header("Docker-Distribution-API-Version"));
    }
}
