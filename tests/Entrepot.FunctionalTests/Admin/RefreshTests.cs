using System.Net;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Admin;

public sealed class RefreshTests
{
    private static readonly Setup Unlimited = new() { TagTtl = Timeout.InfiniteTimeSpan };

    [Fact]
    public async Task Refresh_TagsThatAreFresh_AsksAllTheSameAndTellsWhatBecameOfEach()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Unlimited);
        var before = registry.Content.AddImage("org/app", "moves", TestBlob.Random(10, seed: 1));
        foreach (var image in new[] { before, registry.Content.AddImage("org/app", "stays"), registry.Content.AddImage("org/app", "goes") }) await cache.PullAsync(image);
        var after = registry.Content.AddImage("org/app", "moves", TestBlob.Random(10, seed: 2));
        registry.Content.RemoveTag("org/app", "goes");

        var answer = await cache.RefreshAsync("docker.io/org/*");

        Assert.Equal("docker.io/org/app:goes gone, docker.io/org/app:moves moved, docker.io/org/app:stays unchanged", answer.Outcomes);
        var moved = answer.Lines.Single(line => (string?)line["outcome"] == "moved");
        Assert.Equal((after.Manifest.Digest.ToString(), before.Manifest.Digest.ToString()), ((string?)moved["digest"], (string?)moved["previous"]));
        Assert.True(cache.Store.Has(after.Manifest.Digest));
        (await cache.GetManifestAsync("moves")).Is(after.Manifest.Bytes);
    }

    [Fact]
    public async Task Refresh_ATagThatIsNotKnown_MakesItKnown()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "v1", TestBlob.Random(10, seed: 1));

        Assert.Equal("docker.io/org/app:v1 moved", (await cache.RefreshAsync("org/app:v1")).Outcomes);

        Assert.True(cache.Store.Has(image.Manifest.Digest));
        Assert.Equal("docker.io/org/app:v1 unchanged", (await cache.RefreshAsync("org/app:v1")).Outcomes);
        Assert.Equal("docker.io/org/app:none gone", (await cache.RefreshAsync("org/app:none")).Outcomes);
    }

    [Fact]
    public async Task Refresh_UpstreamOfflineOrGone_FailsWithTheReasonAndKeepsWhatIsKnown()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Unlimited);
        var image = registry.Content.AddImage("org/app", "v1", TestBlob.Random(10, seed: 1));
        await cache.PullAsync(image);

        await cache.RestartAsync(options => options with { Offline = true });
        var offline = await cache.RefreshAsync("org/app:v1");
        await registry.DisposeAsync();
        await cache.RestartAsync(options => options with { Offline = false });
        var gone = await cache.RefreshAsync("org/app:v1");

        Assert.Equal("docker.io/org/app:v1 failed", offline.Outcomes);
        Assert.Contains("offline", (string)offline.Lines[0]["error"]!, StringComparison.Ordinal);
        Assert.Equal("docker.io/org/app:v1 failed", gone.Outcomes);
        Assert.Contains("cannot be reached", (string)gone.Lines[0]["error"]!, StringComparison.Ordinal);
        (await cache.GetManifestAsync("v1")).Is(image.Manifest.Bytes);
    }

    [Fact]
    public async Task Refresh_ADigest_IsRefused()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);

        Assert.Contains("never changes", (await cache.RefreshAsync($"org/app@{TestBlob.Random(1, 1).Digest}")).IsRefusal(HttpStatusCode.BadRequest), StringComparison.Ordinal);
    }
}
