using System.Net;
using System.Net.Sockets;
using System.Text;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Admin;

public sealed class ApiTests
{
    [Theory]
    [InlineData("DELETE", "status", "GET")]
    [InlineData("POST", "images", "GET, DELETE")]
    [InlineData("GET", "pins", "POST, DELETE")]
    [InlineData("GET", "refresh", "POST")]
    [InlineData("GET", "verify", "POST")]
    public async Task Api_OtherMethods_AreRefusedWithThoseThatAreAllowed(string method, string operation, string allowed)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);

        var answer = await cache.AdminAsync(new HttpMethod(method), operation, "alpine");

        answer.IsRefusal(HttpStatusCode.MethodNotAllowed);
        Assert.Equal(allowed, string.Join(", ", answer.Allow));
    }

    [Theory]
    [InlineData("POST", "pins")]
    [InlineData("DELETE", "pins")]
    [InlineData("DELETE", "images")]
    [InlineData("POST", "refresh")]
    public async Task Api_WritesWithoutRef_AreRefused(string method, string operation)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);

        Assert.Contains("ref is missing", (await cache.AdminAsync(new HttpMethod(method), operation)).IsRefusal(HttpStatusCode.BadRequest), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Api_BodyThatCannotBeRead_IsItsClientsMistakeAndNoFaultOfTheStore()
    {
        var log = new LogLines();
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup { Log = log.Log });
        var request = $"POST /api/v1/bundles?hold= HTTP/1.1\r\nHost: {cache.Admin.Authority}\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n";

        using var client = new TcpClient(cache.Admin.Host, cache.Admin.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
        using var reader = new StreamReader(client.GetStream());

        Assert.Equal("HTTP/1.1 400 Bad Request", await reader.ReadLineAsync().WaitAsync(Appliance.Patience));
        Assert.DoesNotContain(log.All, line => line.StartsWith("Error", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Api_UnknownPath_NamesWhatThereIs()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);

        Assert.Contains("verify", (await cache.AdminAsync(HttpMethod.Get, "nothing")).IsRefusal(HttpStatusCode.NotFound), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://example.com")]
    [InlineData("https://127.0.0.1:{port}")]
    [InlineData("http://127.0.0.1:1")]
    [InlineData("http://rebound.example:{port}")]
    [InlineData("null")]
    public async Task Api_OriginElsewhere_IsRefused(string origin)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        origin = origin.Replace("{port}", $"{cache.Admin.Port}", StringComparison.Ordinal);

        foreach (var (method, operation) in new[] { ("GET", "status"), ("GET", "images"), ("POST", "pins"), ("DELETE", "images"), ("POST", "verify") })
            (await cache.AdminAsync(new HttpMethod(method), operation, "alpine", ("Origin", origin))).IsRefusal(HttpStatusCode.Forbidden);

        Assert.Equal(HttpStatusCode.OK, (await cache.AdminAsync("/healthz")).Status);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("localhost")]
    public async Task Api_OwnOrigin_IsAllowed(string host)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);

        Assert.Equal(HttpStatusCode.OK, (await cache.AdminAsync(HttpMethod.Get, "status", null, ("Origin", $"http://{host}:{cache.Admin.Port}"))).Status);
    }

    [Theory]
    [InlineData("rebound.example:{port}", 403)]
    [InlineData("rebound.example", 403)]
    [InlineData("localhost.rebound.example:{port}", 403)]
    [InlineData("127.0.0.1:{port}", 200)]
    [InlineData("[::1]:{port}", 200)]
    [InlineData("localhost:{port}", 200)]
    [InlineData("localhost", 200)]
    public async Task Api_HostOverLoopback_IsAnAddressOrLocalhost(string host, int status)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        host = host.Replace("{port}", $"{cache.Admin.Port}", StringComparison.Ordinal);

        Assert.Equal(status, (await RawClient.AskAsync(cache.Admin, "GET", "/api/v1/status", host)).Status);
        Assert.Equal(200, (await RawClient.AskAsync(cache.Admin, "GET", "/healthz", host)).Status);
    }

    [Fact]
    public async Task Status_AfterPulls_TellsTheSumsThatMetricsTell()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "v1", TestBlob.Random(100_000, seed: 1));
        await cache.PullAsync(image);
        await cache.PullAsync(image);
        foreach (var path in (string[])["/v2/", "/v2/_catalog", "/v2/org/app/tags/list", $"/v2/org/app/referrers/{image.Manifest.Digest}"])
            Assert.Equal(200, (await cache.GetAsync(path)).Status);
        var metrics = await cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") == 6 + 4);

        var status = (await cache.StatusAsync()).Json;

        Assert.Equal(("ready", cache.Url.GetLeftPart(UriPartial.Authority)), ((string?)status["state"], (string?)status["registry"]![0]));
        Assert.Equal(6, (long)status["requests"]!["total"]!);
        Assert.Equal((3, 3), ((long)status["requests"]!["sources"]!["hit"]!, (long)status["requests"]!["sources"]!["fetched"]!));
        Assert.Equal((Bytes(), Bytes("source=\"hit\"")), ((long)status["requests"]!["bytes"]!, (long)status["requests"]!["hitBytes"]!));
        Assert.Equal(metrics.Sum("entrepot_storage_bytes"), (long)status["storage"]!["bytes"]!);
        Assert.Equal((3, cache.Options.StorageRoot), ((int)status["storage"]!["blobs"]!, (string?)status["storage"]!["root"]));
        Assert.Equal(("docker.io", "up"), ((string?)status["upstreams"]![0]!["name"], (string?)status["upstreams"]![0]!["state"]));
        await Appliance.UntilAsync(async () => (await cache.StatusAsync()).Json["problems"]!.AsArray().Count == 0, () => "there are problems although all is well");

        double Bytes(params string[] labels) => new[] { "manifest", "blob" }.Sum(kind => metrics.Sum("entrepot_served_bytes_total", [.. labels, $"kind=\"{kind}\""]));
    }

    [Fact]
    public async Task Status_ABlobIsArriving_TellsHowFar()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(100_000, seed: 1);
        var gate = new Gate(50_000);
        registry.On(Ask.Blob, Misbehave.Hold(gate));
        await using var body = await cache.OpenAsync(Appliance.PathOf(blob.Digest));
        await gate.ReachedAsync();

        var fetch = Assert.Single((await cache.StatusAsync()).Json["fetches"]!.AsArray())!;

        Assert.Equal(($"docker.io/org/app@{blob.Digest}", 100_000, 1), ((string?)fetch["reference"], (long)fetch["size"]!, (int)fetch["followers"]!));
        Assert.InRange((long)fetch["arrived"]!, 0, 50_000);
        gate.Open();
        await cache.IdleAsync();
        Assert.Empty((await cache.StatusAsync()).Json["fetches"]!.AsArray());
    }

    [Fact]
    public async Task Status_UpstreamOutOfReach_SaysSo()
    {
        var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup { Times = Setup.Patient with { Break = TimeSpan.FromMinutes(1) } });
        await registry.DisposeAsync();

        await Appliance.UntilAsync(
            async () =>
            {
                await cache.GetManifestAsync("v1");   // the more fail, the surer it is
                var problems = (await cache.StatusAsync()).Json["problems"]!.AsArray().Select(problem => (string)problem!);
                return problems.Any(problem => problem.StartsWith("docker.io is out of reach", StringComparison.Ordinal));
            },
            () => "status does not say that the upstream is down");
        Assert.Equal("down", (string?)(await cache.StatusAsync()).Json["upstreams"]![0]!["state"]);
    }
}
