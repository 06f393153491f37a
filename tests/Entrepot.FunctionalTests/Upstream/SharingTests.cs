using System.Diagnostics;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Upstream;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.FunctionalTests.Upstream;

/// <summary>What the requests to one upstream share: connections and bandwidth.</summary>
public sealed class SharingTests : UpstreamTest
{
    private const int Size = 100_000;

    private readonly TestRegistry _registry = new();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Connections_ManyBlobsAndClients_AreNeverMoreThanAllowed(bool withToken)
    {
        await using var registry = _registry;
        TestBlob[] blobs = [.. Enumerable.Range(0, 16).Select(seed => registry.Content.AddBlob(Size, seed))];
        if (withToken) registry.RequireToken();
        registry.BytesPerSecond = 4_000_000;
        await using var cache = await Appliance.StartAsync(registry, new Setup { Upstream = options => options with { Connections = 2 } });

        await Task.WhenAll(Enumerable.Range(0, 3 * blobs.Length).Select(async i =>
            Assert.True(await cache.DownloadsAsync(Appliance.PathOf(blobs[i % blobs.Length].Digest, $"org/app{i % 5}"), blobs[i % blobs.Length].Bytes))));

        Assert.Equal((2, 2), (registry.MostRequests, registry.MostConnections));
        Assert.Equal(blobs.Length, registry.Log.All.Count(request => request is { IsBlob: true, Status: 200 }));
    }

    [Fact]
    public async Task Connections_WhoIsWaitedFor_GoesFirstAndEachInOrder()
    {
        await using var registry = _registry;
        var gate = new Gate(10);
        TestBlob[] blobs = [.. Enumerable.Range(0, 6).Select(seed => registry.Content.AddBlob(Size, seed))];
        var upstream = ConnectTo(registry, connections: 1);
        registry.On(Ask.Blob, Misbehave.Hold(gate));
        var held = await OpenAsync(upstream, blobs[0], Demand.Always);
        var demand = new Demand(false);

        var waiting = Task.WhenAll(
            ReadAsync(upstream, blobs[1], new Demand(false)),
            ReadAsync(upstream, blobs[2], demand),
            ReadAsync(upstream, blobs[3], Demand.Always),
            ReadAsync(upstream, blobs[4], new Demand(false)),
            ReadAsync(upstream, blobs[5], Demand.Always));
        demand.IsWanted = true;
        gate.Open();
        Assert.Equal(blobs[0].Bytes, await BytesAsync(held));
        await waiting;

        Assert.Equal(
            new[] { 0, 2, 3, 5, 1, 4 }.Select(i => blobs[i].Digest.ToString()),
            registry.Log.All.Where(Ask.Blob).Select(request => request.Target));
        Assert.Equal(1, registry.MostConnections);
    }

    [Fact]
    public async Task Connections_StayInUse_AreWaitedForByWhatNobodyWaitsFor()
    {
        await using var registry = _registry;
        var blob = registry.Content.AddBlob(Size, seed: 1);
        var clock = new FakeTimeProvider();
        var upstream = ConnectTo(registry, connections: 1, clock);
        var first = await OpenAsync(upstream, blob, Demand.Always);
        var demand = new Demand(false);
        using var leaving = new CancellationTokenSource();

        var background = OpenAsync(upstream, blob, demand);
        var given = upstream.OpenBlobAsync(new Reference("test", "org/app", blob.Digest), new BlobPart(0, null, null, new Demand(false)), leaving.Token);
        var foreground = upstream.OpenBlobAsync(new Reference("test", "org/app", blob.Digest), BlobPart.Whole, default);
        await Appliance.UntilAsync(() => Task.FromResult(upstream.Waiting == 3), () => "not all of them wait");
        clock.Advance(Times.Total);   // nothing else takes any time by this clock
        Assert.Equal(503, (await foreground).Error?.Status);
        Assert.False(background.IsCompleted);

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given);
        await first.DisposeAsync();
        clock.Advance(TimeSpan.FromSeconds(1));   // for the registry to notice that its connection has ended
        Assert.Equal(blob.Bytes, await BytesAsync(await background));
    }

    [Fact]
    public async Task OneConnection_TokenAndRedirectAtTheSameHost_DoNotWaitForTheirOwnRequest()
    {
        await using var registry = _registry;
        var blob = registry.Content.AddBlob(Size, seed: 1);
        registry.RequireToken();
        registry.On(request => request.Status == 0 && !request.IsToken, (_, right) => right.WithText(new string('x', 5_000), "text/html"));
        registry.On(request => request.Header("Authorization") is not null, Misbehave.All(
            Misbehave.RedirectTo(new Uri(registry.Url, $"/v2/org/other/blobs/{blob.Digest}")), (_, right) => right.WithText("moved", "text/html")));
        registry.On(request => request.Path.Contains("/other/", StringComparison.Ordinal), Misbehave.Changed(blob.Bytes, "\"v\""));

        Assert.Equal(blob.Bytes, await ReadAsync(ConnectTo(registry, connections: 1), blob, Demand.Always));

        Assert.Equal([401, 200, 307, 200], registry.Log.All.Select(request => request.Status));
        Assert.Equal(1, registry.MostConnections);
    }

    [Fact]
    public async Task Bandwidth_TwoBlobs_TakeTheTimeItSays()
    {
        await using var registry = _registry;
        TestBlob[] blobs = [registry.Content.AddBlob(500_000, seed: 1), registry.Content.AddBlob(500_000, seed: 2)];
        var upstream = Connect(new UpstreamOptions { Name = "test", Urls = [registry.Url], Bandwidth = 2_000_000 });
        var start = Stopwatch.GetTimestamp();

        var read = await Task.WhenAll(blobs.Select(blob => ReadAsync(upstream, blob, Demand.Always)));

        // Half a second, less what may be taken at once. A busy machine may take longer.
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromSeconds(0.42), TimeSpan.FromSeconds(5));
        Assert.Equal(blobs.Select(blob => blob.Bytes), read);
    }

    [Fact]
    public async Task Reload_MoreOfBoth_CountsForWhatBeganBefore()
    {
        await using var registry = _registry;
        TestBlob[] blobs = [registry.Content.AddBlob(Size, seed: 1), registry.Content.AddBlob(Size, seed: 2)];
        await using var cache = await Appliance.StartAsync(registry, new Setup { Upstream = options => options with { Connections = 1, Bandwidth = 1_000 } });

        // At this rate it would take minutes.
        var downloads = Task.WhenAll(blobs.Select(blob => cache.DownloadsAsync(Appliance.PathOf(blob.Digest), blob.Bytes)));
        await registry.Log.WaitAsync(Ask.Blob);
        cache.ReloadUpstream(options => options with { Connections = 2 });
        await registry.Log.WaitAsync(Ask.Blob, 2);
        cache.ReloadUpstream(options => options with { Bandwidth = null });

        Assert.All(await downloads, right => Assert.True(right));
        Assert.Equal(2, registry.MostConnections);
    }

    private RegistryUpstream ConnectTo(TestRegistry registry, int connections, TimeProvider? clock = null) =>
        Connect(new UpstreamOptions { Name = "test", Urls = [registry.Url], Connections = connections }, Times with { Pause = TimeSpan.Zero }, clock);

    private static async Task<UpstreamBlob> OpenAsync(RegistryUpstream upstream, TestBlob blob, Demand demand) =>
        (await upstream.OpenBlobAsync(new Reference("test", "org/app", blob.Digest), new BlobPart(0, null, null, demand), default)).Value!;

    private static async Task<byte[]> ReadAsync(RegistryUpstream upstream, TestBlob blob, Demand demand) => await BytesAsync(await OpenAsync(upstream, blob, demand));

    private static async Task<byte[]> BytesAsync(UpstreamBlob blob)
    {
        await using var disposed = blob;
        using var bytes = new MemoryStream();
        await blob.Content.CopyToAsync(bytes);
        return bytes.ToArray();
    }
}
