using System.Net;
using System.Net.Sockets;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Server;

namespace Entrepot.FunctionalTests.Life;

/// <summary>The listener for metrics and health alone.</summary>
public sealed class MetricsListenerTests
{
    private static readonly Setup WithListener = new() { Options = options => options with { Metrics = "127.0.0.1:0" } };

    [Theory]
    [InlineData("GET", "/metrics", 200)]
    [InlineData("HEAD", "/metrics", 200)]
    [InlineData("GET", "/metrics?name=x", 200)]
    [InlineData("POST", "/metrics", 405)]
    [InlineData("DELETE", "/healthz", 405)]
    [InlineData("GET", "/", 404)]
    [InlineData("GET", "/metrics/", 404)]
    [InlineData("GET", "/healthz/", 404)]
    [InlineData("POST", "/api/v1/verify", 405)]
    [InlineData("GET", "/api/v1/status", 404)]
    [InlineData("GET", "/v2/", 404)]
    public async Task Request_ToTheMetricsListener_IsRefusedButForMetrics(string method, string path, int status)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, WithListener);

        var got = await RawClient.AskAsync(cache.Host.Metrics!, method, path);

        Assert.Equal(status, got.Status);
        if (status == 405) Assert.Equal("GET, HEAD", got.Header("Allow"));
        if (status == 200) Assert.StartsWith("text/plain; version=0.0.4", got.Header("Content-Type"), StringComparison.Ordinal);
        if (status == 200) Assert.True(long.Parse(got.Header("Content-Length")!) > 1000);
        if (method == "GET" && status == 200) Assert.Contains("entrepot_requests_total{", System.Text.Encoding.UTF8.GetString(got.Bytes), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AdminConnections_MoreThanTheLimit_AreClosed_AndTheRegistryGoesOn()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup { Options = options => options with { AdminConnections = 2 } });
        var clients = new List<Socket>();
        for (var i = 0; i < 5; i++)
        {
            clients.Add(new Socket(SocketType.Stream, ProtocolType.Tcp));
            await clients[i].ConnectAsync(IPAddress.Loopback, cache.Admin.Port);
        }

        var ends = clients.Select(client => client.ReceiveAsync(new byte[1])).ToList();

        await Appliance.UntilAsync(() => Task.FromResult(ends.Count(end => end.IsCompleted) >= 3), () => $"{ends.Count(end => end.IsCompleted)} of 5 are closed");
        Assert.Equal(200, (await cache.GetAsync("/v2/")).Status);
        clients.ForEach(client => client.Dispose());
        await Appliance.UntilAsync(IsAliveAsync, () => "it takes no connection any more");

        async Task<bool> IsAliveAsync()
        {
            try
            {
                return (await RawClient.AskAsync(cache.Admin, "GET", "/healthz")).Status == 200;
            }
            catch (Exception closed) when (closed is EndOfStreamException or SocketException)
            {
                return false;   // those that have gone still count
            }
        }
    }

    [Theory]
    [InlineData("/healthz", "alive\n")]
    [InlineData("/readyz", "ready\n")]
    public async Task Request_ForHealth_IsAnsweredAsOnTheAdminListener(string path, string text)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, WithListener);

        foreach (var listener in new[] { cache.Host.Metrics!, cache.Admin })
        {
            Assert.Equal(text, await cache.Client.GetStringAsync(new Uri(listener, path)));
            Assert.Equal(200, (await RawClient.AskAsync(listener, "HEAD", path)).Status);
        }
    }

    [Fact]
    public async Task Metrics_WithoutTheOption_AreOnTheAdminListenerAlone()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);

        Assert.Null(cache.Host.Metrics);
        Assert.Equal(HttpStatusCode.OK, (await cache.AdminAsync("/metrics")).Status);
    }

    [Fact]
    public async Task Metrics_WhileDraining_AreStillTold()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, WithListener);
        var blob = registry.Content.AddBlob(1_000_000, seed: 640);
        var gate = new Gate(500_000);
        registry.On(Ask.Blob, Misbehave.Hold(gate));
        var running = cache.GetBlobAsync(blob);
        await gate.ReachedAsync();
        var metrics = cache.Host.Metrics!;

        var stopped = cache.StopAsync();
        await Appliance.UntilAsync(async () => (await cache.AdminAsync("/readyz")).Status == HttpStatusCode.ServiceUnavailable, () => "it stays ready");
        Assert.Equal(200, (await RawClient.AskAsync(metrics, "GET", "/metrics")).Status);
        Assert.Equal(200, (await RawClient.AskAsync(metrics, "GET", "/healthz")).Status);
        Assert.Equal(503, (await RawClient.AskAsync(metrics, "GET", "/readyz")).Status);
        gate.Open();

        (await running).Is(blob.Bytes);
        await stopped;
    }

    [Theory]
    [InlineData("busy")]
    [InlineData("192.0.2.1:5002")]   // of no machine: it is for documentation
    public async Task StartAsync_MetricsAddressThatCannotBeHad_IsRefusedInOneLine(string address)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        await cache.StopAsync();
        if (address == "busy") address = registry.Url.Authority;

        var refused = await Assert.ThrowsAsync<StartupException>(() => EntrepotHost.StartAsync(
            cache.Options with { Metrics = address }, new HostParts(), CancellationToken.None));

        Assert.Contains(address, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
        await cache.StartAgainAsync();   // nothing of the failed start is left
    }
}
