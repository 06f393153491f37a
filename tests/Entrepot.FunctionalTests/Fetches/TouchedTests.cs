using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Pull;

namespace Entrepot.FunctionalTests.Fetches;

/// <summary>An upstream of whose blobs only what is read is fetched and kept.</summary>
public sealed class TouchedTests : FetchTest
{
    private const int Size = 20_000_000;
    private const int Piece = 64 << 10;
    private const int MostAhead = (4 << 20) + Piece;

    [Fact]
    public async Task Ranges_Read_AreAllThatIsFetched()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Touched);
        var blob = registry.Content.AddBlob(Size, seed: 10);

        IsPart(await RangeAsync(cache, blob, "0-1"), blob, 0, 2);
        IsPart(await RangeAsync(cache, blob, "10000000-10000099"), blob, 10_000_000, 10_000_100);
        IsPart(await RangeAsync(cache, blob, "-1024"), blob, Size - 1024, Size);
        await cache.IdleAsync();

        Assert.Equal(1, registry.Traffic(blob).MostTimes);
        Assert.InRange(registry.Traffic(blob).Bytes, 2 * Piece + 1, 4 * Piece);
        Assert.False(cache.Store.Has(blob.Digest));
    }

    [Fact]
    public async Task Range_BehindTheEnd_CostsNoByte()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Touched);
        var blob = registry.Content.AddBlob(Size, seed: 9);

        var got = await RangeAsync(cache, blob, Text($"{Size}-"));
        await cache.IdleAsync();

        Assert.Equal((416, Text($"bytes */{Size}")), (got.Status, got.Header("Content-Range")));
        Assert.Equal(0, registry.Traffic(blob).Bytes);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ranges_ReadBefore_AreHitsWithoutTheUpstream(bool restarts)
    {
        var registry = new TestRegistry();
        await using var disposed = registry;
        await using var cache = await Appliance.StartAsync(registry, Touched);
        var blob = registry.Content.AddBlob(Size, seed: 11);
        await RangeAsync(cache, blob, "0-1");
        await RangeAsync(cache, blob, "10000000-10000099");
        if (restarts) await cache.RestartAsync();
        else await cache.IdleAsync();
        var asked = registry.Log.All.Count;
        await registry.DisposeAsync();

        foreach (var (from, to) in new[] { (0, 2), (10_000_000, 10_000_100), (10_000_050, 10_001_000), (0, 500) })
        {
            var got = await RangeAsync(cache, blob, Text($"{from}-{to - 1}"));
            IsPart(got, blob, from, to);
            Assert.Equal("Entrepot; hit", got.CacheStatus);
        }

        Assert.Equal(asked, registry.Log.All.Count);
    }

    [Fact]
    public async Task UpstreamDown_WhoReadsWhatIsThere_IsNotDisturbedByWhoDoesNot()
    {
        var registry = new TestRegistry();
        await using var disposed = registry;
        await using var cache = await Appliance.StartAsync(registry, Touched);
        var blob = registry.Content.AddBlob(Size, seed: 12);
        await RangeAsync(cache, blob, "4194304-12582911");
        await cache.IdleAsync();
        await registry.DisposeAsync();
        using var slow = await RawClient.ConnectAsync(cache.Url, receiveBuffer: 4096);
        await slow.SendAsync("GET", Appliance.PathOf(blob.Digest), ("Range", "bytes=4194304-12582911"));
        var first = await slow.ReadAsync(1000);

        Assert.Equal(503, (await RangeAsync(cache, blob, "0-1")).Status);

        var (rest, clean) = await slow.ReadRestAsync(already: 1000);
        Assert.True(clean);
        Assert.True(blob.Bytes.AsSpan(4_194_304, 8_388_608).SequenceEqual((byte[])[.. first, .. rest]));
    }

    [Theory]
    [InlineData("0-19950000", 19_950_001)]
    [InlineData("0-19999998", Size - 1)]
    public async Task Range_FromTheStartIntoTheLastBytes_WaitsForNothingElse(string range, int to)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Touched);
        var blob = registry.Content.AddBlob(Size, seed: 113);

        IsPart(await RangeAsync(cache, blob, range), blob, 0, to);
    }

    [Fact]
    public async Task Range_OfAll_IsVerifiedAndSoWhole()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Touched);
        var blob = registry.Content.AddBlob(Size, seed: 13);

        IsPart(await RangeAsync(cache, blob, "0-"), blob, 0, Size);

        await cache.StoredAsync(blob.Digest);
        Assert.Equal((Size, 1), (registry.Traffic(blob).Distinct, registry.Traffic(blob).MostTimes));
    }

    [Fact]
    public async Task WholeBlob_AfterParts_FetchesOnlyTheRestAndIsVerified()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Touched);
        var blob = registry.Content.AddBlob(Size, seed: 14);
        await RangeAsync(cache, blob, "0-1");
        await RangeAsync(cache, blob, "10000000-10000099");
        await cache.IdleAsync();

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        await cache.StoredAsync(blob.Digest);
        Assert.Equal((Size, 1), (registry.Traffic(blob).Distinct, registry.Traffic(blob).MostTimes));
        cache.Store.Checked();
        Assert.False(File.Exists(PartialOf(cache, blob.Digest) + ".extents"));
    }

    [Theory]
    [InlineData(10_000_000, 10_200_000)]
    [InlineData(9_900_000, 10_200_000)]
    [InlineData(0, 10_200_000)]
    public async Task Range_PartOfWhichIsThere_FetchesOnlyTheRest(int from, int to)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Touched);
        var blob = registry.Content.AddBlob(Size, seed: 24);
        await RangeAsync(cache, blob, "0-99");
        await RangeAsync(cache, blob, "10000000-10100000");
        await cache.RestartAsync();

        IsPart(await RangeAsync(cache, blob, Text($"{from}-{to - 1}")), blob, from, to);

        await cache.IdleAsync();
        Assert.Equal(1, registry.Traffic(blob).MostTimes);
        Assert.False(cache.Store.Has(blob.Digest));
    }

    [Fact]
    public async Task AllParts_ReadOneByOne_BecomeAVerifiedBlob()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Touched);
        var blob = registry.Content.AddBlob(1_000_000, seed: 15);

        for (var from = 900_000; from >= 0; from -= 100_000)
            IsPart(await RangeAsync(cache, blob, Text($"{from}-{from + 99_999}")), blob, from, from + 100_000);

        await cache.StoredAsync(blob.Digest);
        Assert.Equal((1_000_000, 1), (registry.Traffic(blob).Distinct, registry.Traffic(blob).MostTimes));
    }

    [Fact]
    public async Task WrongBytes_FoundWhenWhole_AreDropped()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Touched);
        var right = TestBlob.Random(1_000_000, seed: 16);
        var wrong = right with { Bytes = [.. right.Bytes.Select((value, at) => at == 300_000 ? (byte)(value ^ 1) : value)] };
        registry.Content.AddBlob(wrong);
        IsPart(await RangeAsync(cache, wrong, "262144-400000"), wrong, 262_144, 400_001);
        await cache.IdleAsync();

        (await cache.GetBlobAsync(right)).IsFailure();

        await cache.IdleAsync();
        Assert.Empty(PartialsOf(cache));
        registry.Content.AddBlob(right);
        (await cache.GetBlobAsync(right)).Is(right.Bytes);
    }

    [Fact]
    public async Task OpenEndedReader_LeavesEarly_CostsAtMostTheReadAhead()
    {
        await using var registry = new TestRegistry { BytesPerSecond = 50_000_000 };
        await using var cache = await Appliance.StartAsync(registry, Touched);
        var blob = registry.Content.AddBlob(60_000_000, seed: 17);

        await LeaveEarlyAsync(cache, blob, 30_000_000, 1000);
        await cache.IdleAsync();

        // What the kernel took beside those thousand bytes counts as read.
        Assert.InRange(registry.Traffic(blob).Bytes, 1000, 3L * MostAhead);
    }

    [Fact]
    public async Task Parts_UnderAQuota_CountByWhatTheyTakeAndAreEvicted()
    {
        const long limit = 16 << 20;
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Touched with { Options = options => options with { Quota = QuotaSize.OfBytes(limit) } });
        var blob = registry.Content.AddBlob(Size, seed: 18);   // larger than the quota
        var empty = await cache.MetricsAsync();
        await RangeAsync(cache, blob, "8000000-8199999");
        await cache.IdleAsync();
        var kept = await cache.MetricsAsync();
        Assert.Equal(4 * Piece, kept.Sum("entrepot_storage_bytes") - empty.Sum("entrepot_storage_bytes"));
        Assert.Equal((0, 0), (kept.Sum("entrepot_storage_reserved_bytes"), kept.Sum("entrepot_storage_blobs")));

        for (var seed = 19; seed < 23; seed++) (await cache.GetBlobAsync(registry.Content.AddBlob(4_000_000, seed))).Is(TestBlob.Random(4_000_000, seed).Bytes);
        await cache.IdleAsync();

        Assert.False(File.Exists(PartialOf(cache, blob.Digest)));
        Assert.False(File.Exists(PartialOf(cache, blob.Digest) + ".extents"));
        var metrics = await cache.MetricsAsync();
        Assert.InRange(metrics.Sum("entrepot_storage_bytes"), 4_000_000, limit);
        Assert.Equal(0, metrics.Sum("entrepot_storage_reserved_bytes"));
        IsPart(await RangeAsync(cache, blob, "8000000-8000099"), blob, 8_000_000, 8_000_100);
    }
}
