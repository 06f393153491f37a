using Entrepot.Pull;
using Entrepot.Upstream;
using Microsoft.AspNetCore.Http;

namespace Entrepot.FunctionalTests.Upstream;

public sealed class RedirectTests : UpstreamTest
{
    [Fact]
    public async Task OpenBlob_RedirectToAnotherHost_GoesThereWithoutAuthorization()
    {
        var network = await ServeAsync(context => SendAsync(context, 200, "blob"));
        var registry = await RegistryAsync(_ => network.Address + "signed?a=b");

        var blob = await Connect(Options(registry)).OpenBlobAsync(SomeBlob, BlobPart.Whole, default);

        Assert.Equal("blob", await ReadAsync(blob.Value));
        var asked = Assert.Single(network.Requests);
        Assert.Equal("/signed?a=b", asked.Target);
        Assert.Null(asked.Header("Authorization"));
        Assert.NotNull(registry.Requests[^1].Header("Authorization"));
    }

    [Fact]
    public async Task OpenBlob_RedirectWithinTheRegistry_KeepsAuthorization()
    {
        var registry = await RegistryAsync(request => request.Path == "/elsewhere" ? null : "/elsewhere");

        var blob = await Connect(Options(registry)).OpenBlobAsync(SomeBlob, BlobPart.Whole, default);

        Assert.Equal("here", await ReadAsync(blob.Value));
        Assert.NotNull(registry.Requests[^1].Header("Authorization"));
    }

    [Fact]
    public async Task OpenBlob_RangeAcrossARedirect_IsAskedThere()
    {
        var network = await ServeAsync(context =>
        {
            context.Response.Headers.ContentRange = "bytes 2-3/4";
            return SendAsync(context, 206, "ob");
        });
        var registry = await RegistryAsync(_ => network.Address.ToString());

        var blob = await Connect(Options(registry)).OpenBlobAsync(SomeBlob, new BlobPart(2) { Validator = "\"tag\"" }, default);

        Assert.Equal("ob", await ReadAsync(blob.Value));
        Assert.Equal(("bytes=2-", "\"tag\""), (network.Requests[0].Header("Range"), network.Requests[0].Header("If-Range")));
    }

    [Fact]
    public async Task OpenBlob_Twice_AsksTheRegistryForTheAddressTwice()
    {
        var signatures = 0;
        var network = await ServeAsync(context => SendAsync(context, 200, "blob"));
        var registry = await RegistryAsync(_ => $"{network.Address}{++signatures}");
        var upstream = Connect(Options(registry));

        await ReadAsync((await upstream.OpenBlobAsync(SomeBlob, BlobPart.Whole, default)).Value);
        await ReadAsync((await upstream.OpenBlobAsync(SomeBlob, BlobPart.Whole, default)).Value);

        Assert.Equal(["/1", "/2"], network.Requests.Select(request => request.Target));
    }

    [Fact]
    public async Task OpenBlob_SignatureRefused_IsResolvedAnewOnce()
    {
        var signatures = 0;
        var network = await ServeAsync(context => SendAsync(context, context.Request.Path == "/1" ? 403 : 200, "blob"));
        var registry = await RegistryAsync(_ => $"{network.Address}{++signatures}");

        var blob = await Connect(Options(registry)).OpenBlobAsync(SomeBlob, BlobPart.Whole, default);

        Assert.Equal("blob", await ReadAsync(blob.Value));
        Assert.Equal(2, signatures);
    }

    [Fact]
    public async Task OpenBlob_EverySignatureRefused_IsBadGateway()
    {
        var network = await ServeAsync(context => SendAsync(context, 403));
        var registry = await RegistryAsync(_ => network.Address.ToString());

        var answer = await Connect(Options(registry)).OpenBlobAsync(SomeBlob, BlobPart.Whole, default);

        Assert.Equal(502, answer.Error?.Status);
        Assert.Contains("403", answer.Error?.Detail, StringComparison.Ordinal);
        Assert.Equal(2, network.Requests.Count);
    }

    [Theory]
    [InlineData("/v2/again", "more than 5 redirects")]
    [InlineData("file:///etc/passwd", "else than http")]
    [InlineData("http://[broken", "where to")]
    [InlineData("", "where to")]
    public async Task GetManifest_RedirectThatLeadsNowhere_IsBadGateway(string location, string why)
    {
        var registry = await ServeAsync(context =>
        {
            if (location.Length > 0) context.Response.Headers.Location = location;
            return SendAsync(context, 307);
        });

        var answer = await Connect(registry.Address).GetManifestAsync(SomeTag, default);

        Assert.Equal(502, answer.Error?.Status);
        Assert.Contains(why, answer.Error?.Detail, StringComparison.Ordinal);
        Assert.InRange(registry.Requests.Count, 1, 6);
    }

    [Fact]
    public async Task OpenBlob_ContentNetworkDown_LeavesTheRegistryUp()
    {
        var registry = await RegistryAsync(_ => Nowhere().ToString());
        var upstream = Connect(Options(registry));

        for (var i = 0; i < 3; i++)
            Assert.Equal(503, (await upstream.OpenBlobAsync(SomeBlob, BlobPart.Whole, default)).Error?.Status);

        Assert.False(upstream.IsDown);
    }

    private static UpstreamOptions Options(LoopbackServer registry) =>
        new() { Name = "test", Urls = [registry.Address], Username = "joe", Password = "secret" };

    // Wants a password, and then sends the client where the test says; null answers with content.
    private Task<LoopbackServer> RegistryAsync(Func<HttpRequest, string?> location) => ServeAsync(context =>
    {
        if (context.Request.Headers.Authorization.Count == 0)
        {
            context.Response.Headers.WWWAuthenticate = "Basic";
            return SendAsync(context, 401);
        }
        if (location(context.Request) is not { } target) return SendAsync(context, 200, "here");
        context.Response.Headers.Location = target;
        return SendAsync(context, 307);
    });
}
