using System.Net;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;
using Entrepot.Upstream;

namespace Entrepot.FunctionalTests.Admin;

public sealed class ListTests
{
    [Fact]
    public async Task List_AfterPulls_TellsEachImageOnceWithItsTagsAndBlobs()
    {
        await using var registry = new TestRegistry();
        await using var other = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, With(other));
        var layer = TestBlob.Random(10_000, seed: 1);
        var app = registry.Content.AddImage("org/app", "v1", layer);
        registry.Content.AddManifest("org/app", "latest", app.Manifest.Bytes, app.Manifest.MediaType);
        await cache.PullAsync(app);
        await cache.GetManifestAsync("latest");
        var tool = other.Content.AddImage("org/tool", "v2", TestBlob.Random(20_000, seed: 2));
        await PullFromAsync(cache, "ghcr.io/", tool);

        var images = (await cache.ListAsync()).Images;

        Assert.Equal(["docker.io/org/app latest,v1", "ghcr.io/org/tool v2"],
            images.Select(image => $"{image["upstream"]}/{image["repository"]} {string.Join(',', image["tags"]!.AsArray())}"));
        var first = images[0];
        Assert.Equal((app.Manifest.Digest.ToString(), MediaTypes.OciManifest), ((string?)first["digest"], (string?)first["mediaType"]));
        Assert.Equal((true, false), ((bool)first["complete"]!, (bool)first["pinned"]!));
        Assert.Equal(app.Manifest.Bytes.Length + app.Config.Size + layer.Size, (long)first["size"]!);
        Assert.Equal(
            new[] { app.Manifest.Digest, app.Config.Digest, layer.Digest }.Select(digest => digest.ToString()).Order(),
            first["blobs"]!.AsArray().Select(blob => (string)blob!).Order());
        Assert.True(first.AsObject().TryGetPropertyValue("set", out var set) && set is null);
        Assert.InRange((DateTimeOffset)first["lastPull"]!, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddMinutes(1));
    }

    [Fact]
    public async Task List_IndexWithOnePlatformPulled_IsCompleteAndHidesItsChildren()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var (index, amd, arm) = AddIndex(registry);
        await cache.GetManifestAsync("multi");

        Assert.False((bool)Assert.Single((await cache.ListAsync()).Images)["complete"]!);

        await cache.PullAsync(amd with { Tag = amd.Manifest.Digest.ToString() });
        await cache.GetManifestAsync(arm.Manifest.Digest.ToString());
        var image = Assert.Single((await cache.ListAsync()).Images);

        Assert.Equal((index.Digest.ToString(), true), ((string?)image["digest"], (bool)image["complete"]!));
        Assert.Equal(5, image["blobs"]!.AsArray().Count);   // index, two manifests, config and layer of one
    }

    [Fact]
    public async Task List_PulledByDigest_IsAnImageWithoutTags()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var (index, amd, _) = AddIndex(registry);
        await cache.GetManifestAsync(index.Digest.ToString());
        await cache.PullAsync(amd with { Tag = amd.Manifest.Digest.ToString() });

        var image = Assert.Single((await cache.ListAsync()).Images);

        Assert.Equal(index.Digest.ToString(), (string?)image["digest"]);
        Assert.Empty(image["tags"]!.AsArray());
    }

    [Theory]
    [InlineData("org/app:v1", "v1")]
    [InlineData("docker.io/org/app:v2", "v2")]
    [InlineData("docker.io/org/*", "v1,v2,x1")]
    [InlineData("docker.io/org/app:v*", "v1,v2")]
    [InlineData("*:x1", "x1")]
    [InlineData("docker.io/org/none", "")]
    public async Task List_WithAReference_TellsWhatMatches(string reference, string tags)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        foreach (var (repository, tag) in new[] { ("org/app", "v1"), ("org/app", "v2"), ("org/tool", "x1") })
            await cache.PullAsync(registry.Content.AddImage(repository, tag));

        var images = (await cache.ListAsync(reference)).Images;

        Assert.Equal(tags, string.Join(',', images.Select(image => image["tags"]![0])));
    }

    [Fact]
    public async Task List_AfterARestartWithoutIndex_TellsTheSame()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "v1", TestBlob.Random(10_000, seed: 1));
        await cache.PullAsync(image);
        var before = (await cache.ListAsync()).Images[0];

        await cache.StopAsync();
        Directory.Delete(Path.Combine(cache.Options.StorageRoot, "index"), recursive: true);
        await cache.StartAgainAsync();

        var after = (await cache.ListAsync()).Images[0];
        Assert.Equal((before["digest"]!.ToString(), before["size"]!.ToString(), "true"), (after["digest"]!.ToString(), after["size"]!.ToString(), after["complete"]!.ToString()));
    }

    [Theory]
    [InlineData("gcr.io/org/app", HttpStatusCode.NotFound, "configured are: docker.io")]
    [InlineData("Org/App", HttpStatusCode.BadRequest, "is not a repository")]
    [InlineData("org/app:", HttpStatusCode.BadRequest, "is not a tag")]
    [InlineData("org/app@sha256:1", HttpStatusCode.BadRequest, "is not a digest")]
    public async Task List_WithAReferenceThatMeansNothing_SaysWhy(string reference, HttpStatusCode status, string why)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);

        Assert.Contains(why, (await cache.ListAsync(reference)).IsRefusal(status), StringComparison.Ordinal);
    }

    [Fact]
    public async Task FormerUpstream_PlainReferences_StillMeanWhatIsCachedOfIt()
    {
        await using var registry = new TestRegistry();
        await using var other = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, With(other));
        var image = other.Content.AddImage("org/tool", "v2", TestBlob.Random(20_000, seed: 2));
        await PullFromAsync(cache, "ghcr.io/", image);
        var asked = other.Log.All.Count;

        cache.Reload(options => options with { Upstreams = [options.Upstreams[0]] });

        Assert.Single((await cache.ListAsync("ghcr.io/org/tool:v2")).Images);
        Assert.Equal("ghcr.io/org/tool:v2 pinned", (await cache.PinAsync("ghcr.io/org/tool:v2")).Outcomes);
        Assert.Equal("ghcr.io/org/tool:v2 unpinned", (await cache.UnpinAsync("GHCR.io/org/tool:v2")).Outcomes);
        var refreshed = await cache.RefreshAsync("ghcr.io/org/tool:v2");
        Assert.Equal("ghcr.io/org/tool:v2 failed", refreshed.Outcomes);
        Assert.Equal("no upstream of the options is called 'ghcr.io' any more, so nobody can be asked", (string?)refreshed.Lines[0]["error"]);
        Assert.Equal("ghcr.io/org/tool:v2 removed", (await cache.RemoveAsync("ghcr.io/org/tool:v2")).Outcomes);
        Assert.Equal(asked, other.Log.All.Count);
        Assert.Contains("configured are: docker.io", (await cache.ListAsync("ghcr.io/org/tool:v2")).IsRefusal(HttpStatusCode.NotFound), StringComparison.Ordinal);
    }

    internal static Setup With(TestRegistry other) => new() { More = [new UpstreamOptions { Name = "ghcr.io", Urls = [other.Url] }] };

    internal static async Task PullFromAsync(Appliance cache, string prefix, TestImage image)
    {
        (await cache.GetAsync($"/v2/{prefix}{image.Repository}/manifests/{image.Tag}")).Is(image.Manifest.Bytes);
        foreach (var blob in image.Layers.Append(image.Config))
        {
            (await cache.GetAsync($"/v2/{prefix}{image.Repository}/blobs/{blob.Digest}")).Is(blob.Bytes);
            await cache.StoredAsync(blob.Digest);
        }
    }

    internal static (TestManifest Index, TestImage Amd, TestImage Arm) AddIndex(TestRegistry registry, int size = 1_000)
    {
        var amd = registry.Content.AddImage("org/app", "amd", TestBlob.Random(size, seed: 11));
        var arm = registry.Content.AddImage("org/app", "arm", TestBlob.Random(size, seed: 12));
        foreach (var tag in new[] { "amd", "arm" }) registry.Content.RemoveTag("org/app", tag);
        return (registry.Content.AddIndex("org/app", "multi", amd.Manifest, arm.Manifest), amd, arm);
    }
}
