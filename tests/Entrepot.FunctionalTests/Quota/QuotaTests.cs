using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Pull;
using Entrepot.Tests.Shared;

namespace Entrepot.FunctionalTests.Quota;

/// <summary>The store under a quota, over real HTTP. Images of 2 MB, since 16 MiB is the least quota.</summary>
public sealed class QuotaTests
{
    private const long Limit = 16 << 20;
    private const int LayerSize = 2_000_000;

    [Fact]
    public async Task Pulls_MoreThanFits_StayWithinTheQuotaAndKeepTheHotImage()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Setup());
        var hot = Add(registry, 0);
        await cache.PullAsync(hot);
        await using (var sampler = new RootSampler(cache.Options.StorageRoot))
        {
            for (var i = 1; i <= 20; i++)
            {
                await cache.PullAsync(Add(registry, i));
                await cache.PullAsync(hot);
            }

            AssertHeld(sampler);
        }

        Assert.Equal(1, Gets(registry, hot.Layers[0]));
        Assert.Equal(1, Gets(registry, hot.Config));
        var metrics = await cache.MetricsAsync();
        Assert.Equal(Limit, metrics.Sum("entrepot_storage_quota_bytes"));
        Assert.Equal(0, metrics.Sum("entrepot_storage_reserved_bytes"));
        Assert.InRange(metrics.Sum("entrepot_storage_bytes"), Limit / 2, Limit);
        Assert.InRange(metrics.Sum("entrepot_evictions_total", "reason=\"quota\""), 12, 60);
        Assert.InRange(metrics.Sum("entrepot_evicted_bytes_total", "reason=\"quota\""), 12 * LayerSize, 20 * LayerSize + (1 << 20));
        Assert.Equal(cache.Store.Checked().Count, metrics.Sum("entrepot_storage_blobs"));
    }

    [Theory]
    [InlineData("lru")]
    [InlineData("adaptive")]
    public async Task Pulls_AfterARestart_StillEvictTheLeastRecentlyUsed(string eviction)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Setup(Limit, eviction));
        var blobs = Enumerable.Range(0, 7).Select(i => registry.Content.AddBlob(LayerSize, i)).ToList();
        foreach (var blob in blobs)
        {
            (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
            await cache.StoredAsync(blob.Digest);
        }

        await cache.RestartAsync();
        foreach (var i in new[] { 7, 8 })
        {
            var more = registry.Content.AddBlob(LayerSize, i);
            (await cache.GetBlobAsync(more)).Is(more.Bytes);
            await cache.StoredAsync(more.Digest);
        }

        Assert.Equal(blobs[2..].Select(blob => blob.Digest), blobs.Select(blob => blob.Digest).Where(cache.Store.Has));
    }

    [Theory]
    [InlineData("lru", false)]
    [InlineData("adaptive", true)]
    public async Task Pulls_OfImagesThatComeOnce_PushOutWhatWasPulledTwiceIfThePolicySaysSo(string eviction, bool isKept)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Setup(Limit, eviction));
        var twice = Add(registry, 0);
        await cache.PullAsync(twice);
        await cache.StoredAsync(twice.Layers[0].Digest);
        await cache.PullAsync(Add(registry, 1));
        await cache.PullAsync(twice);
        await using (var sampler = new RootSampler(cache.Options.StorageRoot))
        {
            for (var i = 2; i <= 8; i++)
            {
                var once = Add(registry, i);
                await cache.PullAsync(once);
                await cache.StoredAsync(once.Layers[0].Digest);
            }

            AssertHeld(sampler);
        }

        Assert.Equal(isKept, cache.Store.Has(twice.Layers[0].Digest));
        Assert.Equal(1, Gets(registry, twice.Layers[0]));
        var metrics = await cache.MetricsAsync();
        Assert.InRange(metrics.Sum("entrepot_evictions_total", "reason=\"quota\""), 2, 20);
        Assert.Equal(cache.Store.Checked().Count, metrics.Sum("entrepot_storage_blobs"));
    }

    [Fact]
    public async Task Fetches_TwelveAtOnce_NeverOverrunTogether()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Setup());
        var blobs = Enumerable.Range(0, 12).Select(i => registry.Content.AddBlob(LayerSize, i)).ToList();
        await using (var sampler = new RootSampler(cache.Options.StorageRoot))
        {
            Assert.All(await Task.WhenAll(blobs.Select(blob => cache.DownloadsAsync(Appliance.PathOf(blob.Digest), blob.Bytes))), Assert.True);
            await cache.IdleAsync();
            AssertHeld(sampler);
        }

        Assert.InRange(cache.Store.Checked().Count, 6, 8);
        var after = await cache.MetricsAsync(metrics => metrics.Sum("entrepot_storage_reserved_bytes") == 0);
        Assert.Equal(cache.Store.Checked().Count, after.Sum("entrepot_storage_blobs"));
    }

    [Fact]
    public async Task Blob_LargerThanTheQuota_PassesAndEvictsNobody()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Setup());
        var kept = registry.Content.AddBlob(LayerSize, seed: 1);
        (await cache.GetBlobAsync(kept)).Is(kept.Bytes);
        await cache.StoredAsync(kept.Digest);
        var large = registry.Content.AddBlob((int)Limit + 1, seed: 2);

        var got = await cache.GetBlobAsync(large);

        got.Is(large.Bytes);
        Assert.Equal("Entrepot; fwd=miss; detail=bypass", got.CacheStatus);
        await cache.IdleAsync();
        Assert.Equal([kept.Digest], cache.Store.Checked());
        var metrics = await cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total", "source=\"bypass\"") == 1);
        Assert.Equal((0, 0), (metrics.Sum("entrepot_evictions_total"), metrics.Sum("entrepot_storage_reserved_bytes")));
    }

    [Fact]
    public async Task Blob_LargerThanTheQuotaAndTwoClients_SharesOneRequestWhileTheyAreTogether()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Setup());
        var large = registry.Content.AddBlob((int)Limit + 1, seed: 2);
        var gate = new Gate(1000);
        registry.On(Ask.Blob, Misbehave.Hold(gate));
        var path = Appliance.PathOf(large.Digest);
        await using var stalled = await cache.OpenAsync(path);
        var right = cache.DownloadsAsync(path, large.Bytes);
        await cache.MetricsAsync(metrics => metrics.Sum("entrepot_followers") == 2);
        Assert.Equal(1, registry.BlobGets);

        gate.Open();

        Assert.True(await right);
        using var rest = new MemoryStream();
        await stalled.CopyToAsync(rest);
        Assert.True(large.Bytes.AsSpan().SequenceEqual(rest.ToArray()));
        Assert.InRange(registry.BlobGets, 1, 2);
        await cache.IdleAsync();
    }

    [Fact]
    public async Task Blob_LargerThanTheQuotaAndWrong_NeverEndsCleanly()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Setup());
        var large = registry.Content.AddBlob((int)Limit + 1, seed: 2);
        registry.On(request => request.IsBlob, Misbehave.Content(TestBlob.Random(large.Size, seed: 3).Bytes), TestRegistry.Always);

        (await cache.GetBlobAsync(large)).IsFailure();

        await cache.IdleAsync();
        Assert.Empty(cache.Store.Checked());
    }

    [Fact]
    public async Task Reload_SmallerQuota_EvictsDownToItWhileHitsAreAnswered()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Setup(64 << 20));
        var hot = registry.Content.AddBlob(1000, seed: -1);
        (await cache.GetBlobAsync(hot)).Is(hot.Bytes);
        await cache.StoredAsync(hot.Digest);
        foreach (var chunk in Enumerable.Range(0, 3000).Chunk(32))
        {
            await Task.WhenAll(chunk.Select(async i =>
            {
                var blob = registry.Content.AddBlob(8192, i);
                (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
            }));
        }

        await cache.IdleAsync();
        (await cache.GetBlobAsync(hot)).Is(hot.Bytes);

        cache.Host.Reload(cache.Options with { Quota = QuotaSize.OfBytes(Limit) });
        await Appliance.UntilAsync(async () =>
        {
            var got = await cache.GetBlobAsync(hot);
            got.Is(hot.Bytes);
            Assert.Equal("Entrepot; hit", got.CacheStatus);
            return RootSampler.Measure(cache.Options.StorageRoot) <= Limit * 102 / 100;
        }, () => "what has to leave for the smaller quota does not");

        Assert.InRange(RootSampler.Measure(cache.Options.StorageRoot), Limit / 2, Limit * 102 / 100);
        var metrics = await cache.MetricsAsync();
        Assert.Equal(Limit, metrics.Sum("entrepot_storage_quota_bytes"));
        Assert.True(metrics.Sum("entrepot_evictions_total", "reason=\"quota\"") > 500);
    }

    [Fact]
    public async Task Head_OfATag_KeepsTheImagesLayersYoung()
    {
        var clock = new ShiftedClock();
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Setup() with { Clock = clock });
        var hot = Add(registry, 0);
        await cache.PullAsync(hot);
        for (var i = 1; i <= 12; i++)
        {
            await cache.PullAsync(Add(registry, i));
            clock.Advance(RecentTouches.Interval);
            Assert.Equal(200, (await cache.HeadAsync($"/v2/{hot.Repository}/manifests/{hot.Tag}")).Status);
        }

        Assert.True(cache.Store.Has(hot.Layers[0].Digest));
        Assert.Equal(1, Gets(registry, hot.Layers[0]));
    }

    [Fact]
    public async Task MinFree_MoreThanTheFileSystemHas_PassesInsteadOfFillingIt()
    {
        await using var registry = new TestRegistry();
        var free = new DriveInfo(Path.GetTempPath()).TotalSize;
        await using var cache = await Appliance.StartAsync(registry, new Setup { Options = options => options with { MinFreeBytes = free } });
        var blob = registry.Content.AddBlob(LayerSize, seed: 1);

        var got = await cache.GetBlobAsync(blob);

        got.Is(blob.Bytes);
        Assert.Equal("Entrepot; fwd=miss; detail=bypass", got.CacheStatus);
        await cache.IdleAsync();
        Assert.Empty(cache.Store.Checked());
    }

    private static Setup Setup(long limit = Limit, string eviction = "lru") =>
        new() { Options = options => options with { Quota = QuotaSize.OfBytes(limit), Eviction = eviction } };

    private static TestImage Add(TestRegistry registry, int seed) => registry.Content.AddImage($"org/app{seed}", "1", TestBlob.Random(LayerSize, seed));

    private static int Gets(TestRegistry registry, TestBlob blob) =>
        registry.Log.Count(request => request.Method == "GET" && request.Path.EndsWith(blob.Digest.ToString(), StringComparison.Ordinal));

    private static void AssertHeld(RootSampler sampler) => Assert.InRange(sampler.Most, Limit / 2, Limit * 102 / 100);
}
