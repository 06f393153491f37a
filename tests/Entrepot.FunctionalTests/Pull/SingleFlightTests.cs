using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Pull;

public sealed class SingleFlightTests
{
    private const int Size = 4_000_000;

    [Fact]
    public async Task ColdBlob_64ClientsAtOnce_IsFetchedOnceAndRightForAll()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(8_000_000, seed: 1);

        var right = await Task.WhenAll(Enumerable.Range(0, 64)
            .Select(_ => cache.DownloadsAsync(Appliance.PathOf(blob.Digest), blob.Bytes)));

        Assert.All(right, Assert.True);
        Assert.Equal(1, registry.BlobGets);
        Assert.Equal(blob.Size, registry.BlobBytes);
        await cache.StoredAsync(blob.Digest);
        Assert.Equal([blob.Digest], cache.Store.Checked());
    }

    [Theory]
    [InlineData(10)]
    [InlineData(50)]
    [InlineData(90)]
    public async Task LateJoiner_WhileTheUpstreamStands_GetsWhatHasArrivedAtOnce(int percent)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: percent);
        var arrived = Size / 100 * percent;
        var gate = new Gate(arrived);
        registry.On(Ask.Blob, Misbehave.Hold(gate), TestRegistry.Always);

        var first = cache.GetBlobAsync(blob);
        await gate.ReachedAsync();
        await using var joiner = await cache.OpenAsync(Appliance.PathOf(blob.Digest));
        var early = new byte[arrived];
        await joiner.ReadExactlyAsync(early);
        gate.Open();
        var late = new byte[Size - arrived];
        await joiner.ReadExactlyAsync(late);

        Assert.True(blob.Bytes.AsSpan().SequenceEqual((byte[])[.. early, .. late]));
        (await first).Is(blob.Bytes);
        Assert.Equal(1, registry.BlobGets);
        Assert.Equal(Size, registry.BlobBytes);
    }

    [Fact]
    public async Task LateJoiner_OfARunningFetch_IsToldSo()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 2);
        var gate = new Gate(Size / 2);
        registry.On(Ask.Blob, Misbehave.Hold(gate));

        var first = cache.GetBlobAsync(blob);
        await gate.ReachedAsync();
        using var joiner = await RawClient.ConnectAsync(cache.Url);
        var (status, headers) = await joiner.SendAsync("GET", Appliance.PathOf(blob.Digest));
        gate.Open();
        var (bytes, clean) = await joiner.ReadRestAsync();

        Assert.Equal(200, status);
        Assert.Equal("Entrepot; fwd=miss; collapsed", Assert.Single(headers["Cache-Status"]));
        Assert.True(clean && blob.Bytes.AsSpan().SequenceEqual(bytes));
        Assert.Equal("Entrepot; fwd=miss; stored", (await first).CacheStatus);
        await cache.StoredAsync(blob.Digest);
        Assert.Equal("Entrepot; hit", (await cache.GetBlobAsync(blob)).CacheStatus);
    }

    [Fact]
    public async Task FirstByte_WhileTheUpstreamDrips_DoesNotWaitForTheRest()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 3);
        var gate = new Gate(1);
        registry.On(Ask.Blob, Misbehave.Hold(gate));

        await using var body = await cache.OpenAsync(Appliance.PathOf(blob.Digest));
        var drop = new byte[1];
        foreach (var position in Enumerable.Range(0, 20))
        {
            gate.LetThrough(position + 1);
            await body.ReadExactlyAsync(drop).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
            Assert.Equal(blob.Bytes[position], drop[0]);
        }

        Assert.Equal(20, registry.BlobBytes);
    }

    [Fact]
    public async Task SlowFirstClient_BesideAFastSecond_SlowsOnlyItself()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(8_000_000, seed: 4);

        using var slow = await RawClient.ConnectAsync(cache.Url, receiveBuffer: 4096);
        var (status, _) = await slow.SendAsync("GET", Appliance.PathOf(blob.Digest));
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
        var (bytes, clean) = await slow.ReadRestAsync();

        Assert.Equal(200, status);
        Assert.True(clean && blob.Bytes.AsSpan().SequenceEqual(bytes));
        Assert.Equal(1, registry.BlobGets);
        Assert.Equal(blob.Size, registry.BlobBytes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task FirstClient_Aborts_TheFetchGoesOn(bool besideASecond)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 5);
        var gate = new Gate(Size / 2);
        registry.On(Ask.Blob, Misbehave.Hold(gate));

        using var first = await RawClient.ConnectAsync(cache.Url);
        await first.SendAsync("GET", Appliance.PathOf(blob.Digest));
        await first.ReadAsync(1000);
        await gate.ReachedAsync();
        var second = besideASecond ? await cache.OpenAsync(Appliance.PathOf(blob.Digest)) : null;
        first.Abort();
        gate.Open();

        if (second is not null)
        {
            var bytes = new byte[Size];
            await using (second) await second.ReadExactlyAsync(bytes);
            Assert.True(blob.Bytes.AsSpan().SequenceEqual(bytes));
        }

        await cache.StoredAsync(blob.Digest);
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
        Assert.Equal(1, registry.BlobGets);
        Assert.Equal(Size, registry.BlobBytes);
    }

    [Fact]
    public async Task ColdTag_ManyClientsAtOnce_AsksForItsManifestOnce()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 6));
        var gate = new Gate();
        registry.On(Ask.AnyManifest, Misbehave.HoldHeaders(gate), TestRegistry.Always);

        var clients = Enumerable.Range(0, 32).Select(_ => cache.GetManifestAsync("1")).ToList();
        await gate.ReachedAsync();
        gate.Open();
        var answers = await Task.WhenAll(clients);

        Assert.All(answers, answer => answer.Is(image.Manifest.Bytes));
        Assert.Equal(1, registry.Log.Count(Ask.Manifest));
        Assert.Equal(1, registry.Log.Count(Ask.HeadManifest));
    }

    [Fact]
    public async Task FetchThatFails_FollowersToo_AreAllTold()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 7);
        var gate = new Gate(Size / 2);
        registry.On(Ask.Blob, Misbehave.All(Misbehave.Hold(gate), Misbehave.FlipByte(Size - 1)), TestRegistry.Always);

        var clients = Enumerable.Range(0, 8).Select(_ => cache.GetBlobAsync(blob)).ToList();
        await gate.ReachedAsync();
        gate.Open();

        Assert.All(await Task.WhenAll(clients), answer => answer.IsFailure());
        Assert.Empty(cache.Store.Checked());
    }
}
