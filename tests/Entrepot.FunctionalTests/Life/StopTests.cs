using System.Net;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;
using Entrepot.Server;

namespace Entrepot.FunctionalTests.Life;

public sealed class StopTests
{
    private const int Size = 2_000_000;

    [Fact]
    public async Task StopAsync_ResponseThatCanEnd_EndsCleanly()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, WithTimeout(TimeSpan.FromSeconds(10)));
        var blob = registry.Content.AddBlob(Size, seed: 120);
        var gate = new Gate(Size / 2);
        registry.On(Ask.Blob, Misbehave.Hold(gate));
        var running = cache.GetBlobAsync(blob);
        await gate.ReachedAsync();

        var stopped = cache.StopAsync();
        Assert.False(stopped.IsCompleted);
        gate.Open();

        (await running).Is(blob.Bytes);
        await stopped;
        Assert.Equal([blob.Digest], cache.Store.Checked());
    }

    [Fact]
    public async Task StopAsync_ResponseThatCannotEnd_IsAbortedInTime()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, WithTimeout(TimeSpan.FromMilliseconds(300)));
        var blob = registry.Content.AddBlob(Size, seed: 121);
        var gate = new Gate(Size / 2);
        registry.On(Ask.Blob, Misbehave.Hold(gate));
        var running = cache.GetBlobAsync(blob);
        await gate.ReachedAsync();

        await cache.StopAsync().WaitAsync(TimeSpan.FromSeconds(5));

        Assert.False((await running).Clean);
        Assert.Empty(cache.Store.Checked());
    }

    [Fact]
    public async Task StopAsync_WhileDraining_IsNotReadyButAlive()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, WithTimeout(TimeSpan.FromSeconds(10)));
        var blob = registry.Content.AddBlob(Size, seed: 122);
        var gate = new Gate(Size / 2);
        registry.On(Ask.Blob, Misbehave.Hold(gate));
        var running = cache.GetBlobAsync(blob);
        await gate.ReachedAsync();

        var stopped = cache.StopAsync();
        await Appliance.UntilAsync(
            async () => (await cache.AdminAsync("/readyz")).Status == HttpStatusCode.ServiceUnavailable, () => "it stays ready");
        Assert.Equal(HttpStatusCode.OK, (await cache.AdminAsync("/healthz")).Status);
        gate.Open();

        (await running).Is(blob.Bytes);
        await stopped;
    }

    [Fact]
    public async Task Restart_UpstreamStopped_ServesAllThatWasAnswered()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup { TagTtl = TimeSpan.Zero });
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(Size, seed: 123), TestBlob.Random(1000, seed: 124));
        var index = registry.Content.AddIndex("org/app", "multi", image.Manifest);
        await cache.PullAsync(image);
        (await cache.GetManifestAsync("multi")).Is(index.Bytes);

        await cache.RestartAsync();
        await registry.DisposeAsync();

        await cache.PullAsync(image);
        foreach (var target in (string[])["multi", index.Digest.ToString(), image.Manifest.Digest.ToString()])
        {
            var got = await cache.GetManifestAsync(target);
            Assert.Equal(200, got.Status);
            Assert.Equal(target == image.Manifest.Digest.ToString() ? MediaTypes.OciManifest : MediaTypes.OciIndex, got.Header("Content-Type"));
        }

        Assert.Contains("\"org/app\"", (await cache.GetAsync("/v2/_catalog")).Json.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal(5, cache.Store.Checked().Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task FalseFile_UnderAnUnknownName_IsRefusedAndFetched(bool beforeStart)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 125);
        if (beforeStart) await cache.StopAsync();
        cache.Store.Plant(blob.Digest, TestBlob.Random(Size, seed: 126).Bytes);
        if (beforeStart) await cache.StartAgainAsync();

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.Equal(1, registry.BlobGets);
        await cache.IdleAsync();
        Assert.Equal([blob.Digest], cache.Store.Checked());
    }

    [Fact]
    public async Task FalseFile_InPlaceOfAKnownBlob_IsRefusedAfterARestart()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 127);
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
        await cache.StopAsync();
        cache.Store.Plant(blob.Digest, blob.Bytes[..^1]);
        await cache.StartAgainAsync();

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.Equal(2, registry.BlobGets);
    }

    [Fact]
    public async Task RightFile_UnderAnUnknownName_IsServedWithoutTheUpstream()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = TestBlob.Random(Size, seed: 128);
        await cache.StopAsync();
        cache.Store.Plant(blob.Digest, blob.Bytes);
        await cache.StartAgainAsync();

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.Empty(registry.Log.All);
    }

    [Fact]
    public async Task StartAsync_SecondProcessOnOneRoot_IsRefused()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);

        var refused = await Assert.ThrowsAsync<StartupException>(() =>
            EntrepotHost.StartAsync(cache.Options, new HostParts(), CancellationToken.None));

        Assert.Contains(cache.Options.StorageRoot, refused.Message, StringComparison.Ordinal);
        Assert.Equal(200, (await cache.GetAsync("/v2/")).Status);
    }

    [Fact]
    public async Task StartAsync_StoreOfANewerFormat_IsRefusedAndLeftAlone()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        await cache.StopAsync();
        File.WriteAllText(cache.Store.FormatFile, "999\n");

        var refused = await Assert.ThrowsAsync<StartupException>(cache.StartAgainAsync);

        Assert.Contains("999", refused.Message, StringComparison.Ordinal);
        Assert.Equal("999\n", File.ReadAllText(cache.Store.FormatFile));
    }

    [Fact]
    public async Task StartAsync_BusyPort_IsRefused()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        await cache.StopAsync();

        var refused = await Assert.ThrowsAsync<StartupException>(() => EntrepotHost.StartAsync(
            cache.Options with { Listen = [registry.Url.Authority] }, new HostParts(), CancellationToken.None));

        Assert.Contains(registry.Url.Authority, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task StartAsync_UpstreamOutOfReach_Starts()
    {
        var registry = new TestRegistry();
        await registry.DisposeAsync();

        await using var cache = await Appliance.StartAsync(registry);

        Assert.Equal(200, (await cache.GetAsync("/v2/")).Status);
    }

    private static Setup WithTimeout(TimeSpan timeout) =>
        new() { Options = options => options with { ShutdownTimeout = timeout } };
}
