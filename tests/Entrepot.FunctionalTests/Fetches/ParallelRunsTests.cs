using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Fetches;

/// <summary>Several runs for one large blob.</summary>
public sealed class ParallelRunsTests : FetchTest
{
    private const int Large = 40_000_000;
    private const long Slow = 20_000_000;
    private const int FirstAsked = 32 << 20;

    [Fact]
    public async Task LargeBlob_OverThrottledConnections_TakesSeveralAndEachByteOnce()
    {
        await using var registry = new TestRegistry { BytesPerSecond = Slow };
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Large, seed: 30);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.InRange(registry.MostRequests, 2, 4);
        Assert.InRange(registry.MostConnections, 2, 4);
        Assert.Equal((Large, 1), (registry.Traffic(blob).Distinct, registry.Traffic(blob).MostTimes));
        await cache.StoredAsync(blob.Digest);
        cache.Store.Checked();
    }

    [Fact]
    public async Task BlobBelowTheLeastSize_IsOneRequest()
    {
        await using var registry = new TestRegistry { BytesPerSecond = 2 * Slow };
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(31_900_000, seed: 31);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.Equal((1, 1), (registry.BlobGets, registry.MostConnections));
    }

    [Fact]
    public async Task OneRun_AsksPlainly()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup
        {
            Upstream = options => options with { Fetching = options.Fetching with { ParallelRuns = 1 } },
        });
        var blob = registry.Content.AddBlob(Large, seed: 32);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.Equal([null], registry.Log.All.Where(Ask.Blob).Select(request => request.Header("Range")));
    }

    [Fact]
    public async Task TwoLargeBlobsAndASmallOne_ShareTheConnections()
    {
        await using var registry = new TestRegistry { BytesPerSecond = Slow };
        await using var cache = await Appliance.StartAsync(registry, new Setup { Upstream = options => options with { Connections = 3 } });
        TestBlob[] large = [registry.Content.AddBlob(Large, seed: 33), registry.Content.AddBlob(Large, seed: 34)];
        var small = registry.Content.AddBlob(100_000, seed: 35);

        var downloads = large.Select(blob => cache.DownloadsAsync(Appliance.PathOf(blob.Digest), blob.Bytes)).ToList();
        await ArrivedAsync(cache, 5_000_000);
        (await cache.GetBlobAsync(small)).Is(small.Bytes);
        Assert.All(downloads, download => Assert.False(download.IsCompleted, "the small one came after a large one"));

        Assert.All(await Task.WhenAll(downloads), right => Assert.True(right));
        Assert.InRange(registry.MostRequests, 2, 3);
        Assert.InRange(registry.MostConnections, 2, 3);
        Assert.All(large, blob => Assert.Equal(Large, registry.Traffic(blob).Distinct));
    }

    [Theory]
    [InlineData(429)]
    [InlineData(503)]
    public async Task SecondConnection_Refused_GoesOnWithThoseItHas(int status)
    {
        await using var registry = new TestRegistry { BytesPerSecond = Slow };
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Large, seed: 36);
        registry.On(request => Ask.Blob(request) && registry.Traffic(blob).Distinct < FirstAsked, Misbehave.Status(status), TestRegistry.Always, after: 1);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.Equal((Large, 1), (registry.Traffic(blob).Distinct, registry.Traffic(blob).MostTimes));
    }
}
