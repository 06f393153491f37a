using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Edge;

/// <summary>Bytes that change on the disk under a file that nobody wrote: what is read into memory to be served is never served wrong.</summary>
public sealed class RotTests : IAsyncLifetime
{
    private readonly TestRegistry _registry = new();
    private Appliance _cache = null!;
    private TestImage _image = null!;

    public async Task InitializeAsync()
    {
        _cache = await Appliance.StartAsync(_registry, new Setup { TagTtl = TimeSpan.FromHours(1) });
        _image = _registry.Content.AddImage("org/app", "1", TestBlob.Random(10_000, seed: 75));
        _registry.Content.AddReferrer("org/app", _image.Manifest, "application/vnd.example");
        await _cache.PullAsync(_image);
        await _cache.RestartAsync();   // nothing is in memory
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Get_RottenManifestAndSmallBlobs_AreFetchedAgain(bool byTag)
    {
        Rot(_image.Manifest.Digest, _image.Config.Digest, _image.Layers[0].Digest);

        await IsAnsweredAsync(byTag, "Entrepot; fwd=miss; stored");

        foreach (var blob in _image.Layers.Append(_image.Config)) await _cache.StoredAsync(blob.Digest);
        Assert.Equal(3, _cache.Store.Checked().Count);
        Assert.Equal(3, (await _cache.MetricsAsync()).Sum("entrepot_evictions_total", "reason=\"corrupt\""));
        await IsAnsweredAsync(byTag, "Entrepot; hit");
    }

    [Fact]
    public async Task Get_RottenAndOffline_IsAnError()
    {
        _cache.Reload(options => options with { Offline = true });
        Rot(_image.Manifest.Digest, _image.Config.Digest, _image.Layers[0].Digest);

        for (var i = 0; i < 2; i++)
        {
            (await _cache.GetManifestAsync("1")).IsError(503, "UNAVAILABLE");
            (await _cache.GetManifestAsync(_image.Manifest.Digest.ToString())).IsError(404, "MANIFEST_UNKNOWN");
            foreach (var blob in _image.Layers.Append(_image.Config)) (await _cache.GetBlobAsync(blob)).IsError(404, "BLOB_UNKNOWN");
        }

        Assert.Empty(_cache.Store.Checked());
    }

    [Fact]
    public async Task Get_RottenListOfReferrers_IsAskedForAgain()
    {
        var path = $"/v2/org/app/referrers/{_image.Manifest.Digest}";
        var before = _cache.Store.Checked();
        var right = await _cache.GetAsync(path);
        Assert.Equal(200, right.Status);
        Rot(Assert.Single(_cache.Store.Checked().Except(before)));
        _cache.Reload(options => options with { Offline = true });

        (await _cache.GetAsync(path)).IsError(503, "UNAVAILABLE");

        _cache.Reload(options => options with { Offline = false });
        (await _cache.GetAsync(path)).Is(right.Bytes);
        Assert.Equal(before.Count + 1, _cache.Store.Checked().Count);
    }

    private async Task IsAnsweredAsync(bool byTag, string status)
    {
        var manifest = await _cache.GetManifestAsync(byTag ? "1" : _image.Manifest.Digest.ToString());
        manifest.Is(_image.Manifest.Bytes);
        Assert.Equal(status, manifest.CacheStatus);
        foreach (var blob in _image.Layers.Append(_image.Config))
        {
            var got = await _cache.GetBlobAsync(blob);
            got.Is(blob.Bytes);
            Assert.Equal(status, got.CacheStatus);
        }
    }

    // As a disk does it, which tells nobody.
    private void Rot(params Digest[] blobs)
    {
        foreach (var path in blobs.Select(_cache.Store.PathOf))
        {
            var time = File.GetLastWriteTimeUtc(path);
            var bytes = File.ReadAllBytes(path);
            bytes[0] ^= 1;
            File.WriteAllBytes(path, bytes);
            File.SetLastWriteTimeUtc(path, time);
        }
    }
}
