using System.Globalization;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Pull;

namespace Entrepot.FunctionalTests.Pull;

/// <summary>What lazy pulling costs an upstream whose option <c>fill</c> is <c>touched</c>.</summary>
/// <remarks>
/// The requests are those that stargz-snapshotter 0.12 (its FUSE file system, without prefetching) sent for an eStargz layer of 60 files of 5 MB and 200
/// small ones, recorded behind containerd 1.6: it probes the blob and drains what comes, asks for its size, reads the footer and the table of contents from the
/// end, and then whole chunks of 50,000 bytes, those that lie side by side in one request. Only the layer's size and the places are taken from there.
/// </remarks>
public sealed class LazyLayerTests
{
    private const int Size = 301_753_436;

    // In their order; footer and table of contents come first, then one file in part, files of 5 MB by the kernel's read-ahead, and small ones.
    private static readonly (int From, int To)[] Recorded =
    [
        (301_750_000, Size), (301_700_000, 301_750_000),
        (35_000_000, 37_150_000), (37_150_000, 39_250_000), (39_250_000, 40_050_000),
        (165_000_000, 167_150_000), (167_150_000, 169_250_000), (169_250_000, 170_050_000),
        (300_050_000, 300_100_000), (300_300_000, 300_350_000), (300_850_000, 300_900_000),
        (205_000_000, 207_150_000), (207_150_000, 209_250_000), (209_250_000, 210_050_000),
    ];

    private static readonly Lazy<TestBlob> Layer = new(() => TestBlob.Random(Size, seed: 180));

    private static Setup Lazily { get; } = new() { Upstream = upstream => upstream with { Fetching = upstream.Fetching with { Fill = FillMode.Touched } } };

    [Fact]
    public async Task Recorded_OfAFewFiles_CostTheUpstreamLessThanATenthOfTheLayer()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Lazily);
        var layer = registry.Content.AddBlob(Layer.Value);

        await MountAndReadAsync(cache, layer);

        var read = Recorded.Sum(part => (long)part.To - part.From);
        Assert.InRange(read, Size / 20, Size / 10);
        Assert.InRange(registry.Traffic(layer).Bytes, read, Size / 10);
        Assert.Equal(1, registry.Traffic(layer).MostTimes);
        Assert.False(cache.Store.Has(layer.Digest));
    }

    [Fact]
    public async Task Recorded_BySecondReader_CostTheUpstreamNothingMore()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Lazily);
        var layer = registry.Content.AddBlob(Layer.Value);
        await MountAndReadAsync(cache, layer);
        await cache.IdleAsync();   // what is read ahead goes on behind the reader
        await registry.ServedAsync();
        var (sent, requests) = (registry.BlobBytes, registry.Log.All.Count);

        await MountAndReadAsync(cache, layer);
        await cache.RestartAsync();
        await MountAndReadAsync(cache, layer);

        Assert.Equal(sent, registry.BlobBytes);
        Assert.Equal(requests, registry.Log.All.Count);
    }

    [Fact]
    public async Task WholePull_AfterALazyReader_FetchesTheRestOnceAndIsStored()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Lazily);
        var layer = registry.Content.AddBlob(Layer.Value);
        await MountAndReadAsync(cache, layer);

        Assert.True(await cache.DownloadsAsync(Appliance.PathOf(layer.Digest), layer.Bytes));

        await cache.StoredAsync(layer.Digest);
        Assert.Equal((Size, 1), (registry.Traffic(layer).Distinct, registry.Traffic(layer).MostTimes));
        var again = await cache.GetBlobAsync(layer);
        again.Is(layer.Bytes);
        Assert.Equal("Entrepot; hit", again.CacheStatus);
        Assert.Equal(1, registry.Traffic(layer).MostTimes);
    }

    private static async Task MountAndReadAsync(Appliance cache, TestBlob layer)
    {
        await ReadAsync(cache, layer, 0, 2);
        var head = await cache.HeadAsync(Appliance.PathOf(layer.Digest));
        Assert.Equal((200, "301753436"), (head.Status, head.Header("Content-Length")));
        foreach (var (from, to) in Recorded) await ReadAsync(cache, layer, from, to);
    }

    private static async Task ReadAsync(Appliance cache, TestBlob layer, int from, int to)
    {
        var range = string.Create(CultureInfo.InvariantCulture, $"bytes={from}-{to - 1}");
        var got = await cache.GetBlobAsync(layer, ("Range", range), ("Accept-Encoding", "identity"));
        Assert.Equal((206, true), (got.Status, got.Clean));
        Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"bytes {from}-{to - 1}/{Size}"), got.Header("Content-Range"));
        Assert.True(layer.Bytes.AsSpan(from, to - from).SequenceEqual(got.Bytes));
    }
}
