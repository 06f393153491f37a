using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Life;

/// <summary>The sum over sources is the requests made, and the bytes are those that clients got.</summary>
public sealed class MetricsExactTests : IAsyncLifetime
{
    private readonly TestRegistry _registry = new();
    private Appliance _cache = null!;
    private LoadCount _load = null!;

    public async Task InitializeAsync()
    {
        _cache = await Appliance.StartAsync(_registry);
        _load = new LoadCount(_cache);
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task MixedLoad_RequestsAndBytes_AreThoseOfTheClients()
    {
        var image = _registry.Content.AddImage("org/app", "1", TestBlob.Random(300_000, seed: 650), TestBlob.Random(0, seed: 651));
        var layer = Appliance.PathOf(image.Layers[0].Digest);
        var manifest = $"/v2/org/app/manifests/{image.Manifest.Digest}";
        await _load.GetAsync("/v2/org/app/manifests/1");
        foreach (var blob in image.Layers.Append(image.Config)) await _load.GetAsync(Appliance.PathOf(blob.Digest));
        foreach (var blob in image.Layers.Append(image.Config)) await _cache.StoredAsync(blob.Digest);

        await _load.GetAsync(layer);
        await _load.GetAsync(manifest);
        await _load.SendAsync(HttpMethod.Head, layer);
        await _load.SendAsync(HttpMethod.Head, manifest);
        await _load.SendAsync(HttpMethod.Head, Appliance.PathOf(Digest.Of("unknown"u8)));
        Assert.Equal(206, (await _load.GetAsync(layer, ("Range", "bytes=100-50099"))).Status);
        Assert.Equal(416, (await _load.GetAsync(layer, ("Range", "bytes=300000-"))).Status);
        Assert.Equal(304, (await _load.GetAsync(layer, ("If-None-Match", $"\"{image.Layers[0].Digest}\""))).Status);
        Assert.Equal(304, (await _load.GetAsync(manifest, ("If-None-Match", "*"))).Status);
        foreach (var path in (string[])["/v2/", "/v2/_catalog", "/v2/org/app/tags/list", $"/v2/org/app/referrers/{image.Manifest.Digest}"])
            Assert.Equal(200, (await _load.GetAsync(path)).Status);
        foreach (var path in (string[])["/", "/v1/", "/v2/org/app/manifests/none", "/v2/org/app/manifests/1?ns=unknown.test", "/v2/org/app/tags/list?n=x"])
            Assert.InRange((await _load.GetAsync(path)).Status, 400, 404);
        Assert.Equal(400, (await _load.SendRawAsync("GET", "/v2/Org/app/blobs/sha256:1")).Status);
        foreach (var method in (string[])["PUT", "POST", "DELETE", "OPTIONS"]) Assert.Equal(405, (await _load.SendRawAsync(method, layer)).Status);
        await _load.PipelineAsync(layer, manifest, "/v2/", layer);

        var metrics = await _load.AssertExactAsync();
        Assert.Equal(1, metrics.Sum("entrepot_requests_total", "kind=\"blob\"", "source=\"failed\""));   // 416
        Assert.Equal(4 + 1, metrics.Sum("entrepot_requests_total", "kind=\"other\"", "source=\"failed\""));   // 405, and a name that is none
        Assert.Equal(metrics.Sum("entrepot_requests_total"), metrics.Sum("entrepot_time_to_first_byte_seconds_count"));
    }

    [Theory]
    [InlineData(401, "denied")]
    [InlineData(403, "denied")]
    [InlineData(404, "missing")]
    [InlineData(429, "failed")]
    [InlineData(500, "failed")]
    public async Task Refusals_OfTheUpstream_AreCountedAsWhatTheyAre(int status, string source)
    {
        _registry.On(Ask.Anything, Misbehave.Status(status), TestRegistry.Always);

        var got = await _load.GetAsync(Appliance.PathOf(Digest.Of("it"u8)));
        await _load.SendAsync(HttpMethod.Head, "/v2/org/app/manifests/1");

        var metrics = await _load.AssertExactAsync();
        Assert.Equal(got.Bytes.Length, metrics.Sum("entrepot_served_bytes_total", "kind=\"blob\"", $"source=\"{source}\""));
        Assert.Equal(2, metrics.Sum("entrepot_requests_total", $"source=\"{source}\""));
    }

    [Fact]
    public async Task ParallelClients_OfOneColdBlob_AreEachCountedOnce()
    {
        var blob = _registry.Content.AddBlob(2_000_000, seed: 652);
        var gate = new Gate(1_000_000);
        _registry.On(Ask.Blob, Misbehave.Hold(gate));

        var clients = Enumerable.Range(0, 50).Select(_ => _cache.GetBlobAsync(blob)).ToList();
        await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_followers") == 50);
        gate.Open();
        foreach (var got in await Task.WhenAll(clients)) _load.Add(got);

        var metrics = await _load.AssertExactAsync();
        Assert.Equal(1, metrics.Sum("entrepot_requests_total", "source=\"fetched\""));
        Assert.Equal(49, metrics.Sum("entrepot_requests_total", "source=\"joined\""));
        Assert.Equal(blob.Size, metrics.Sum("entrepot_served_bytes_total", "source=\"fetched\""));
    }

    [Fact]
    public async Task ClientsThatLeave_AreCountedOnceWithWhatTheConnectionTook()
    {
        // Larger than what buffers on the way take of them.
        var blob = _registry.Content.AddBlob(32_000_000, seed: 653);
        var manifest = _registry.Content.AddManifest("org/app", "big", new JsonObject
        {
            ["schemaVersion"] = 2,
            ["config"] = new JsonObject(),
            ["annotations"] = new JsonObject { ["x"] = new string('x', 8_000_000) },
        }, MediaTypes.OciManifest);
        await _load.GetAsync(Appliance.PathOf(blob.Digest));
        await _load.GetAsync($"/v2/org/app/manifests/{manifest.Digest}");
        await _cache.StoredAsync(blob.Digest);

        const int Read = 1_000_000;
        foreach (var path in (string[])[Appliance.PathOf(blob.Digest), Appliance.PathOf(blob.Digest), $"/v2/org/app/manifests/{manifest.Digest}"])
        {
            using var client = await RawClient.ConnectAsync(_cache.Url);
            await client.SendAsync("GET", path);
            await client.ReadAsync(Read);
            client.Abort();
            _load.Add(new Got(200, [], false, Enumerable.Empty<string>().ToLookup(name => name)));
        }

        // Before the answer begins.
        _registry.On(Ask.HeadManifest, Misbehave.HoldHeaders(new Gate()), TestRegistry.Always);
        using (var client = new Socket(SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(true, 0) })
        {
            await client.ConnectAsync(_cache.Url.Host, _cache.Url.Port);
            await client.SendAsync(Encoding.Latin1.GetBytes("GET /v2/org/app/manifests/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            await _registry.Log.WaitAsync(Ask.HeadManifest);
        }

        _load.Add(new Got(0, [], false, Enumerable.Empty<string>().ToLookup(name => name)));
        const int Piece = 64 << 10;
        var metrics = await _load.AssertExactAsync(3 * (Read - Piece), 2L * blob.Size + manifest.Bytes.Length - 1);
        Assert.InRange(metrics.Sum("entrepot_served_bytes_total", "kind=\"manifest\""), manifest.Bytes.Length + Read - Piece, 2L * manifest.Bytes.Length - 1);
        Assert.Equal(1, metrics.Sum("entrepot_requests_total", "kind=\"manifest\"", "source=\"failed\""));
    }

    [Fact]
    public async Task ResponseThatIsAborted_CountsWhatWasSentOfIt()
    {
        var blob = _registry.Content.AddBlob(1_000_000, seed: 654);
        _registry.On(Ask.Blob, Misbehave.FlipByte(999_999), TestRegistry.Always);

        var got = await _cache.GetBlobAsync(blob);
        _load.Add(got);

        Assert.False(got.Clean);
        const int Unverified = 64 << 10;
        var metrics = await _load.AssertExactAsync(got.Bytes.Length, blob.Size - Unverified);
        Assert.Equal(1, metrics.Sum("entrepot_requests_total", "kind=\"blob\"", "source=\"failed\""));
    }

    [Fact]
    public async Task WriteWithABody_IsRefusedAndCountedOnce()
    {
        var answer = await LoadCount.ExchangeAsync(_cache.Url, "POST /v2/org/app/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        var body = answer[(answer.AsSpan().IndexOf("\r\n\r\n"u8) + 4)..];
        _load.Add(new Got(405, body, true, Enumerable.Empty<string>().ToLookup(name => name)));

        Assert.StartsWith("HTTP/1.1 405", Encoding.Latin1.GetString(answer), StringComparison.Ordinal);
        await _load.AssertExactAsync();
    }

    [Theory]
    [InlineData("NONSENSE\r\n\r\n")]
    [InlineData("GET /v2/ HTTP/1.1\r\nno colon\r\n\r\n")]
    [InlineData("GET /v2/ HTTP/1.1\r\n\r\n")]
    [InlineData("\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003\r\n\r\n")]
    public async Task WhatIsNoRequest_IsAnsweredAndNotCounted(string text)
    {
        var answer = Encoding.Latin1.GetString(await LoadCount.ExchangeAsync(_cache.Url, text));
        await _load.GetAsync("/v2/");

        Assert.StartsWith("HTTP/1.1 400", answer, StringComparison.Ordinal);
        await _load.AssertExactAsync();
    }

    [Fact]
    public async Task WhileDraining_RunningRequestsAreCountedAndNewConnectionsAreNone()
    {
        var blob = _registry.Content.AddBlob(1_000_000, seed: 655);
        var gate = new Gate(500_000);
        _registry.On(Ask.Blob, Misbehave.Hold(gate));
        await _load.GetAsync("/v2/");
        var running = _cache.GetBlobAsync(blob);
        await gate.ReachedAsync();
        var url = _cache.Url;

        var stopped = _cache.StopAsync();
        await Appliance.UntilAsync(
            async () => (await Record.ExceptionAsync(() => LoadCount.ExchangeAsync(url, "GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))) is SocketException,
            () => "connections are still accepted");
        var before = (await _cache.MetricsAsync()).Sum("entrepot_requests_total");
        await Assert.ThrowsAsync<SocketException>(() => RawClient.AskAsync(url, "GET", "/v2/"));
        Assert.Equal(before, (await _cache.MetricsAsync()).Sum("entrepot_requests_total"));
        gate.Open();

        (await running).Is(blob.Bytes);
        await stopped;
    }

    [Fact]
    public async Task Upstream_ExchangesAndBytes_AreWhatTheRegistrySawAndSent()
    {
        await using var cdn = new TestRegistry("127.0.0.2") { Content = _registry.Content };
        var tokens = _registry.RequireToken();
        _registry.RedirectBlobsTo(cdn);
        var image = _registry.Content.AddImage("org/app", "1", TestBlob.Random(500_000, seed: 656));
        _registry.On(Ask.HeadManifest, Misbehave.Status(503));
        cdn.On(Ask.Blob, Misbehave.Cut(200_000));

        await _cache.PullAsync(image);                                  // a challenge, a token, a try again, redirects, a blob that breaks off
        tokens.RevokeAll();
        await _cache.GetManifestAsync("none");
        await _cache.GetAsync("/v2/org/app/tags/list");
        await _cache.HeadAsync(Appliance.PathOf(Digest.Of("none"u8)));

        var seen = _registry.Log.All.Concat(cdn.Log.All).ToList();
        var metrics = await _cache.MetricsAsync();
        Assert.Equal(seen.Count, metrics.Sum("entrepot_upstream_requests_total"));
        foreach (var status in seen.GroupBy(request => request.Status))
            Assert.Equal(status.Count(), metrics.Sum("entrepot_upstream_requests_total", "upstream=\"docker.io\"", $"code=\"{status.Key}\""));
        Assert.Equal(seen.Count(request => request.IsToken), metrics.Sum("entrepot_upstream_requests_total", "kind=\"token\""));
        Assert.Equal(
            seen.Where(request => request.Status is 200 or 206 or 404).Sum(request => request.Sent),
            metrics.Sum("entrepot_upstream_bytes_total", "upstream=\"docker.io\""));
    }

    [Fact]
    public async Task Upstream_ThatCannotBeReached_IsCountedAsError()
    {
        await _registry.DisposeAsync();

        await _cache.GetManifestAsync("1");

        var metrics = await _cache.MetricsAsync();
        Assert.Equal(3, metrics.Sum("entrepot_upstream_requests_total", "kind=\"manifest\"", "code=\"error\""));
        Assert.Equal(3, metrics.Sum("entrepot_upstream_requests_total"));
        Assert.Equal(0, metrics.Sum("entrepot_upstream_bytes_total"));
    }
}
