using System.Net;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Pull;

namespace Entrepot.FunctionalTests.Admin;

/// <summary>Pins over real HTTP, under the least quota, 16 MiB, which eight layers fill.</summary>
public sealed class PinTests
{
    private const long Limit = 16 << 20;
    private const int LayerSize = 2_000_000;

    [Fact]
    public async Task Pin_ThenMorePullsThanFit_KeepsTheImageAndLetsTheRestGo()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Small());
        var pinned = Add(registry, 0);
        await cache.PullAsync(pinned);

        var answer = await cache.PinAsync("org/app:t0");

        Assert.Equal("docker.io/org/app:t0 pinned", answer.Outcomes);
        Assert.InRange((long)answer.Lines[0]["bytes"]!, LayerSize, LayerSize + 20_000);
        Assert.Equal(pinned.Manifest.Digest.ToString(), (string?)answer.Lines[0]["digest"]);
        await FillAsync(cache, registry);
        AssertStored(cache, pinned);
        Assert.True((bool)(await cache.ListAsync("org/app:t0")).Images[0]["pinned"]!);
        Assert.InRange((long)(await cache.StatusAsync()).Json["storage"]!["pinned"]!, LayerSize, LayerSize + 20_000);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Pin_AfterARestart_HoldsBeforeTheFirstEviction(bool indexLost)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Small());
        var pinned = Add(registry, 0);
        await cache.PullAsync(pinned);
        await cache.PinAsync("org/app:t0");
        for (var i = 1; i < 7; i++) await cache.PullAsync(Add(registry, i));

        await cache.StopAsync();
        if (indexLost) Directory.Delete(Path.Combine(cache.Options.StorageRoot, "index"), recursive: true);
        foreach (var blob in pinned.Layers.Append(pinned.Config).Select(blob => blob.Digest).Append(pinned.Manifest.Digest))
            File.SetLastWriteTimeUtc(cache.Store.PathOf(blob), DateTime.UnixEpoch);   // without a pin the first to leave
        await cache.StartAgainAsync();
        await FillAsync(cache, registry, from: 7);

        AssertStored(cache, pinned);
        Assert.Equal("docker.io/org/app:t0 unpinned", (await cache.UnpinAsync("org/app:t0")).Outcomes);
    }

    [Fact]
    public async Task Pin_StartWithASmallerQuota_IsNotAmongThoseWhoLeaveAtOnce()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup { Options = options => options with { Quota = QuotaSize.OfBytes(4 * Limit) } });
        for (var i = 0; i < 12; i++) await cache.PullAsync(Add(registry, i));
        await cache.PinAsync("org/app:t0");

        await cache.RestartAsync(options => options with { Quota = QuotaSize.OfBytes(Limit) });

        await cache.MetricsAsync(metrics => metrics.Sum("entrepot_evictions_total") >= 5);
        var image = (await cache.ListAsync("org/app:t0")).Images[0];
        Assert.Equal((true, true), ((bool)image["complete"]!, (bool)image["pinned"]!));
    }

    [Fact]
    public async Task Unpin_Then_TheImageCanLeave()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Small());
        var image = Add(registry, 0);
        await cache.PullAsync(image);
        await cache.PinAsync("org/app:t0");

        Assert.Equal("docker.io/org/app:t0 unpinned", (await cache.UnpinAsync("docker.io/org/*")).Outcomes);

        await FillAsync(cache, registry);
        Assert.False(cache.Store.Has(image.Layers[0].Digest));
        await cache.RestartAsync();
        Assert.Contains("nothing that is pinned", (await cache.UnpinAsync("org/app:t0")).IsRefusal(HttpStatusCode.NotFound), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unpin_OfOneOfTwoThatShare_KeepsTheOthers()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Small());
        var shared = TestBlob.Random(LayerSize, seed: 0);
        var (one, two) = (registry.Content.AddImage("org/app", "one", shared), registry.Content.AddImage("org/app", "two", shared));
        await cache.PullAsync(one);
        await cache.PullAsync(two);
        Assert.Equal("docker.io/org/app:one pinned, docker.io/org/app:two pinned", (await cache.PinAsync("docker.io/org/app:*")).Outcomes);

        var answer = await cache.UnpinAsync("org/app:one");

        Assert.InRange((long)answer.Lines[0]["bytes"]!, 1, 2 * 4096);   // manifest and config
        await FillAsync(cache, registry);
        AssertStored(cache, two);
        Assert.False(cache.Store.Has(one.Manifest.Digest));
    }

    [Fact]
    public async Task Pin_TagMoves_FollowsIt()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Small());
        var before = Add(registry, 0);
        await cache.PullAsync(before);
        await cache.PinAsync("org/app:t0");
        var after = registry.Content.AddImage("org/app", "t0", TestBlob.Random(LayerSize, seed: 100));

        Assert.Equal("docker.io/org/app:t0 moved", (await cache.RefreshAsync("org/app:t0")).Outcomes);

        await cache.PullAsync(after);
        await FillAsync(cache, registry);
        AssertStored(cache, after);
        Assert.False(cache.Store.Has(before.Layers[0].Digest));
    }

    [Fact]
    public async Task Pin_OfAnIndex_PinsPlatformsThatArriveLater()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Small());
        var (index, amd, arm) = ListTests.AddIndex(registry, LayerSize);
        await cache.GetManifestAsync("multi");
        await cache.PullAsync(amd with { Tag = amd.Manifest.Digest.ToString() });
        await cache.PinAsync("org/app:multi");

        await cache.PullAsync(arm with { Tag = arm.Manifest.Digest.ToString() });

        await FillAsync(cache, registry);
        AssertStored(cache, amd);
        AssertStored(cache, arm);
        Assert.True(cache.Store.Has(index.Digest));
    }

    [Fact]
    public async Task Pin_TagGoneUpstream_KeepsWhatItMeantAlsoAfterARestart()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Small());
        var image = Add(registry, 0);
        await cache.PullAsync(image);
        await cache.PinAsync("org/app:t0");
        registry.Content.RemoveTag("org/app", "t0");
        Assert.Equal("docker.io/org/app:t0 gone", (await cache.RefreshAsync("org/app:t0")).Outcomes);

        await cache.RestartAsync();

        await FillAsync(cache, registry);
        AssertStored(cache, image);
        Assert.Equal("docker.io/org/app:t0 unpinned", (await cache.UnpinAsync("org/app:t0")).Outcomes);
    }

    [Fact]
    public async Task Pin_NotCached_SaysToPullItFirst()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "v1", TestBlob.Random(1_000, seed: 1));

        Assert.Contains("pull it", (await cache.PinAsync("org/app:v1")).IsRefusal(HttpStatusCode.NotFound), StringComparison.Ordinal);
        Assert.Contains("nothing", (await cache.PinAsync("docker.io/org/*")).IsRefusal(HttpStatusCode.NotFound), StringComparison.Ordinal);

        await cache.GetManifestAsync("v1");
        Assert.Contains("not completely cached", (await cache.PinAsync("org/app:v1")).IsRefusal(HttpStatusCode.Conflict), StringComparison.Ordinal);
        Assert.DoesNotContain((await cache.ListAsync()).Images, one => (bool)one["pinned"]!);

        await cache.PullAsync(image);
        Assert.Equal($"docker.io/org/app@{image.Manifest.Digest} pinned", (await cache.PinAsync($"org/app@{image.Manifest.Digest}")).Outcomes);
    }

    [Fact]
    public async Task Pin_MoreThanTheQuota_IsRefusedAndNothingIsPinned()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Small());
        var (index, amd, arm) = ListTests.AddIndex(registry, 9_000_000);
        await cache.GetManifestAsync("multi");
        await cache.PullAsync(amd with { Tag = amd.Manifest.Digest.ToString() });
        await cache.GetManifestAsync(arm.Manifest.Digest.ToString());   // one platform fits, both do not

        var why = (await cache.PinAsync("org/app:multi")).IsRefusal(HttpStatusCode.InsufficientStorage);

        Assert.Matches(@"docker\.io/org/app:multi cannot be pinned: .* \([0-9]+ bytes\) are missing", why);
        Assert.Equal(0, (long)(await cache.StatusAsync()).Json["storage"]!["pinned"]!);
        Assert.DoesNotContain("\"Pin\"", await File.ReadAllTextAsync(Path.Combine(cache.Options.StorageRoot, "records", "log")), StringComparison.Ordinal);
        Assert.True(cache.Store.Has(index.Digest));
    }

    [Fact]
    public async Task Pinned_FillTheQuota_WhatDoesNotFitPassesAndStatusSaysWhy()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Small());
        for (var i = 0; i < 7; i++) await cache.PullAsync(Add(registry, i));
        await cache.PinAsync("docker.io/org/app:*");
        var more = registry.Content.AddBlob(LayerSize, seed: 99);

        var got = await cache.GetBlobAsync(more);

        got.Is(more.Bytes);
        Assert.Equal("Entrepot; fwd=miss; detail=bypass", got.CacheStatus);
        cache.Host.Reload(cache.Options with { Quota = QuotaSize.OfBytes(Limit) });
        Assert.Equal(0, (await cache.MetricsAsync()).Sum("entrepot_evictions_total"));
        await cache.IdleAsync();
        var problems = (await cache.StatusAsync()).Json["problems"]!.AsArray().Select(problem => (string)problem!);
        Assert.Contains(problems, problem => problem.Contains("Unpin something", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Pins_WhilePullsRemovalsAndEvictionsRun_StayWhole(int seed)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, Small());
        var shared = TestBlob.Random(LayerSize, seed: 1000);
        var images = Enumerable.Range(0, 12).Select(i => registry.Content.AddImage("org/app", $"t{i}", shared, TestBlob.Random(LayerSize, seed: i))).ToList();
        foreach (var image in images.Take(4)) await cache.PullAsync(image);
        using var end = new CancellationTokenSource();
        var pulls = Enumerable.Range(0, 3).Select(worker => Task.Run(async () =>
        {
            var random = new Random(seed * 10 + worker);
            while (!end.IsCancellationRequested) await GetAsync(cache, images[random.Next(images.Count)]);
        })).ToList();

        var pinned = new List<TestImage>();
        var (choice, pins) = (new Random(seed), 0);
        for (var step = 0; step < 60; step++)
        {
            var image = images[choice.Next(images.Count)];
            if (step % 2 == 0) await GetAsync(cache, image);
            var status = (await (choice.Next(4) switch
            {
                0 => cache.RemoveAsync($"org/app:{image.Tag}"),
                1 when pinned.Contains(image) || pinned.Count > 2 => UnpinAsync(),
                _ => cache.PinAsync($"org/app:{image.Tag}"),
            })).Status;
            if (status is HttpStatusCode.OK && (await cache.ListAsync($"org/app:{image.Tag}")).Images is [var known] && (bool)known["pinned"]! && !pinned.Contains(image))
            {
                pinned.Add(image);
                pins++;
            }

            foreach (var one in pinned) AssertStored(cache, one);
        }

        await end.CancelAsync();
        await Task.WhenAll(pulls);
        await cache.IdleAsync();
        Assert.InRange(pins, 1, 60);
        Assert.Equal(cache.Store.Checked().Count, (await cache.MetricsAsync()).Sum("entrepot_storage_blobs"));

        Task<AdminAnswer> UnpinAsync()
        {
            var one = pinned[0];
            pinned.RemoveAt(0);
            return cache.UnpinAsync($"org/app:{one.Tag}");
        }
    }

    private static Setup Small() => new() { Options = options => options with { Quota = QuotaSize.OfBytes(Limit) } };

    private static TestImage Add(TestRegistry registry, int i) => registry.Content.AddImage("org/app", $"t{i}", TestBlob.Random(LayerSize, seed: i));

    // More than the quota, so that everything leaves that can.
    private static async Task FillAsync(Appliance cache, TestRegistry registry, int from = 50)
    {
        for (var i = from; i < from + 10; i++) await cache.PullAsync(Add(registry, i));
    }

    private static async Task GetAsync(Appliance cache, TestImage image)
    {
        (await cache.GetManifestAsync(image.Tag)).Is(image.Manifest.Bytes);
        foreach (var blob in image.Layers.Append(image.Config)) (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
    }

    private static void AssertStored(Appliance cache, TestImage image) =>
        Assert.All(image.Layers.Append(image.Config).Select(blob => blob.Digest).Append(image.Manifest.Digest), digest => Assert.True(cache.Store.Has(digest)));
}
