using System.Text;
using Entrepot.FunctionalTests.Hostile;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Upstream;

namespace Entrepot.FunctionalTests.Edge;

/// <summary>What a request may look like, and which upstream it goes to.</summary>
public sealed class RequestTests : IAsyncLifetime
{
    private const string Hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    private readonly TestRegistry _hub = new();
    private readonly TestRegistry _quay = new();
    private Appliance _cache = null!;

    public async Task InitializeAsync() => _cache = await Appliance.StartAsync(_hub, new Setup
    {
        More = [new UpstreamOptions { Name = "quay.io", Urls = [_quay.Url], Hosts = ["quay.mirror.test"] }],
    });

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _hub.DisposeAsync();
        await _quay.DisposeAsync();
    }

    public static TheoryData<string, string> BadTargets => new()
    {
        { "/v2/Org/app/manifests/1", "NAME_INVALID" },
        { "/v2/org//app/manifests/1", "NAME_INVALID" },
        { "/v2/org/app-/manifests/1", "NAME_INVALID" },
        { "/v2/org/a..b/manifests/1", "NAME_INVALID" },
        { "/v2/org/%41pp/manifests/1", "NAME_INVALID" },
        { $"/v2/{new string('a', 256)}/manifests/1", "NAME_INVALID" },
        { $"/v2/Org/app/blobs/sha256:{Hex}", "NAME_INVALID" },
        { "/v2/Org/app/tags/list", "NAME_INVALID" },
        { "/v2/org/app/manifests/.hidden", "MANIFEST_INVALID" },
        { "/v2/org/app/manifests/-1", "MANIFEST_INVALID" },
        { "/v2/org/app/manifests/a%20b", "MANIFEST_INVALID" },
        { $"/v2/org/app/manifests/{new string('t', 129)}", "MANIFEST_INVALID" },
        { "/v2/org/app/manifests/sha256:123", "DIGEST_INVALID" },
        { "/v2/org/app/blobs/latest", "DIGEST_INVALID" },
        { $"/v2/org/app/blobs/sha256:{Hex.ToUpperInvariant()}", "DIGEST_INVALID" },
        { $"/v2/org/app/blobs/sha256:{Hex}0", "DIGEST_INVALID" },
        { $"/v2/org/app/blobs/md5:{Hex}", "DIGEST_INVALID" },
        { $"/v2/org/app/blobs/sha512:{Hex}", "DIGEST_INVALID" },
        { "/v2/org/app/referrers/sha256:123", "DIGEST_INVALID" },
    };

    [Theory]
    [MemberData(nameof(BadTargets))]
    public async Task BadGrammar_IsRefusedBeforeAnythingLooksAtIt(string target, string code)
    {
        (await RawClient.AskAsync(_cache.Url, "GET", target)).IsError(400, code);

        Assert.Equal(400, (await RawClient.AskAsync(_cache.Url, "HEAD", target)).Status);
        Assert.Empty(_hub.Log.All);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/v1/search")]
    [InlineData("/v2/org/app/nothing/here")]
    [InlineData("/v2/org/app")]
    public async Task UnknownPath_Is404InTheOciForm(string path)
    {
        var got = await _cache.GetAsync(path);

        Assert.Equal(404, got.Status);
        Assert.NotNull(got.ErrorCode);
        Assert.Empty(_hub.Log.All);
    }

    [Theory]
    [InlineData("POST", "/v2/org/app/blobs/uploads/")]
    [InlineData("PUT", "/v2/org/app/blobs/uploads/4d8a")]
    [InlineData("PATCH", "/v2/org/app/blobs/uploads/4d8a")]
    [InlineData("PUT", "/v2/org/app/manifests/1")]
    [InlineData("DELETE", "/v2/org/app/manifests/1")]
    [InlineData("DELETE", $"/v2/org/app/blobs/sha256:{Hex}")]
    public async Task Write_IsUnsupported(string method, string path)
    {
        (await _cache.SendAsync(new HttpMethod(method), path)).IsError(405, "UNSUPPORTED");
        Assert.Empty(_hub.Log.All);
    }

    [Theory]
    [InlineData("HeAD")]
    [InlineData("get")]
    [InlineData("Get")]
    public async Task Method_InOtherLetters_IsAnotherMethod(string method)
    {
        _hub.Content.AddImage("org/app", "1");

        (await RawClient.AskAsync(_cache.Url, method, "/v2/org/app/manifests/1")).IsError(405, "UNSUPPORTED");
        Assert.Equal(405, (await RawClient.AskAsync(_cache.Admin, method, "/metrics")).Status);
        Assert.Equal(405, (await RawClient.AskAsync(_cache.Admin, method, "/api/v1/status")).Status);
        Assert.Empty(_hub.Log.All);
    }

    [Theory]
    [InlineData("GET", 400, "Content-Length: 5\r\n")]
    [InlineData("HEAD", 400, "Content-Length: 5\r\n")]
    [InlineData("GET", 400, "Transfer-Encoding: chunked\r\n")]
    [InlineData("GET", 400, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")]
    [InlineData("POST", 405, "Content-Length: 5\r\n")]
    [InlineData("PUT", 405, "Transfer-Encoding: chunked\r\n")]
    [InlineData("GET", 400, "Content-Length\u000b: 5\r\n")]
    [InlineData("GET", 400, "Content-Lengt): 5\r\n")]
    [InlineData("PUT", 400, "Transfer-Encoding,: chunked\r\n")]
    public async Task Body_IsRefusedUnread_AndNothingBehindItIsARequest(string method, int status, string headers)
    {
        var image = _hub.Content.AddImage("org/app", "1");
        var request = $"{method} /v2/org/app/manifests/1 HTTP/1.1\r\nHost: a\r\n{headers}\r\n0\r\n\r\nGET /v2/org/app/manifests/{image.Manifest.Digest} HTTP/1.1\r\nHost: a\r\n\r\n";

        var answers = await StrictClient.SendAsync(_cache.Url, [Encoding.Latin1.GetBytes(request)], [method], 1, waitsForEnd: true);

        var answer = Assert.Single(answers);
        Assert.Equal((status, "close"), (answer.Status, answer.Header("Connection")));
        Assert.Empty(_hub.Log.All);
    }

    [Fact]
    public async Task Body_OfNoBytes_IsNone()
    {
        var image = _hub.Content.AddImage("org/app", "1");
        using var client = await RawClient.ConnectAsync(_cache.Url);

        Assert.Equal(200, (await client.SendAsync("GET", "/v2/org/app/manifests/1", ("Content-Length", "0"))).Status);
        await client.ReadAsync(image.Manifest.Bytes.Length);
        Assert.Equal(405, (await client.SendAsync("POST", "/v2/org/app/blobs/uploads/", ("Content-Length", "0"))).Status);
    }

    [Theory]
    [InlineData("GET /v2/ HTTP/1.1\nHost: a\n\n")]
    [InlineData("GET /v2/ HTTP/1.1\r\nHost: a\n\r\n")]
    [InlineData("GET /v2/ HTTP/1.1\r\nHost: a\r\n\n")]
    public async Task LineThatEndsWithLfAlone_IsRefused(string request)
    {
        foreach (var server in (Uri[])[_cache.Url, _cache.Admin])
        {
            var answer = Assert.Single(await StrictClient.SendAsync(server, [Encoding.Latin1.GetBytes(request)], ["GET"], 1, waitsForEnd: true));
            Assert.Equal((400, "close"), (answer.Status, answer.Header("Connection")));
        }
    }

    [Fact]
    public async Task RootMirror_OneSegment_IsCompletedWithLibrary()
    {
        var image = _hub.Content.AddImage("library/alpine", "3.20");

        (await _cache.GetManifestAsync("3.20", "alpine")).Is(image.Manifest.Bytes);
        (await _cache.GetManifestAsync("3.20", "library/alpine")).Is(image.Manifest.Bytes);
        (await _cache.GetAsync(Appliance.PathOf(image.Config.Digest, "alpine"))).Is(image.Config.Bytes);

        Assert.All(_hub.Log.All, request => Assert.StartsWith("/v2/library/alpine/", request.Path, StringComparison.Ordinal));
        Assert.Equal(1, _hub.Log.Count(Ask.Manifest));
    }

    [Fact]
    public async Task Ns_SelectsItsUpstream_AndIsConfirmed()
    {
        var image = _quay.Content.AddImage("app", "1");

        var manifest = await _cache.GetAsync("/v2/app/manifests/1?ns=quay.io");
        var blob = await _cache.GetAsync(Appliance.PathOf(image.Config.Digest, "app") + "?ns=quay.io");

        manifest.Is(image.Manifest.Bytes);
        blob.Is(image.Config.Bytes);
        Assert.Equal("quay.io", manifest.Header("OCI-Namespace"));
        Assert.Equal("quay.io", blob.Header("OCI-Namespace"));
        Assert.All(_quay.Log.All, request => Assert.Empty(request.Query));
        Assert.Empty(_hub.Log.All);
    }

    [Fact]
    public async Task Ns_DockerIo_IsCompletedWithLibrary()
    {
        var image = _hub.Content.AddImage("library/alpine", "1");

        var got = await _cache.GetAsync("/v2/alpine/manifests/1?ns=docker.io");

        got.Is(image.Manifest.Bytes);
        Assert.Equal("docker.io", got.Header("OCI-Namespace"));
    }

    [Fact]
    public async Task Ns_Absent_IsNotConfirmed()
    {
        _hub.Content.AddImage("org/app", "1");

        Assert.Null((await _cache.GetManifestAsync("1")).Header("OCI-Namespace"));
    }

    [Theory]
    [InlineData("evil.example.com")]
    [InlineData("127.0.0.1")]
    [InlineData("%00")]
    public async Task Ns_NotConfigured_IsUnknown(string ns)
    {
        (await _cache.GetAsync($"/v2/org/app/manifests/1?ns={ns}")).IsError(404, "NAME_UNKNOWN");
        Assert.Empty(_hub.Log.All);
    }

    [Fact]
    public async Task HostPrefixedPath_SelectsItsUpstream()
    {
        var image = _quay.Content.AddImage("org/app", "1");

        (await _cache.GetManifestAsync("1", "quay.io/org/app")).Is(image.Manifest.Bytes);
        (await _cache.GetAsync(Appliance.PathOf(image.Config.Digest, "quay.io/org/app"))).Is(image.Config.Bytes);

        Assert.All(_quay.Log.All, request => Assert.StartsWith("/v2/org/app/", request.Path, StringComparison.Ordinal));
        Assert.Empty(_hub.Log.All);
    }

    [Fact]
    public async Task HostHeader_SelectsItsUpstream_UnlessSomethingNearerDoes()
    {
        var image = _quay.Content.AddImage("org/app", "1");
        var other = _hub.Content.AddImage("org/app", "1");

        var byHost = await RawClient.AskAsync(_cache.Url, "GET", "/v2/org/app/manifests/1", "quay.mirror.test");
        var byNs = await RawClient.AskAsync(_cache.Url, "GET", "/v2/org/app/manifests/1?ns=docker.io", "quay.mirror.test");

        byHost.Is(image.Manifest.Bytes);
        byNs.Is(other.Manifest.Bytes);
    }

    [Fact]
    public async Task SameTag_OfTwoUpstreams_IsNotMixedUp()
    {
        var hub = _hub.Content.AddImage("org/app", "1", TestBlob.Random(100, seed: 90));
        var quay = _quay.Content.AddImage("org/app", "1", TestBlob.Random(100, seed: 91));

        foreach (var _ in Enumerable.Range(0, 2))
        {
            (await _cache.GetManifestAsync("1")).Is(hub.Manifest.Bytes);
            (await _cache.GetAsync("/v2/org/app/manifests/1?ns=quay.io")).Is(quay.Manifest.Bytes);
        }
    }
}
