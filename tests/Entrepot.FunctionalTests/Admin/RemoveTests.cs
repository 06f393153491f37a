using System.Net;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Admin;

public sealed class RemoveTests
{
    [Fact]
    public async Task Remove_AnImage_FreesItsBytesAtOnceAndTheNextPullFetchesAnew()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "v1", TestBlob.Random(100_000, seed: 1));
        await cache.PullAsync(image);

        var answer = await cache.RemoveAsync("org/app:v1");

        Assert.Equal("docker.io/org/app:v1 removed", answer.Outcomes);
        Assert.Equal(global::Entrepot.Pull.Quota.OnDisk(100_000) + 2 * 4096, (long)answer.Lines[0]["bytes"]!);
        Assert.Empty(cache.Store.Checked());
        Assert.Empty((await cache.ListAsync()).Images);
        var metrics = await cache.MetricsAsync();
        Assert.Equal((3, 0), (metrics.Sum("entrepot_evictions_total", "reason=\"removed\""), metrics.Sum("entrepot_storage_blobs")));

        var gets = registry.BlobGets;
        await cache.PullAsync(image);
        Assert.Equal(gets + 2, registry.BlobGets);
        Assert.True((bool)Assert.Single((await cache.ListAsync()).Images)["complete"]!);
    }

    [Fact]
    public async Task Remove_ThenARestart_LeavesNoGhost()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var (_, amd, arm) = ListTests.AddIndex(registry);
        await cache.GetManifestAsync("multi");
        foreach (var image in new[] { amd, arm }) await cache.PullAsync(image with { Tag = image.Manifest.Digest.ToString() });

        Assert.Equal("docker.io/org/app:multi removed", (await cache.RemoveAsync("org/app:multi")).Outcomes);

        await cache.RestartAsync();
        Assert.Empty((await cache.ListAsync()).Images);
        Assert.Empty(cache.Store.Checked());
        Assert.Empty((await cache.GetAsync("/v2/_catalog")).Json["repositories"]!.AsArray());
        await registry.DisposeAsync();
        Assert.Equal(503, (await cache.GetManifestAsync("multi")).Status);
        Assert.Equal(503, (await cache.GetManifestAsync(amd.Manifest.Digest.ToString())).Status);
    }

    [Fact]
    public async Task Remove_BlobsSharedWithAnotherImage_Stay()
    {
        await using var registry = new TestRegistry();
        await using var other = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, ListTests.With(other));
        var shared = TestBlob.Random(50_000, seed: 1);
        var app = registry.Content.AddImage("org/app", "v1", shared, TestBlob.Random(50_000, seed: 2));
        var tool = other.Content.AddImage("org/tool", "v1", shared);
        await cache.PullAsync(app);
        await ListTests.PullFromAsync(cache, "ghcr.io/", tool);

        Assert.Equal("docker.io/org/app:v1 removed", (await cache.RemoveAsync("docker.io/*")).Outcomes);

        Assert.Equal(
            new[] { shared.Digest, tool.Config.Digest, tool.Manifest.Digest }.OrderBy(digest => digest.ToString()), cache.Store.Checked().OrderBy(digest => digest.ToString()));
        var image = Assert.Single((await cache.ListAsync()).Images);
        Assert.Equal(("ghcr.io", true), ((string?)image["upstream"], (bool)image["complete"]!));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Remove_TheSameManifestOfTwoRepositories_StaysAManifestForTheOther(bool indexLost)
    {
        await using var registry = new TestRegistry();
        await using var other = new TestRegistry { Content = registry.Content };
        await using var cache = await Appliance.StartAsync(registry, ListTests.With(other));
        var image = registry.Content.AddImage("org/app", "v1", TestBlob.Random(1_000, seed: 2));
        await cache.PullAsync(image);
        await ListTests.PullFromAsync(cache, "ghcr.io/", image);

        var answer = await cache.RemoveAsync("docker.io/org/app:v1");

        Assert.Equal(("docker.io/org/app:v1 removed", 0), (answer.Outcomes, (long)answer.Lines[0]["bytes"]!));
        // The first start writes the records anew, the second one has nothing else.
        await cache.RestartAsync();
        await cache.StopAsync();
        if (indexLost) Directory.Delete(Path.Combine(cache.Options.StorageRoot, "index"), recursive: true);
        await cache.StartAgainAsync();
        Assert.Equal("ghcr.io", (string?)Assert.Single((await cache.ListAsync()).Images)["upstream"]);
        await registry.DisposeAsync();
        await other.DisposeAsync();
        (await cache.GetAsync($"/v2/ghcr.io/org/app/manifests/{image.Manifest.Digest}")).Is(image.Manifest.Bytes);
    }

    [Fact]
    public async Task Remove_OneOfTwoTags_TakesTheTagAlone_ADigestTakesBoth()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "v1", TestBlob.Random(1_000, seed: 1));
        foreach (var tag in new[] { "v2", "v3" }) registry.Content.AddManifest("org/app", tag, image.Manifest.Bytes, image.Manifest.MediaType);
        await cache.PullAsync(image);
        await cache.GetManifestAsync("v2");
        await cache.GetManifestAsync("v3");

        Assert.Equal("docker.io/org/app:v1 removed", (await cache.RemoveAsync("org/app:v1")).Outcomes);
        Assert.Equal(3, cache.Store.Checked().Count);

        var answer = await cache.RemoveAsync($"org/app@{image.Manifest.Digest}");
        Assert.Equal("docker.io/org/app:v2 removed, docker.io/org/app:v3 removed", answer.Outcomes);
        Assert.Empty(cache.Store.Checked());
    }

    [Fact]
    public async Task Remove_APinnedImage_IsRefusedAndNothingGoes()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        foreach (var tag in new[] { "v1", "v2" }) await cache.PullAsync(registry.Content.AddImage("org/app", tag));
        await cache.PinAsync("org/app:v2");

        Assert.Contains("unpin it first", (await cache.RemoveAsync("docker.io/org/app:*")).IsRefusal(HttpStatusCode.Conflict), StringComparison.Ordinal);

        Assert.Equal(2, (await cache.ListAsync()).Images.Count);
        await cache.UnpinAsync("org/app:v2");
        Assert.Equal("docker.io/org/app:v1 removed, docker.io/org/app:v2 removed", (await cache.RemoveAsync("docker.io/org/app:*")).Outcomes);
    }

    [Fact]
    public async Task Remove_AnIndexOfWhichOnePlatformIsPinned_LeavesThatServable()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var (index, image, _) = ListTests.AddIndex(registry);
        await cache.GetManifestAsync("multi");
        await cache.PullAsync(image with { Tag = image.Manifest.Digest.ToString() });
        await cache.PinAsync($"org/app@{image.Manifest.Digest}");

        Assert.Equal("docker.io/org/app:multi removed", (await cache.RemoveAsync("org/app:multi")).Outcomes);

        Assert.False(cache.Store.Has(index.Digest));
        await registry.DisposeAsync();
        (await cache.GetManifestAsync(image.Manifest.Digest.ToString())).Is(image.Manifest.Bytes);
    }

    [Fact]
    public async Task Remove_WhatAPinnedTagMeantBeforeItWasGone_IsRefused()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "v1", TestBlob.Random(1_000, seed: 1));
        await cache.PullAsync(image);
        await cache.PinAsync("org/app:v1");
        registry.Content.RemoveTag("org/app", "v1");
        await cache.RefreshAsync("org/app:v1");

        var refusal = (await cache.RemoveAsync($"org/app@{image.Manifest.Digest}")).IsRefusal(HttpStatusCode.Conflict);

        Assert.Contains("docker.io/org/app:v1 is pinned", refusal, StringComparison.Ordinal);
        Assert.True((bool)Assert.Single((await cache.ListAsync()).Images)["pinned"]!);
    }

    [Fact]
    public async Task Remove_WhatSharesALayerWithAPin_LeavesThatLayer()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var shared = TestBlob.Random(1_000, seed: 1);
        var (one, two) = (registry.Content.AddImage("org/app", "one", shared), registry.Content.AddImage("org/app", "two", shared));
        await cache.PullAsync(one);
        await cache.PullAsync(two);
        await cache.PinAsync("org/app:two");

        await cache.RemoveAsync("org/app:one");

        Assert.True(cache.Store.Has(shared.Digest));
        Assert.False(cache.Store.Has(one.Config.Digest));
    }

    [Fact]
    public async Task Remove_WhileALayerIsRead_DoesNotEndTheRead()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var layer = TestBlob.Random(30_000_000, seed: 1);   // more than sockets hold
        var image = registry.Content.AddImage("org/app", "v1", layer);
        await cache.PullAsync(image);
        await using var body = await cache.OpenAsync(Appliance.PathOf(layer.Digest));

        await cache.RemoveAsync("org/app:v1");

        using var got = new MemoryStream();
        await body.CopyToAsync(got);
        Assert.True(layer.Bytes.AsSpan().SequenceEqual(got.GetBuffer().AsSpan(0, (int)got.Length)));
        Assert.Empty(cache.Store.Checked());
    }

    [Fact]
    public async Task Remove_WhilePullsOfTheSameImageRun_NeverFailsThemAndEndsConsistent()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "v1", TestBlob.Random(50_000, seed: 1), TestBlob.Random(50_000, seed: 2));
        var pulls = Enumerable.Range(0, 4).Select(async _ =>
        {
            for (var i = 0; i < 15; i++)
            {
                (await cache.GetManifestAsync("v1")).Is(image.Manifest.Bytes);
                foreach (var blob in image.Layers.Append(image.Config)) (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
            }
        }).ToList();
        while (!pulls.TrueForAll(pull => pull.IsCompleted))
            Assert.Contains((await cache.RemoveAsync("org/app:v1")).Status, new[] { HttpStatusCode.OK, HttpStatusCode.NotFound });
        await Task.WhenAll(pulls);
        await cache.IdleAsync();

        await cache.PullAsync(image);

        Assert.True((bool)Assert.Single((await cache.ListAsync()).Images)["complete"]!);
        Assert.Equal(4, cache.Store.Checked().Count);
        Assert.Equal(4, (await cache.MetricsAsync()).Sum("entrepot_storage_blobs"));
        await cache.RemoveAsync("org/app:v1");
        Assert.Empty(cache.Store.Checked());
    }

    [Fact]
    public async Task Remove_NothingMatches_SaysSo()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);

        Assert.Contains("is not cached", (await cache.RemoveAsync("alpine")).IsRefusal(HttpStatusCode.NotFound), StringComparison.Ordinal);
    }
}
