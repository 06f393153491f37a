using System.Globalization;
using Entrepot.FunctionalTests.Admin;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Pull;

namespace Entrepot.FunctionalTests.Edge;

/// <summary>Manifests and small blobs come from memory; what the store does not have any more does not.</summary>
public sealed class MemoryTests : IAsyncLifetime
{
    private readonly TestRegistry _registry = new();
    private readonly ShiftedClock _clock = new();
    private Appliance _cache = null!;
    private TestImage _image = null!;
    private TestBlob _layer = null!;

    public async Task InitializeAsync()
    {
        _cache = await Appliance.StartAsync(_registry, new Setup { Clock = _clock });
        _layer = TestBlob.Random(10_000, seed: 70);
        _image = _registry.Content.AddImage("org/app", "1", _layer);
        await _cache.PullAsync(_image);
        await IsHitAsync();
        await IsHitAsync();
        await _cache.Host.MarkedAsync();   // hits from memory have had their files looked at
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task Get_FilesRemovedBehindItsBack_AreServedRightAndFetchedAnewSoon()
    {
        var asked = _registry.Log.All.Count;
        File.Delete(_cache.Store.PathOf(_image.Manifest.Digest));
        File.Delete(_cache.Store.PathOf(_layer.Digest));

        await IsHitAsync();
        Assert.Equal(asked, _registry.Log.All.Count);

        // Once in an interval the files are looked at, beside the request.
        _clock.Advance(RecentTouches.Interval);
        await Appliance.UntilAsync(HasBothAgainAsync, () => "the files did not come again");
        await IsHitAsync();
    }

    [Fact]
    public async Task Get_AfterARemoval_IsFetchedAnew()
    {
        await _cache.RemoveAsync("org/app:1");

        Assert.Equal("Entrepot; fwd=miss; stored", (await _cache.GetManifestAsync("1")).CacheStatus);
        var blob = await _cache.GetBlobAsync(_layer);
        blob.Is(_layer.Bytes);
        Assert.Equal("Entrepot; fwd=miss; stored", blob.CacheStatus);
    }

    [Fact]
    public async Task Get_AfterARemovalWithoutAnUpstream_IsRefused()
    {
        await _cache.RemoveAsync("org/app:1");
        await _registry.DisposeAsync();

        Assert.Equal(503, (await _cache.GetManifestAsync("1")).Status);
        Assert.Equal(503, (await _cache.GetManifestAsync(_image.Manifest.Digest.ToString())).Status);
        Assert.Equal(503, (await _cache.HeadAsync(Appliance.PathOf(_layer.Digest))).Status);
        Assert.Equal(503, (await _cache.GetBlobAsync(_layer)).Status);
    }

    [Fact]
    public async Task Get_AfterAVerificationThatFoundTheFilesSpoilt_IsFetchedAnew()
    {
        _cache.Store.Plant(_image.Manifest.Digest, [1, 2, 3]);
        _cache.Store.Plant(_layer.Digest, TestBlob.Random(10_000, seed: 71).Bytes);

        Assert.Equal(2, (await _cache.VerifyAsync()).Lines[^1]["wrong"]!.AsArray().Count);

        var manifest = await _cache.GetManifestAsync(_image.Manifest.Digest.ToString());
        manifest.Is(_image.Manifest.Bytes);
        Assert.Equal("Entrepot; fwd=miss; stored", manifest.CacheStatus);
        var blob = await _cache.GetBlobAsync(_layer);
        blob.Is(_layer.Bytes);
        Assert.Equal("Entrepot; fwd=miss; stored", blob.CacheStatus);
    }

    [Fact]
    public async Task Get_TagIsNotFreshAnyMore_IsAskedForThoughTheManifestIsInMemory()
    {
        var moved = _registry.Content.AddImage("org/app", "1", TestBlob.Random(10_000, seed: 72));
        await IsHitAsync();

        _clock.Advance(TimeSpan.FromMinutes(1));

        (await _cache.GetManifestAsync("1")).Is(moved.Manifest.Bytes);
        (await _cache.GetManifestAsync(_image.Manifest.Digest.ToString())).Is(_image.Manifest.Bytes);
    }

    [Fact]
    public async Task Get_PartOfASmallBlob_IsThatPart()
    {
        var part = await _cache.GetBlobAsync(_layer, ("Range", "bytes=9000-"));

        Assert.Equal(206, part.Status);
        Assert.Equal(_layer.Bytes[9000..], part.Bytes);
        Assert.Equal(304, (await _cache.GetBlobAsync(_layer, ("If-None-Match", $"\"{_layer.Digest}\""))).Status);
    }

    [Fact]
    public async Task Head_IsWhatGetSaysWithoutTheBody()
    {
        var image = $"/v2/org/app/manifests/{_image.Manifest.Digest}";
        foreach (var path in new[] { image, "/v2/org/app/manifests/1", Appliance.PathOf(_layer.Digest) })
        {
            var (head, get) = (await _cache.HeadAsync(path), await _cache.GetAsync(path));

            Assert.Equal((200, 0, "Entrepot; hit"), (head.Status, head.Bytes.Length, head.CacheStatus));
            foreach (var name in new[] { "Content-Length", "Content-Type", "Docker-Content-Digest", "ETag", "Accept-Ranges", "Age" })
                Assert.Equal(get.Header(name), head.Header(name));
            Assert.Equal(get.Bytes.Length.ToString(CultureInfo.InvariantCulture), head.Header("Content-Length"));
        }
    }

    [Fact]
    public async Task Get_NoMemoryAllowed_IsAHitAllTheSame()
    {
        await _cache.RestartAsync(options => options with { MemoryCacheBytes = 0 });

        await IsHitAsync();
        await IsHitAsync();
    }

    private async Task<bool> HasBothAgainAsync()
    {
        (await _cache.GetManifestAsync(_image.Manifest.Digest.ToString())).Is(_image.Manifest.Bytes);
        (await _cache.GetBlobAsync(_layer)).Is(_layer.Bytes);
        return _cache.Store.Has(_image.Manifest.Digest) && _cache.Store.Has(_layer.Digest);
    }

    private async Task IsHitAsync()
    {
        foreach (var target in new[] { _image.Manifest.Digest.ToString(), "1" })
        {
            var got = await _cache.GetManifestAsync(target);
            got.Is(_image.Manifest.Bytes);
            Assert.Equal("Entrepot; hit", got.CacheStatus);
        }

        var blob = await _cache.GetBlobAsync(_layer);
        blob.Is(_layer.Bytes);
        Assert.Equal("Entrepot; hit", blob.CacheStatus);
    }
}
