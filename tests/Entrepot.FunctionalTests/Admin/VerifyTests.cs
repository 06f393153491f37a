using System.Net;
using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Admin;

public sealed class VerifyTests
{
    [Fact]
    public async Task Verify_SomeFilesSpoilt_RemovesThoseAndTellsWhich()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "v1", TestBlob.Random(300_000, seed: 1), TestBlob.Random(200_000, seed: 2));
        await cache.PullAsync(image);
        var (changed, cut) = (image.Layers[0], image.Layers[1]);
        cache.Store.Plant(changed.Digest, TestBlob.Random(300_000, seed: 3).Bytes);
        cache.Store.Plant(cut.Digest, cut.Bytes[..1_000]);

        var lines = (await cache.VerifyAsync()).Lines;

        var last = lines[^1];
        Assert.Equal((true, 4, 4), ((bool)last["done"]!, (long)last["blobs"]!, (long)last["totalBlobs"]!));
        Assert.Equal(
            new[] { changed.Digest.ToString(), cut.Digest.ToString() }.Order(), last["wrong"]!.AsArray().Select(digest => (string)digest!).Order());
        Assert.All(lines.SkipLast(1), line => Assert.False((bool)line["done"]!));
        Assert.Equal(2, cache.Store.Checked().Count);
        var metrics = await cache.MetricsAsync();
        Assert.Equal((2, 2), (metrics.Sum("entrepot_verify_failures_total", "where=\"scrub\""), metrics.Sum("entrepot_evictions_total", "reason=\"corrupt\"")));
        Assert.False((bool)(await cache.ListAsync()).Images[0]["complete"]!);

        await cache.PullAsync(image);
        Assert.Empty((await cache.VerifyAsync()).Lines[^1]["wrong"]!.AsArray());
    }

    [Fact]
    public async Task Verify_ASpoiltPinnedLayer_GoesAndStatusAsksForAPullThatPinsItAgain()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "v1", TestBlob.Random(300_000, seed: 1));
        await cache.PullAsync(image);
        await cache.PinAsync("org/app:v1");
        var pinned = (long)(await cache.StatusAsync()).Json["storage"]!["pinned"]!;
        cache.Store.Plant(image.Layers[0].Digest, [1, 2, 3]);

        Assert.Single((await cache.VerifyAsync()).Lines[^1]["wrong"]!.AsArray());

        var problems = (await cache.StatusAsync()).Json["problems"]!.AsArray().Select(problem => (string)problem!);
        Assert.Contains("docker.io/org/app:v1 is pinned and not completely stored: pull it through this cache once more.", problems);
        await cache.PullAsync(image);
        JsonNode status = null!;   // a file has its name a moment before it counts as pinned
        await Appliance.UntilAsync(async () => (long)(status = (await cache.StatusAsync()).Json)["storage"]!["pinned"]! == pinned, () => $"{status}");
        Assert.Empty(status["problems"]!.AsArray());
    }

    [Fact]
    public async Task Verify_WhileOneRuns_IsRefusedAndAfterItsClientLeftAllowed()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "v1", TestBlob.Random(1_000, seed: 1));
        await cache.PullAsync(image);
        var layer = image.Layers[0];
        cache.Store.Plant(layer.Digest, []);
        await using (var endless = File.OpenWrite(cache.Store.PathOf(layer.Digest))) endless.SetLength(1L << 40);   // takes no room, and minutes to hash

        using (var first = await cache.Client.SendAsync(new HttpRequestMessage(HttpMethod.Post, new Uri(cache.Admin, "/api/v1/verify")), HttpCompletionOption.ResponseHeadersRead))
        {
            using var lines = new StreamReader(await first.Content.ReadAsStreamAsync());
            Assert.Contains("\"done\":false", await lines.ReadLineAsync(), StringComparison.Ordinal);

            (await cache.VerifyAsync()).IsRefusal(HttpStatusCode.Conflict);
        }

        cache.Store.Plant(layer.Digest, layer.Bytes);
        await Appliance.UntilAsync(async () => (await cache.VerifyAsync()).Status is HttpStatusCode.OK, () => "the first one has not ended with its client");
    }

    [Fact]
    public async Task Verify_WhileBlobsComeAndGo_FindsNothingWrong()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var images = Enumerable.Range(0, 10).Select(i => registry.Content.AddImage("org/app", $"t{i}", TestBlob.Random(200_000, seed: i))).ToList();
        var pulls = Task.Run(async () =>
        {
            for (var round = 0; round < 3; round++)
            {
                foreach (var image in images) await cache.PullAsync(image);
                await cache.RemoveAsync("docker.io/org/app:*");
            }
        });

        do
        {
            Assert.Empty((await cache.VerifyAsync()).Lines[^1]["wrong"]!.AsArray());
        }
        while (!pulls.IsCompleted);

        await pulls;
        Assert.Equal(0, (await cache.MetricsAsync()).Sum("entrepot_verify_failures_total"));
    }
}
