using System.Text.Json;
using Entrepot.Oci;
using Entrepot.Pull;
using Microsoft.AspNetCore.Http;

namespace Entrepot.FunctionalTests.Upstream;

public sealed class ListTests : UpstreamTest
{
    private const string Sbom = "{\"mediaType\":\"m\",\"artifactType\":\"sbom\"}";
    private const string Signature = "{\"mediaType\":\"m\",\"artifactType\":\"sig\",\"annotations\":{\"a\":\"b\"}}";

    private static readonly Reference Subject = SomeTag.At(SomeDigest);

    private static readonly FindManifest NothingIsStored = (_, _) => default;

    [Fact]
    public async Task ListTags_PageWithLink_HasMore()
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers.Link = "</v2/team/app/tags/list?n=2&last=b>; rel=\"next\"";
            return SendAsync(context, 200, "{\"name\":\"team/app\",\"tags\":[\"a\",\"b\"]}");
        });

        var page = (await Connect(registry.Address).ListTagsAsync("team/app", 2, "0_", default)).Value!;

        Assert.Equal(["a", "b"], page.Tags);
        Assert.True(page.HasMore);
        Assert.Equal("/v2/team/app/tags/list?n=2&last=0_", Assert.Single(registry.Requests).Target);
    }

    [Theory]
    [InlineData(404, "", "NAME_UNKNOWN")]
    [InlineData(200, "<html>", "UNAVAILABLE")]
    [InlineData(200, "{\"tags\":7}", "UNAVAILABLE")]
    public async Task ListTags_NoList_IsTold(int status, string content, string code)
    {
        var registry = await ServeAsync(context => SendAsync(context, status, content));

        Assert.Equal(code, (await Connect(registry.Address).ListTagsAsync("team/app", null, null, default)).Error?.Code);
    }

    [Fact]
    public async Task ListReferrers_Pages_AreJoined()
    {
        var registry = await ServeAsync(context =>
        {
            if (context.Request.Query["page"] == "2") return IndexAsync(context, Sbom);
            context.Response.Headers.Link = $"<{context.Request.Path}?page=2>; rel=\"next\"";
            return IndexAsync(context, Signature);
        });

        var list = (await Connect(registry.Address).ListReferrersAsync(Subject, null, NothingIsStored, default)).Value!;

        Assert.Equal([Signature, Sbom], Descriptors(list.Content));
        Assert.False(list.Filtered);
        Assert.Equal($"/v2/team/app/referrers/{SomeDigest}", registry.Requests[0].Target);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ListReferrers_OfOneType_AreFilteredByWhoeverCan(bool upstreamFilters)
    {
        var registry = await ServeAsync(context =>
        {
            if (!upstreamFilters) return IndexAsync(context, $"{Signature},{Sbom}");
            context.Response.Headers["OCI-Filters-Applied"] = "artifactType";
            return IndexAsync(context, Sbom);
        });

        var list = (await Connect(registry.Address).ListReferrersAsync(Subject, "sbom", NothingIsStored, default)).Value!;

        Assert.Equal([Sbom], Descriptors(list.Content));
        Assert.True(list.Filtered);
        Assert.EndsWith("?artifactType=sbom", registry.Requests[0].Target, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(404, null)]
    [InlineData(405, null)]
    [InlineData(200, "text/html")]
    [InlineData(404, "text/html")]
    public async Task ListReferrers_NoApi_AreReadFromTheTag(int status, string? type)
    {
        var registry = await ServeAsync(context => context.Request.Path.Value!.Contains("/manifests/", StringComparison.Ordinal)
            ? IndexAsync(context, $"{Signature},{Sbom}")
            : SendAsync(context, status, "", type));

        var list = (await Connect(registry.Address).ListReferrersAsync(Subject, "sig", NothingIsStored, default)).Value!;

        Assert.Equal([Signature], Descriptors(list.Content));
        Assert.True(list.Filtered);
        Assert.Equal($"/v2/team/app/manifests/sha256-{SomeDigest.Hex}", registry.Requests[^1].Target);
    }

    [Fact]
    public async Task ListReferrers_TagThatMeansWhatIsStored_IsAskedByHeadAlone()
    {
        var stored = System.Text.Encoding.UTF8.GetBytes($"{{\"schemaVersion\":2,\"manifests\":[{Signature},{Sbom}]}}");
        var digest = Digest.Of(stored);
        var registry = await ServeAsync(context =>
        {
            if (context.Request.Path.Value!.Contains("/referrers/", StringComparison.Ordinal)) return SendAsync(context, 404);
            context.Response.Headers["Docker-Content-Digest"] = digest.ToString();
            return IndexAsync(context, Sbom);
        });

        var list = (await Connect(registry.Address).ListReferrersAsync(
            Subject, null, (wanted, _) => new(wanted == digest ? stored : default(ReadOnlyMemory<byte>?)), default)).Value!;

        Assert.Equal([Signature, Sbom], Descriptors(list.Content));
        Assert.Equal(["GET", "HEAD"], registry.Requests.Select(request => request.Method));
    }

    [Fact]
    public async Task ListReferrers_NoApiAndNoTag_AreNone()
    {
        var registry = await ServeAsync(context => SendAsync(context, 404));

        Assert.Empty(Descriptors((await Connect(registry.Address).ListReferrersAsync(Subject, null, NothingIsStored, default)).Value!.Content));
    }

    [Theory]
    [InlineData(null, null)]           // of the tag a registry speaks: one whose router answers unknown paths for people
    [InlineData("text/html", 502)]
    public async Task ListReferrers_PageWithStatus404AndNoTag_AreNoneIfARegistrySaysSo(string? type, int? expected)
    {
        var registry = await ServeAsync(context => SendAsync(context, 404, "", context.Request.Path.Value!.Contains("/manifests/", StringComparison.Ordinal) ? type : "text/html"));

        Assert.Equal(expected, (await Connect(registry.Address).ListReferrersAsync(Subject, null, NothingIsStored, default)).Error?.Status);
    }

    [Fact]
    public async Task ListReferrers_PageForPeopleAndNoTag_AreNotTakenForNone()
    {
        var registry = await ServeAsync(context => context.Request.Path.Value!.Contains("/manifests/", StringComparison.Ordinal)
            ? SendAsync(context, 404)
            : SendAsync(context, 200, "<html>", "text/html"));

        Assert.Equal(502, (await Connect(registry.Address).ListReferrersAsync(Subject, null, NothingIsStored, default)).Error?.Status);
    }

    [Fact]
    public async Task ListReferrers_Sha512WithoutApi_AsksForTheTagWith64Digits()
    {
        var registry = await ServeAsync(context => SendAsync(context, 404));
        var digest = Digest.Parse("sha512:" + new string('a', 64) + new string('b', 64));

        await Connect(registry.Address).ListReferrersAsync(SomeTag.At(digest), null, NothingIsStored, default);

        Assert.Equal("/v2/team/app/manifests/sha512-" + new string('a', 64), registry.Requests[^1].Target);
    }

    [Theory]
    [InlineData(503, "", 503)]
    [InlineData(403, "", 403)]
    [InlineData(200, "garbage", 502)]
    public async Task ListReferrers_Failure_IsNotTakenForNone(int status, string content, int expected)
    {
        var registry = await ServeAsync(context => SendAsync(context, status, content));

        Assert.Equal(expected, (await Connect(registry.Address).ListReferrersAsync(Subject, null, NothingIsStored, default)).Error?.Status);
    }

    [Fact]
    public async Task ListReferrers_PagesWithoutEnd_AreBounded()
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers.Link = $"<{context.Request.Path}>; rel=next";
            return IndexAsync(context, Sbom);
        });

        Assert.Equal(502, (await Connect(registry.Address).ListReferrersAsync(Subject, null, NothingIsStored, default)).Error?.Status);
        Assert.Equal(50, registry.Requests.Count);
    }

    [Theory]
    [InlineData("http://elsewhere.invalid/v2/x")]
    [InlineData("/not/the/api")]
    public async Task ListReferrers_NextPageElsewhere_IsNotAsked(string next)
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers.Link = $"<{next}>; rel=next";
            return IndexAsync(context, Sbom);
        });

        Assert.Equal(502, (await Connect(registry.Address).ListReferrersAsync(Subject, null, NothingIsStored, default)).Error?.Status);
        Assert.Single(registry.Requests);
    }

    private static Task IndexAsync(HttpContext context, string descriptors) =>
        SendAsync(context, 200, $"{{\"schemaVersion\":2,\"manifests\":[{descriptors}]}}", MediaTypes.OciIndex);

    private static string[] Descriptors(ReadOnlyMemory<byte> index)
    {
        using var document = JsonDocument.Parse(index);
        return [.. document.RootElement.GetProperty("manifests").EnumerateArray().Select(entry => entry.GetRawText())];
    }
}
