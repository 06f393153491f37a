using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;
using Entrepot.Upstream;

namespace Entrepot.FunctionalTests.Edge;

/// <summary>Lists: of tags, of repositories, of referrers.</summary>
public sealed class ListTests : IAsyncLifetime
{
    private readonly TestRegistry _registry = new();
    private readonly TestRegistry _quay = new();
    private Appliance _cache = null!;

    public async Task InitializeAsync() => _cache = await Appliance.StartAsync(_registry, new Setup
    {
        More = [new UpstreamOptions { Name = "quay.io", Urls = [_quay.Url] }],
    });

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
        await _quay.DisposeAsync();
    }

    [Theory]
    [InlineData("", "a,b,c,d", null)]
    [InlineData("?n=2", "a,b", "</v2/org/app/tags/list?n=2&last=b>; rel=\"next\"")]
    [InlineData("?n=2&last=b", "c,d", null)]
    [InlineData("?last=a&n=1", "b", "</v2/org/app/tags/list?n=1&last=b>; rel=\"next\"")]
    [InlineData("?n=100", "a,b,c,d", null)]
    [InlineData("?last=c", "d", null)]
    public async Task Tags_Paged_LinkToTheCacheItself(string query, string tags, string? link)
    {
        foreach (var tag in (string[])["a", "b", "c", "d"]) _registry.Content.AddImage("org/app", tag);

        var got = await _cache.GetAsync($"/v2/org/app/tags/list{query}");

        Assert.Equal(200, got.Status);
        Assert.Equal("application/json", got.Header("Content-Type")!.Split(';')[0]);
        Assert.Equal("org/app", (string?)got.Json["name"]);
        Assert.Equal(tags, string.Join(',', got.Json["tags"]!.AsArray().Select(tag => (string?)tag)));
        Assert.Equal(link, got.Header("Link"));
    }

    [Fact]
    public async Task Tags_LargerPageThanTheLimit_NamesTheOption()
    {
        await using var cache = await Appliance.StartAsync(_registry, new Setup { Options = options => options with { TagListBytes = 64 << 10 } });
        var image = _registry.Content.AddImage("org/app", "first");
        for (var i = 0; i < 600; i++) _registry.Content.AddManifest("org/app", $"{i:d120}", image.Manifest.Bytes, image.Manifest.MediaType);

        var got = await cache.GetAsync("/v2/org/app/tags/list");

        Assert.Equal(502, got.Status);
        Assert.Contains("limits.tagList", (string?)got.Json["errors"]![0]!["detail"], StringComparison.Ordinal);
        Assert.Equal(200, (await cache.GetAsync("/v2/org/app/tags/list?n=100")).Status);
    }

    [Theory]
    [InlineData("/v2/quay.io/org/app/tags/list")]
    [InlineData("/v2/org/app/tags/list?ns=quay.io")]
    public async Task Tags_OfAnotherUpstream_CanBeFollowedByTheirLinks(string path)
    {
        foreach (var tag in (string[])["a", "b", "c"]) _quay.Content.AddImage("org/app", tag);

        var seen = new List<string?>();
        for (var next = path + (path.Contains('?', StringComparison.Ordinal) ? "&n=1" : "?n=1"); next is not null;)
        {
            var got = await _cache.GetAsync(next);
            seen.AddRange(got.Json["tags"]!.AsArray().Select(tag => (string?)tag));
            var link = got.Header("Link");
            next = link?[1..link.IndexOf('>', StringComparison.Ordinal)];
            Assert.StartsWith(path.Split('?')[0], next ?? path, StringComparison.Ordinal);
            Assert.True(seen.Count <= 3);
        }

        Assert.Equal(["a", "b", "c"], seen);
        Assert.Empty(_registry.Log.All);
    }

    [Fact]
    public async Task Catalog_ListsWhatIsCached_InPages()
    {
        foreach (var repository in (string[])["org/a", "org/b", "org/c", "org/never-pulled"])
        {
            var image = _registry.Content.AddImage(repository, "1");
            if (!repository.EndsWith("pulled", StringComparison.Ordinal)) await _cache.PullAsync(image);
        }

        var all = Repositories(await _cache.GetAsync("/v2/_catalog"));
        var first = await _cache.GetAsync("/v2/_catalog?n=2");
        var link = first.Header("Link")!;
        var second = await _cache.GetAsync(link[1..link.IndexOf('>', StringComparison.Ordinal)]);

        Assert.Equal(3, all.Count);
        foreach (var name in all) Assert.Equal(200, (await _cache.GetManifestAsync("1", name)).Status);
        Assert.Equal(all, Repositories(first).Concat(Repositories(second)));
        Assert.StartsWith("</v2/_catalog?", link, StringComparison.Ordinal);
        Assert.EndsWith("; rel=\"next\"", link, StringComparison.Ordinal);
        Assert.Null(second.Header("Link"));
    }

    [Fact]
    public async Task Catalog_OfAnEmptyCache_IsEmpty()
    {
        var got = await _cache.GetAsync("/v2/_catalog");

        Assert.Equal(200, got.Status);
        Assert.Empty(Repositories(got));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Referrers_WithAndWithoutTheApi_AreListedAndFiltered(bool api)
    {
        var image = _registry.Content.AddImage("org/app", "1");
        var sbom = _registry.Content.AddReferrer("org/app", image.Manifest, "application/spdx+json");
        var signature = _registry.Content.AddReferrer("org/app", image.Manifest, "application/vnd.dev.sigstore.bundle");
        _registry.HasReferrers = api;
        if (!api) _registry.Content.AddIndex("org/app", image.Manifest.Digest.ToString().Replace(':', '-'), sbom, signature);

        var all = await _cache.GetAsync($"/v2/org/app/referrers/{image.Manifest.Digest}");
        var filtered = await _cache.GetAsync($"/v2/org/app/referrers/{image.Manifest.Digest}?artifactType=application/spdx%2Bjson");

        Assert.Equal((200, MediaTypes.OciIndex), (all.Status, all.Header("Content-Type")));
        Assert.Equal(Sorted(sbom, signature), Digests(all));
        Assert.Null(all.Header("OCI-Filters-Applied"));
        Assert.Equal(200, filtered.Status);
        Assert.Equal(Sorted(sbom), Digests(filtered));
        Assert.Equal("artifactType", filtered.Header("OCI-Filters-Applied"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Referrers_OfWhatNobodyRefersTo_AreAnEmptyList(bool api)
    {
        _registry.HasReferrers = api;
        var digest = Digest.Of("nobody"u8);

        var got = await _cache.GetAsync($"/v2/org/app/referrers/{digest}");

        Assert.Equal((200, MediaTypes.OciIndex), (got.Status, got.Header("Content-Type")));
        Assert.Equal(2, (int?)got.Json["schemaVersion"]);
        Assert.Empty(Digests(got));
    }

    private static IEnumerable<string> Sorted(params TestManifest[] manifests) =>
        manifests.Select(manifest => manifest.Digest.ToString()).Order(StringComparer.Ordinal);

    private static IEnumerable<string> Digests(Got got) =>
        got.Json["manifests"]!.AsArray().Select(entry => (string)entry!["digest"]!).Order(StringComparer.Ordinal);

    private static List<string> Repositories(Got got) => [.. got.Json["repositories"]!.AsArray().Select(name => (string)name!)];
}
