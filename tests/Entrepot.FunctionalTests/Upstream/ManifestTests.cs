using System.IO.Compression;
using System.Net;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Upstream;
using Microsoft.AspNetCore.Http;

namespace Entrepot.FunctionalTests.Upstream;

public sealed class ManifestTests : UpstreamTest
{
    [Fact]
    public async Task GetManifest_Known_IsWhatWasSent()
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers["Docker-Content-Digest"] = $"{SomeDigest}";
            return SendAsync(context, 200, "content", "application/vnd.oci.image.manifest.v1+json; charset=utf-8");
        });

        var manifest = (await Connect(registry.Address).GetManifestAsync(SomeTag, default)).Value!;

        Assert.Equal("content"u8.ToArray(), manifest.Content.ToArray());
        Assert.Equal("application/vnd.oci.image.manifest.v1+json; charset=utf-8", manifest.MediaType);
        Assert.Equal(SomeDigest, manifest.Digest);
        var asked = Assert.Single(registry.Requests);
        Assert.Equal("/v2/team/app/manifests/1.0", asked.Target);
        Assert.All(MediaTypes.Accepted, type => Assert.Contains(type, asked.Header("Accept"), StringComparison.Ordinal));
        Assert.Equal("identity", asked.Header("Accept-Encoding"));
    }

    [Fact]
    public async Task GetManifest_NothingToldAboutIt_HasNulls()
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers["Docker-Content-Digest"] = "sha256:short";
            return SendAsync(context, 200, "content");
        });

        var manifest = (await Connect(registry.Address).GetManifestAsync(SomeTag, default)).Value!;

        Assert.Null(manifest.MediaType);
        Assert.Null(manifest.Digest);
    }

    [Theory]
    [InlineData(ManifestLimit, true)]
    [InlineData(ManifestLimit + 1, false)]
    public async Task GetManifest_SizeUntold_IsBoundedWhileReading(int size, bool fits)
    {
        var registry = await ServeAsync(context => context.Response.WriteAsync(new string(' ', size)));

        var answer = await Connect(registry.Address).GetManifestAsync(SomeTag, default);

        Assert.Equal(fits, answer.Value is not null);
        if (fits) return;
        Assert.Equal(502, answer.Error?.Status);
        Assert.Contains("4096", answer.Error?.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1000, true)]
    [InlineData(1_000_000, false)]
    public async Task GetManifest_GzipAllTheSame_IsDecodedAndThenBounded(int size, bool fits)
    {
        var registry = await ServeAsync(async context =>
        {
            context.Response.Headers.ContentEncoding = "gzip";
            await using var encoder = new GZipStream(context.Response.Body, CompressionLevel.Fastest);
            await encoder.WriteAsync(new byte[size]);
        });

        var answer = await Connect(registry.Address).GetManifestAsync(SomeTag, default);

        Assert.Equal(fits ? size : null, answer.Value?.Content.Length);
        Assert.Equal(fits ? null : 502, answer.Error?.Status);
    }

    [Fact]
    public async Task GetManifest_ConnectionEndsTooEarly_IsDown()
    {
        var registry = ServeRaw("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789");

        Assert.Equal(503, (await Connect(registry.Address).GetManifestAsync(SomeTag, default)).Error?.Status);
    }

    [Fact]
    public async Task GetManifest_BodyFallsSilent_IsSilent()
    {
        var registry = ServeRaw("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789", isSilentAfterwards: true);
        var upstream = Connect(
            new UpstreamOptions { Name = "test", Urls = [registry.Address] }, Times with { Stall = TimeSpan.FromMilliseconds(100) });

        var error = (await upstream.GetManifestAsync(SomeTag, default)).Error;

        Assert.Equal(504, error?.Status);
        Assert.Contains("sent nothing", error?.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HeadManifest_Known_TellsWhatWasTold()
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers["Docker-Content-Digest"] = $"{SomeDigest}";
            return SendAsync(context, 200, "content", MediaTypes.OciIndex);
        });

        var answer = await Connect(registry.Address).HeadManifestAsync(SomeTag.At(SomeDigest), default);

        Assert.Equal(new ManifestInfo(SomeDigest, MediaTypes.OciIndex, 7), answer.Value);
        Assert.Equal(("HEAD", $"/v2/team/app/manifests/{SomeDigest}"), (registry.Requests[0].Method, registry.Requests[0].Target));
    }

    [Theory]
    [InlineData(405, null)]
    [InlineData(405, "text/html")]     // as nginx says it
    [InlineData(501, null)]
    public async Task HeadManifest_RegistryWithoutHead_TellsNothing(int status, string? type)
    {
        var registry = await ServeAsync(context => SendAsync(context, status, "", type));

        Assert.Equal(new ManifestInfo(null, null, null), (await Connect(registry.Address).HeadManifestAsync(SomeTag, default)).Value);
    }

    [Fact]
    public async Task HeadManifest_Unknown_IsManifestUnknown()
    {
        var registry = await ServeAsync(context => SendAsync(context, 404));

        Assert.Equal(RegistryError.ManifestUnknown, (await Connect(registry.Address).HeadManifestAsync(SomeTag, default)).Error);
    }

    [Theory]
    [InlineData(404, "text/html", 502)]
    [InlineData(404, "Text/HTML; charset=utf-8", 502)]
    [InlineData(404, "application/json", 404)]
    [InlineData(404, "text/plain; charset=utf-8", 502)]   // as Kubernetes' routers say it, of a registry that is away
    [InlineData(403, "text/html", 502)]
    [InlineData(403, "application/json", 403)]
    public async Task Manifest_RefusedWithAPage_IsNotARegistrysWord(int status, string type, int expected)
    {
        var registry = await ServeAsync(context => SendAsync(context, status, "<html>", type));
        var upstream = Connect(registry.Address);

        Assert.Equal(expected, (await upstream.HeadManifestAsync(SomeTag, default)).Error?.Status);
        Assert.Equal(expected, (await upstream.GetManifestAsync(SomeTag, default)).Error?.Status);
    }

    [Fact]
    public async Task Manifest_RefusedInPlainTextByARegistry_IsItsWord()
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers["Docker-Distribution-Api-Version"] = "registry/2.0";
            return SendAsync(context, 404, "404 page not found", "text/plain");
        });
        var upstream = Connect(registry.Address);

        Assert.Equal(404, (await upstream.HeadManifestAsync(SomeTag, default)).Error?.Status);
        Assert.Equal(404, (await upstream.GetManifestAsync(SomeTag, default)).Error?.Status);
    }

    [Fact]
    public async Task Manifest_AccountRefusedWithAPage_IsARegistrysWord()
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers.WWWAuthenticate = "Basic realm=\"registry\"";
            return SendAsync(context, 401, "<html>", "text/html");     // as nginx says it
        });

        Assert.Equal(401, (await Connect(registry.Address).HeadManifestAsync(SomeTag, default)).Error?.Status);
    }

    [Theory]
    [InlineData("this is not HTTP at all\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nno colon here\r\n\r\n")]
    public async Task GetManifest_NotHttp_IsBadGatewayAtOnce(string answer)
    {
        var registry = ServeRaw(answer);

        Assert.Equal(502, (await Connect(registry.Address).GetManifestAsync(SomeTag, default)).Error?.Status);
    }

    [Fact]
    public async Task GetManifest_ThroughAProxy_AsksIt()
    {
        var proxy = await ServeAsync(context => SendAsync(context, 200, "content"));
        var options = new UpstreamOptions { Name = "test", Urls = [new Uri("http://registry.invalid")] };

        var answer = await Connect(options, proxy: new WebProxy(proxy.Address)).GetManifestAsync(SomeTag, default);

        Assert.NotNull(answer.Value);
        Assert.Equal("http://registry.invalid/v2/team/app/manifests/1.0", Assert.Single(proxy.Requests).Target);
    }

    [Fact]
    public async Task GetManifest_ProxyThatCannotBeUsed_IsDown()
    {
        var options = new UpstreamOptions { Name = "test", Urls = [new Uri("http://registry.invalid")] };

        var answer = await Connect(options, proxy: new WebProxy(new Uri("ftp://127.0.0.1:1"))).GetManifestAsync(SomeTag, default);

        Assert.Equal(503, answer.Error?.Status);
    }
}
