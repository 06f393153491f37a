using System.Net;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Server.Telemetry;
using Serilog.Events;

namespace Entrepot.FunctionalTests.Life;

public sealed class MetricsTests
{
    [Fact]
    public async Task Requests_EachIsCountedOnceByItsKindAndSource()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(300_000, seed: 110));

        await cache.PullAsync(image);                              // manifest, layer, config: fetched
        await cache.StoredAsync(image.Layers[0].Digest);
        await cache.StoredAsync(image.Config.Digest);
        await cache.PullAsync(image);                              // the same: hit
        await cache.GetBlobAsync(image.Layers[0], ("Range", "bytes=0-99"));
        await cache.HeadAsync(Appliance.PathOf(image.Layers[0].Digest));
        await cache.GetManifestAsync("none");
        await cache.GetAsync("/v2/");
        await cache.GetAsync("/v2/org/app/tags/list");
        await cache.GetAsync($"/v2/org/app/referrers/{image.Manifest.Digest}");
        await cache.GetAsync("/v2/org/app/manifests/1?ns=unknown.test");

        var metrics = await cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") >= 13);
        Assert.Equal(13, metrics.Sum("entrepot_requests_total"));
        Assert.Equal(2, metrics.Sum("entrepot_requests_total", "kind=\"blob\"", "upstream=\"docker.io\"", "source=\"fetched\""));
        Assert.Equal(4, metrics.Sum("entrepot_requests_total", "kind=\"blob\"", "upstream=\"docker.io\"", "source=\"hit\""));
        Assert.Equal(1, metrics.Sum("entrepot_requests_total", "kind=\"manifest\"", "source=\"fetched\""));
        Assert.Equal(1, metrics.Sum("entrepot_requests_total", "kind=\"manifest\"", "source=\"hit\""));
        Assert.Equal(1, metrics.Sum("entrepot_requests_total", "kind=\"manifest\"", "upstream=\"docker.io\"", "source=\"missing\""));
        Assert.Equal(1, metrics.Sum("entrepot_requests_total", "upstream=\"none\"", "source=\"missing\""));
        Assert.Equal(1, metrics.Sum("entrepot_requests_total", "kind=\"tags\""));
        Assert.Equal(1, metrics.Sum("entrepot_requests_total", "kind=\"referrers\""));
        Assert.Equal(1, metrics.Sum("entrepot_requests_total", "kind=\"other\"", "source=\"hit\""));
    }

    [Fact]
    public async Task ServedBytes_AreTheBytesThatClientsReceived()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(300_000, seed: 111));

        await cache.PullAsync(image);
        await cache.StoredAsync(image.Layers[0].Digest);
        await cache.StoredAsync(image.Config.Digest);
        await cache.PullAsync(image);
        await cache.GetBlobAsync(image.Layers[0], ("Range", "bytes=100-199"));
        await cache.HeadAsync(Appliance.PathOf(image.Layers[0].Digest));

        var blobs = image.Layers[0].Size + image.Config.Size;
        var metrics = await cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") >= 8);
        Assert.Equal(blobs, metrics.Sum("entrepot_served_bytes_total", "kind=\"blob\"", "source=\"fetched\""));
        Assert.Equal(blobs + 100, metrics.Sum("entrepot_served_bytes_total", "kind=\"blob\"", "source=\"hit\""));
        Assert.Equal(image.Manifest.Bytes.Length, metrics.Sum("entrepot_served_bytes_total", "kind=\"manifest\"", "source=\"fetched\""));
        Assert.Equal(image.Manifest.Bytes.Length, metrics.Sum("entrepot_served_bytes_total", "kind=\"manifest\"", "source=\"hit\""));
    }

    [Fact]
    public async Task Upstream_RequestsAndBytes_AreWhatTheRegistrySaw()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(300_000, seed: 112));

        await cache.PullAsync(image);
        await cache.GetManifestAsync("none");

        var sent = registry.Log.All.Where(request => request.Status is 200 or 206).Sum(request => request.Sent);
        var metrics = await cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") >= 4);
        Assert.Equal(registry.Log.All.Count, metrics.Sum("entrepot_upstream_requests_total", "upstream=\"docker.io\""));
        Assert.Equal(2, metrics.Sum("entrepot_upstream_requests_total", "kind=\"blob\"", "code=\"200\""));
        Assert.Equal(
            registry.Log.Count(request => request.Status == 404),
            metrics.Sum("entrepot_upstream_requests_total", "kind=\"manifest\"", "code=\"404\""));
        Assert.Equal(sent, metrics.Sum("entrepot_upstream_bytes_total", "upstream=\"docker.io\""));
    }

    [Fact]
    public async Task RunningFetchesAndFollowers_AreSeenAndReturnToZero()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(1_000_000, seed: 113);
        var gate = new Gate(500_000);
        registry.On(Ask.Blob, Misbehave.Hold(gate));

        var clients = Enumerable.Range(0, 3).Select(_ => cache.GetBlobAsync(blob)).ToList();
        await cache.MetricsAsync(metrics => metrics.Sum("entrepot_fetches_running") == 1 && metrics.Sum("entrepot_followers") == 3);
        gate.Open();
        Assert.All(await Task.WhenAll(clients), got => got.Is(blob.Bytes));

        await cache.MetricsAsync(metrics => metrics.Sum("entrepot_fetches_running") == 0 && metrics.Sum("entrepot_followers") == 0);
    }

    [Fact]
    public async Task AbortedResponse_CountsOnlyWhatWasSent()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(1_000_000, seed: 114);
        var gate = new Gate(500_000);
        registry.On(Ask.Blob, Misbehave.Hold(gate));

        using var client = await RawClient.ConnectAsync(cache.Url);
        await client.SendAsync("GET", Appliance.PathOf(blob.Digest));
        await client.ReadAsync(500_000);
        client.Abort();

        var metrics = await cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") == 1);
        Assert.Equal(500_000, metrics.Sum("entrepot_served_bytes_total"));
        gate.Open();
        await cache.StoredAsync(blob.Digest);
    }

    [Fact]
    public async Task Log_NobodyReadsIt_LinesThatAreDroppedAreCounted()
    {
        const int Waiting = 10;
        await using var registry = new TestRegistry();
        var (queue, output) = (new LogQueue(), new StoppedWriter());
        await using var log = Logging.Create(LogFormat.Text, LogEventLevel.Debug, Waiting, output, queue);
        await using var cache = await Appliance.StartAsync(registry, new Setup { Log = log, LogQueue = queue });
        Assert.Equal(0, (await cache.MetricsAsync()).Sum("entrepot_log_dropped_total"));

        for (var i = 0; i < 3 * Waiting; i++) await cache.GetAsync("/v2/");

        var metrics = await cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") == 3 * Waiting);
        Assert.InRange(metrics.Sum("entrepot_log_dropped_total"), Waiting, 3 * Waiting);
        output.Dispose();
    }

    [Fact]
    public async Task Labels_NeverNameContent()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        await cache.PullAsync(registry.Content.AddImage("org/secret-app", "tag-of-mine", TestBlob.Random(1000, seed: 115)));

        var text = (await cache.AdminAsync("/metrics")).Text;

        Assert.DoesNotContain("secret-app", text, StringComparison.Ordinal);
        Assert.DoesNotContain("tag-of-mine", text, StringComparison.Ordinal);
        Assert.DoesNotContain("sha256", text, StringComparison.Ordinal);
        Assert.DoesNotContain("127.0.0.1", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HealthAndReadiness_AreTold_AndTheRegistryPortHasNeither()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);

        Assert.Equal(HttpStatusCode.OK, (await cache.AdminAsync("/healthz")).Status);
        Assert.Equal(HttpStatusCode.OK, (await cache.AdminAsync("/readyz")).Status);
        Assert.Equal(404, (await cache.GetAsync("/metrics")).Status);
        Assert.Empty(registry.Log.All);
    }

    // A terminal that has stopped taking lines, until it is disposed.
    private sealed class StoppedWriter : StringWriter
    {
        private readonly ManualResetEventSlim _goesOn = new();

        public override void Write(string? value) => _goesOn.Wait();

        protected override void Dispose(bool disposing)
        {
            _goesOn.Set();
            base.Dispose(disposing);
        }
    }
}
