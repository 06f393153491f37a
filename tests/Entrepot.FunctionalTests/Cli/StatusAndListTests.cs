using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Cli;

/// <summary><c>status</c> and <c>list</c> against a running server.</summary>
public sealed class StatusAndListTests : IAsyncLifetime
{
    private readonly TestRegistry _registry = new();
    private Appliance _cache = null!;

    public async Task InitializeAsync()
    {
        _cache = await Appliance.StartAsync(_registry, new Setup { Times = Setup.Patient with { Break = TimeSpan.FromMinutes(1), Stall = TimeSpan.FromMinutes(1) } });

        // A server that has just begun to look at its store tells of that.
        await Appliance.UntilAsync(async () => (await ReportAsync())["problems"]!.AsArray().Count == 0, () => "there are problems");
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task Status_NewServer_HasNothingToReport()
    {
        var ran = (await RunAsync("status")).IsFine();

        Assert.Matches(@"^Entrepot \d+\.\d+\.\d+, ready, up \d+ s$", ran.Lines[0]);
        Assert.Contains($"  registry  http://{_cache.Url.Authority}", ran.Lines[1]);
        Assert.Contains($"{_cache.Options.StorageRoot}: 0 blobs, ", ran.Out);
        Assert.Contains("  requests  none yet\n", ran.Out);
        Assert.Contains("docker.io  up ", ran.Out);
        await Schemas.CheckAsync("status", (await RunAsync("status", "--output", "json")).IsFine().Out);
    }

    [Fact]
    public async Task Status_AfterPulls_TellsRatiosAndRateLimit()
    {
        var blob = _registry.Content.AddBlob(1000, seed: 420);
        _registry.On(Ask.Blob, Misbehave.All(Misbehave.Header("ratelimit-limit", "100;w=21600"), Misbehave.Header("ratelimit-remaining", "76;w=21600")));
        for (var i = 0; i < 4; i++)
        {
            (await _cache.GetBlobAsync(blob)).Is(blob.Bytes);
            await _cache.StoredAsync(blob.Digest);
            await _cache.IdleAsync();
            Assert.Equal(200, (await _cache.GetAsync("/v2/")).Status);   // as engines do first; no hit of content
        }

        await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") == 8);
        var text = (await RunAsync("status")).IsFine().Out;
        var json = (await RunAsync("status", "--output", "json")).IsFine().Out;

        Assert.Contains("  4, 75 % of them hits (hit 3, fetched 1)\n", text);
        Assert.Contains(" sent, 75 % of them from the store\n", text);
        Assert.Contains(": 1 blob, ", text);
        Assert.Contains("76 of 100 requests left", text);
        await Schemas.CheckAsync("status", json);
        Assert.Equal(3, (int)JsonNode.Parse(json)!["requests"]!["sources"]!["hit"]!);
    }

    [Fact]
    public async Task Status_UpstreamOutOfReach_LeadsWithIt()
    {
        await _registry.DisposeAsync();
        await Appliance.UntilAsync(
            async () =>
            {
                Assert.Equal(503, (await _cache.GetManifestAsync("1")).Status);
                return (string?)(await ReportAsync())["upstreams"]![0]!["state"] == "down";
            }, () => "the upstream is not found to be down");

        var ran = (await RunAsync("status")).IsFine();

        Assert.Equal("1 problem:", ran.Lines[0]);
        Assert.Contains("docker.io", ran.Lines[1]);
        Assert.Contains("docker.io  down ", ran.Out);
        await Schemas.CheckAsync("status", (await RunAsync("status", "--output", "json")).IsFine().Out);
    }

    [Fact]
    public async Task Status_BlobThatArrives_IsShown()
    {
        var blob = _registry.Content.AddBlob(2_000_000, seed: 421);
        var gate = new Gate(1_000_000);
        _registry.On(Ask.Blob, Misbehave.Hold(gate));
        var running = _cache.GetBlobAsync(blob);
        await gate.ReachedAsync();
        await Appliance.UntilAsync(
            async () => (await ReportAsync())["fetches"] is JsonArray { Count: 1 } fetches && (int)fetches[0]!["followers"]! == 1 && fetches[0]!["size"] is not null,
            () => "nothing arrives");

        var text = (await RunAsync("status")).IsFine().Out;
        var json = (await RunAsync("status", "--output", "json")).IsFine().Out;
        gate.Open();
        (await running).Is(blob.Bytes);

        Assert.Contains("\nfetches: 1 running\n  docker.io/org/app@" + blob.Digest.ToString()[..19], text);
        Assert.EndsWith("  1 run  1 follower\n", text, StringComparison.Ordinal);
        await Schemas.CheckAsync("status", json);
        Assert.Single(JsonNode.Parse(json)!["fetches"]!.AsArray());
    }

    [Fact]
    public async Task Status_ServerThatStops_LeadsWithIt()
    {
        var blob = _registry.Content.AddBlob(2_000_000, seed: 426);
        var gate = new Gate(1_000_000);
        _registry.On(Ask.Blob, Misbehave.Hold(gate));
        var running = _cache.GetBlobAsync(blob);
        await gate.ReachedAsync();

        var stopping = _cache.StopAsync();
        await Appliance.UntilAsync(async () => (string?)(await ReportAsync())["state"] == "draining", () => "it is not draining");
        var ran = (await RunAsync("status")).IsFine();
        await Schemas.CheckAsync("status", (await RunAsync("status", "--output", "json")).IsFine().Out);
        gate.Open();
        (await running).Is(blob.Bytes);
        await stopping;
        await _cache.StartAgainAsync();

        Assert.Equal("1 problem:", ran.Lines[0]);
        Assert.Contains("stopping", ran.Lines[1]);
        Assert.Contains(", draining, up ", ran.Lines[2]);
    }

    [Fact]
    public async Task List_Images_AreAllOrThoseThatMatch()
    {
        Assert.Equal("no images are cached\n", (await RunAsync("list")).IsFine().Out);
        await PullAsync("org/app", seed: 422);
        await PullAsync("library/alpine", seed: 423);

        var all = (await RunAsync("list")).IsFine();
        var one = (await RunAsync("list", "alpine:1")).IsFine();
        var some = (await RunAsync("list", "docker.io/org/*")).IsFine();

        Assert.Equal(["REPOSITORY", "TAGS", "DIGEST", "SIZE", "LAST", "PULL", "STATE"], Words(all.Lines[0]));
        Assert.Equal(["docker.io/library/alpine", "1"], Words(all.Lines[1])[..2]);
        Assert.Equal(["docker.io/org/app", "1"], Words(all.Lines[2])[..2]);
        Assert.EndsWith(" s ago    complete", all.Lines[1], StringComparison.Ordinal);
        Assert.Equal("2 images", all.Lines[3]);
        Assert.StartsWith("docker.io/library/alpine ", one.Lines[1], StringComparison.Ordinal);
        Assert.StartsWith("docker.io/org/app ", some.Lines[1], StringComparison.Ordinal);
        Assert.Equal(("1 image", "1 image"), (one.Lines[^1], some.Lines[^1]));
    }

    [Fact]
    public async Task List_Json_IsWhatTheDesignHas()
    {
        var image = await PullAsync("org/app", seed: 424);

        var ran = (await RunAsync("list", "--output", "json")).IsFine();

        await Schemas.CheckAsync("images", ran.Out);
        var listed = Assert.Single(JsonNode.Parse(ran.Out)!["images"]!.AsArray())!;
        Assert.Equal(image.Manifest.Digest.ToString(), (string)listed["digest"]!);
        Assert.Equal(
            new[] { image.Manifest.Digest, image.Config.Digest, image.Layers[0].Digest }.Select(digest => digest.ToString()).Order(),
            listed["blobs"]!.AsArray().Select(digest => (string)digest!).Order());
        await Schemas.CheckAsync("images", (await RunAsync("list", "docker.io/org/*", "--output", "json")).IsFine().Out);
    }

    [Fact]
    public async Task List_NothingThatMatches_SaysSo()
    {
        await PullAsync("org/app", seed: 425);

        foreach (var reference in (string[])["org/none", "quay.io/*"])
        {
            Assert.StartsWith($"no cached image is {reference}; ", (await RunAsync("list", reference)).IsFine().Out, StringComparison.Ordinal);
            Assert.Equal("{\"images\":[]}\n", (await RunAsync("list", reference, "--output", "json")).IsFine().Out);
        }
    }

    [Fact]
    public async Task List_BadReference_IsAFailureInOneLine()
    {
        var ran = await RunAsync("list", "Org/App");

        Assert.Equal(1, ran.Status);
        Assert.Contains("'Org/App'", Assert.Single(ran.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task RunAsync_ServerInTheEnvironment_IsAskedUnlessAFlagNamesOne()
    {
        using var line = new CommandLine();
        line.Environment["ENTREPOT_SERVER"] = _cache.Admin.Authority;

        (await line.RunAsync("status")).IsFine();
        Assert.Equal(1, (await line.RunAsync("status", "--server", _cache.Url.Authority)).Status);
    }

    private async Task<JsonNode> ReportAsync() => JsonNode.Parse((await RunAsync("status", "--output", "json")).IsFine().Out)!;

    private Task<Ran> RunAsync(params string[] arguments) => CommandLine.RunAsync(_cache.Admin, arguments);

    private async Task<TestImage> PullAsync(string repository, int seed)
    {
        var image = _registry.Content.AddImage(repository, "1", TestBlob.Random(1000, seed));
        await _cache.PullAsync(image);
        return image;
    }

    private static string[] Words(string line) => line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
