using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Fetches;

/// <summary>Several runs for one large blob.</summary>
public sealed class ParallelRunsTests : FetchTest
{
    private const int Large = 40_000_000;
    private const long Slow = 20_000_000;

    [Fact]
    public async Task LargeBlob_OverAFastConnection_IsOnePlainRequest()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Large, seed: 29);
        var gate = new Gate(Large - 1_000_000);   // looked at or not, there is hardly anything left by then
        registry.On(Ask.Blob, Misbehave.Hold(gate));

        var got = cache.GetBlobAsync(blob);
        await gate.ReachedAsync();
        gate.Open();

        (await got).Is(blob.Bytes);
        Assert.Equal([null], registry.Log.All.Where(Ask.Blob).Select(request => request.Header("Range")));
    }

    [Fact]
    public async Task LargeBlob_OverThrottledConnections_TakesSeveral()
    {
        await using var registry = new TestRegistry { BytesPerSecond = Slow };
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Large, seed: 30);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.InRange(registry.MostRequests, 2, 4);
        Assert.InRange(registry.MostConnections, 2, 4);
        IsHardlySentTwice(registry.Traffic(blob));
        Assert.Null(registry.Log.All.First(Ask.Blob).Header("Range"));
        Assert.All(registry.Log.All.Where(Ask.Blob).Skip(1), request => Assert.NotNull(request.Header("Range")));
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
        registry.On(Ask.Blob, Misbehave.Status(status), TestRegistry.Always, after: 1);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        IsHardlySentTwice(registry.Traffic(blob));
        Assert.Null(registry.Log.All.First(Ask.Blob).Header("Range"));
    }

    [Fact]
    public async Task LargeBlob_OverThrottledConnectionsWithoutRanges_IsSentOnce()
    {
        await using var registry = new TestRegistry { BytesPerSecond = Slow, HasRanges = false };
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Large, seed: 37);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        await cache.StoredAsync(blob.Digest);
        Assert.InRange(registry.BlobGets, 2, 4);   // it was tried
        Assert.Equal(1, registry.Traffic(blob).Times(Large / 2));
    }

    // What was on its way when the first run's rest became another one's is sent twice.
    private static void IsHardlySentTwice(BlobTraffic traffic)
    {
        Assert.Equal(Large, traffic.Distinct);
        Assert.InRange(traffic.Bytes, Large, Large * 1.1);
    }
}
