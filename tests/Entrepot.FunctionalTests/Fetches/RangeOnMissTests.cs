using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Fetches;

/// <summary>Any part of a blob that is not there yet: given as soon as it is there, and fetched once.</summary>
public sealed class RangeOnMissTests : FetchTest
{
    private const int Size = 24_000_000;

    [Fact]
    public async Task Range_OfAColdBlob_IsGivenBeforeTheRestArrives()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 1);
        var gate = new Gate(200_000);
        registry.On(Ask.Blob, Misbehave.Hold(gate));

        IsPart(await RangeAsync(cache, blob, "20000000-20099999"), blob, 20_000_000, 20_100_000);

        Assert.InRange(registry.Traffic(blob).Distinct, 100_000, 200_000);
        gate.Open();
        await cache.StoredAsync(blob.Digest);
        Assert.Equal((Size, 1), (registry.Traffic(blob).Distinct, registry.Traffic(blob).MostTimes));
        cache.Store.Checked();
    }

    [Theory]
    [InlineData("0-1", 0, 2)]
    [InlineData("0-0", 0, 1)]
    [InlineData("-1024", Size - 1024, Size)]
    [InlineData("-99999999999", 0, Size)]
    [InlineData("23999999-", Size - 1, Size)]
    [InlineData("5-99999999999", 5, Size)]
    public async Task Range_OfAColdBlob_IsTheRightBytes(string range, int from, int to)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 2);

        IsPart(await RangeAsync(cache, blob, range), blob, from, to);

        await cache.StoredAsync(blob.Digest);
        Assert.Equal(range[0] == '-' ? 1 : 0, registry.Log.Count(Ask.HeadBlob));
        Assert.Equal(Size, registry.Traffic(blob).Distinct);
    }

    [Theory]
    [InlineData("24000000-")]
    [InlineData("9223372036854775806-")]
    [InlineData("99999999999999999999-99999999999999999999")]
    [InlineData("-0")]
    public async Task Range_BehindTheEnd_Is416AndNoFault(string range)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 3);

        var got = await RangeAsync(cache, blob, range);

        Assert.Equal((416, Text($"bytes */{Size}")), (got.Status, got.Header("Content-Range")));
        await cache.StoredAsync(blob.Digest);
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
        Assert.Equal(0, (await cache.MetricsAsync()).Sum("entrepot_requests_total", "source=\"bypass\""));
    }

    [Fact]
    public async Task Range_ClientGoesAwayBeforeAnythingCame_DoesNotEndTheFetch()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 4);
        var gate = new Gate();
        registry.On(Ask.Blob, Misbehave.HoldHeaders(gate));
        using var leaving = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(cache.Url, Appliance.PathOf(blob.Digest)));
        request.Headers.Range = new(1_000_000, null);

        var asking = cache.Client.SendAsync(request, leaving.Token);
        await gate.ReachedAsync();
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        gate.Open();

        await cache.StoredAsync(blob.Digest);
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
        Assert.Equal(Size, registry.Traffic(blob).Distinct);
    }

    [Fact]
    public async Task ManyReaders_AtDifferentPlaces_FetchEachByteOnce()
    {
        await using var registry = new TestRegistry { BytesPerSecond = 20_000_000 };
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(40_000_000, seed: 5);
        const int piece = 1_000_000;

        var parts = await Task.WhenAll(Enumerable.Range(0, 40).Reverse().Select(async number =>
            (From: number * piece, Got: await RangeAsync(cache, blob, Text($"{number * piece}-{(number + 1) * piece - 1}")))));

        Assert.All(parts, part => IsPart(part.Got, blob, part.From, part.From + piece));
        await cache.StoredAsync(blob.Digest);

        // A claim that another run takes over is given up while bytes of it are on their way.
        Assert.Equal(blob.Size, registry.Traffic(blob).Distinct);
        Assert.InRange(registry.Traffic(blob).Bytes, blob.Size, blob.Size * 11L / 10);
    }

    [Fact]
    public async Task EmptyBlob_WithAndWithoutARange_IsAnswered()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob([]);

        Assert.Equal(416, (await RangeAsync(cache, blob, "0-1")).Status);
        (await cache.GetBlobAsync(blob)).Is([]);
        await cache.StoredAsync(blob.Digest);
    }
}
