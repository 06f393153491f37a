using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Admin;

/// <summary>Images are in the store before anybody pulls them, and no more is asked of the upstream for it than is needed.</summary>
public sealed class WarmTests : SiteTest
{
    private readonly ShiftedClock _clock = new();

    private protected override Setup Setup => new() { Clock = _clock };

    private int Asked => Registry.Log.All.Count;

    [Fact]
    public async Task Image_ByTag_IsAHitWhileTheUpstreamIsAway()
    {
        var image = AddImage("1", 400);

        var warmed = Assert.Single((await WarmAsync("org/app:1")).Ended);

        Assert.Equal(("docker.io/org/app:1", "fetched", image.Manifest.Digest.ToString()), (Text(warmed, "reference"), Text(warmed, "status"), Text(warmed, "digest")));
        Assert.Equal(image.Manifest.Bytes.Length + image.Config.Size + image.Layers.Sum(layer => layer.Size), (long)warmed["bytes"]!);
        Assert.Equal(1, (int)warmed["requests"]!);
        await Registry.DisposeAsync();
        await Cache.PullAsync(image);
        Assert.Equal("Entrepot; hit", (await Cache.GetManifestAsync("1")).CacheStatus);
    }

    [Fact]
    public async Task Image_Unchanged_CostsHeadsOnly()
    {
        var image = AddImage("1", 410);
        var index = Registry.Content.AddIndex("org/app", "multi", image.Manifest, AddImage("2", 420).Manifest);
        Registry.Content.AddReferrer("org/app", index, "application/spdx+json");
        await WarmAsync("org/app:multi");
        var before = Asked;
        _clock.Advance(TimeSpan.FromHours(1));

        var warmed = Assert.Single((await WarmAsync("org/app:multi")).Ended);

        Assert.Equal(("unchanged", 0L, 0), (Text(warmed, "status"), (long)warmed["bytes"]!, (int)warmed["requests"]!));
        Assert.NotEmpty(Registry.Log.All.Skip(before));
        Assert.All(Registry.Log.All.Skip(before), request => Assert.Equal("HEAD", request.Method));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Image_UnchangedWhenItsListsAreOld_CostsNoCountedRequest(bool api)
    {
        var (image, sbom, hub) = AddToHub("1", 412, api);
        var first = Assert.Single((await WarmAsync("org/app:1")).Ended);
        Assert.Equal(("fetched", hub.Counted), (Text(first, "status"), (int)first["requests"]!));
        Assert.True(Cache.Store.Has(sbom.Digest));
        var (before, counted) = (Asked, hub.Counted);
        _clock.Advance(TimeSpan.FromHours(13));

        var warmed = Assert.Single((await WarmAsync("org/app:1")).Ended);

        Assert.Equal(("unchanged", 0L, 0), (Text(warmed, "status"), (long)warmed["bytes"]!, (int)warmed["requests"]!));
        Assert.Contains(Registry.Log.All.Skip(before), request => request.Path.EndsWith($"/referrers/{image.Manifest.Digest}", StringComparison.Ordinal));
        Assert.Equal(counted, hub.Counted);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task DryRun_OfWhatHasReferrers_CountsRequestsAsARealOne(bool api)
    {
        var (_, _, hub) = AddToHub("1", 414, api);

        var planned = Assert.Single((await WarmAsync(Body("org/app:1", "dryRun", true))).Ended);
        var (asked, real) = (hub.Counted, Assert.Single((await WarmAsync("org/app:1")).Ended));

        Assert.Equal(((int)planned["requests"]!, (int)planned["requests"]!), (asked, hub.Counted - asked));
        Assert.Equal(((long)planned["bytes"]!, (int)planned["requests"]!), ((long)real["bytes"]!, (int)real["requests"]!));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Image_UnderSeveralNames_CountsOnce(bool dryRun)
    {
        var (image, sbom, hub) = AddToHub("1", 416, api: true);
        Registry.Content.AddManifest("org/app", "latest", image.Manifest.Bytes, image.Manifest.MediaType);
        string[] names = ["org/app:1", "org/app:latest", $"org/app@{image.Manifest.Digest}"];

        var (ended, _) = await WarmAsync(new JsonObject { ["images"] = new JsonArray([.. names.Select(name => (JsonNode)Image(name))]), ["dryRun"] = dryRun });

        Assert.Equal(3, ended.Count);
        Assert.Equal(image.Manifest.Bytes.Length + sbom.Bytes.Length + BlobsOf(image, sbom), ended.Sum(one => (long)one["bytes"]!));
        Assert.Equal((2, 2), (ended.Sum(one => (int)one["requests"]!), hub.Counted));
    }

    [Fact]
    public async Task Platforms_OfAnIndex_AreAllThatIsFetched()
    {
        var (amd, arm) = (AddImage("amd", 430), AddImage("arm", 440));
        var index = AddIndex("multi", (amd, "linux/amd64"), (arm, "linux/arm64"));

        var (ended, _) = await WarmAsync(Body("org/app:multi", "platforms", new JsonArray("linux/amd64")));

        Assert.Equal("fetched", Text(Assert.Single(ended), "status"));
        Assert.Equal(index.Digest.ToString(), Text(ended[0], "digest"));
        Assert.True(Cache.Store.Has(amd.Layers[0].Digest));
        Assert.DoesNotContain(Registry.Log.All, request => request.Path.Contains(arm.Manifest.Digest.ToString(), StringComparison.Ordinal) && request.Method == "GET");
        Assert.DoesNotContain(Registry.Log.All, request => arm.Layers.Any(layer => request.Path.Contains(layer.Digest.ToString(), StringComparison.Ordinal)));
        var listed = (await Cache.AdminAsync("/api/v1/images?ref=org/app:multi")).Text;
        Assert.True((bool)JsonNode.Parse(listed)!["images"]![0]!["complete"]!);
    }

    [Fact]
    public async Task Platforms_ThatAnImageDoesNotHave_AreNamed()
    {
        AddIndex("multi", (AddImage("amd", 450), "linux/amd64"), (AddImage("s390x", 451), "linux/s390x"));
        AddIndex("single", (AddImage("only", 452), "linux/amd64"));

        var (ended, _) = await WarmAsync(Body("org/app:multi", "platforms", new JsonArray("linux/riscv64")));
        var (single, _) = await WarmAsync(Body("org/app:single", "platforms", new JsonArray("linux/riscv64")));

        Assert.Equal(("failed", "it is not for linux/riscv64; there is linux/amd64, linux/s390x"), (Text(ended[0], "status"), Text(ended[0], "error")));
        Assert.Equal("fetched", Text(single[0], "status"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Referrers_AndCosignTags_ComeAlongAndAreListedOffline(bool api)
    {
        var image = AddImage("1", 460);
        var sbom = Registry.Content.AddReferrer("org/app", image.Manifest, "application/spdx+json");
        var ofSbom = Registry.Content.AddReferrer("org/app", sbom, "application/vnd.dev.sigstore.bundle");
        var name = image.Manifest.Digest.ToString().Replace(':', '-');
        var cosigned = ((string[])["sig", "att", "sbom"]).Select((kind, i) => Registry.Content.AddImage("org/app", $"{name}.{kind}", TestBlob.Random(500, seed: 461 + i))).ToList();
        Registry.HasReferrers = api;
        if (!api)
        {
            Registry.Content.AddIndex("org/app", name, sbom);
            Registry.Content.AddIndex("org/app", sbom.Digest.ToString().Replace(':', '-'), ofSbom);
        }

        Assert.Equal("fetched", Text(Assert.Single((await WarmAsync("org/app:1")).Ended), "status"));
        await Cache.RestartAsync(options => options with { Offline = true });

        foreach (var one in cosigned) await Cache.PullAsync(one);
        foreach (var one in (TestManifest[])[sbom, ofSbom]) (await Cache.GetManifestAsync(one.Digest.ToString())).Is(one.Bytes);
        var all = await Cache.GetAsync($"/v2/org/app/referrers/{image.Manifest.Digest}");
        var other = await Cache.GetAsync($"/v2/org/app/referrers/{image.Manifest.Digest}?artifactType=text/plain");
        var own = await Cache.GetAsync($"/v2/org/app/referrers/{image.Manifest.Digest}?artifactType=application/spdx%2Bjson");
        Assert.Equal((200, "Entrepot; fwd=stale; detail=offline"), (all.Status, all.CacheStatus));
        Assert.Equal([sbom.Digest.ToString()], Digests(all));
        Assert.Equal([sbom.Digest.ToString()], Digests(own));
        Assert.Empty(Digests(other));
        Assert.Equal("artifactType", other.Header("OCI-Filters-Applied"));
        Assert.Equal([ofSbom.Digest.ToString()], Digests(await Cache.GetAsync($"/v2/org/app/referrers/{sbom.Digest}")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Referrers_WhileTheUpstreamIsAway_AreListedAndServedAlsoAfterARestart(bool api)
    {
        var image = AddImage("1", 465);
        var sbom = Registry.Content.AddReferrer("org/app", image.Manifest, "application/spdx+json");
        Registry.HasReferrers = api;
        if (!api) Registry.Content.AddIndex("org/app", image.Manifest.Digest.ToString().Replace(':', '-'), sbom);
        await WarmAsync("org/app:1");
        await Registry.DisposeAsync();

        for (var restart = 0; restart < 2; restart++)
        {
            var all = await Cache.GetAsync($"/v2/org/app/referrers/{image.Manifest.Digest}");
            var own = await Cache.GetAsync($"/v2/org/app/referrers/{image.Manifest.Digest}?artifactType=application/spdx%2Bjson");
            var other = await Cache.GetAsync($"/v2/org/app/referrers/{image.Manifest.Digest}?artifactType=text/plain");
            Assert.Equal((200, "Entrepot; fwd=stale; detail=unreachable"), (all.Status, all.CacheStatus));
            Assert.Equal([sbom.Digest.ToString()], Digests(all));
            Assert.Equal([sbom.Digest.ToString()], Digests(own));
            Assert.Empty(Digests(other));
            (await Cache.GetManifestAsync(sbom.Digest.ToString())).Is(sbom.Bytes);
            await Cache.RestartAsync();
        }
    }

    [Fact]
    public async Task Referrers_NotWanted_AreNotAskedFor()
    {
        var image = AddImage("1", 470);
        Registry.Content.AddReferrer("org/app", image.Manifest, "application/spdx+json");

        await WarmAsync(Body("org/app:1", "referrers", false));

        Assert.DoesNotContain(Registry.Log.All, request => request.Path.Contains("referrers", StringComparison.Ordinal) || request.Path.Contains("sha256-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Probes_OfWhatIsNotThere_AreHeads()
    {
        AddImage("1", 480);
        Registry.HasReferrers = false;

        await WarmAsync("org/app:1");

        Assert.DoesNotContain(Registry.Log.All, request => request is { Method: "GET", Status: 404 } && request.Path.Contains("/manifests/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task DryRun_FetchesNoBlob_AndTellsWhatARealOneTakes()
    {
        var (amd, arm) = (AddImage("amd", 490), AddImage("arm", 491));
        var index = AddIndex("multi", (amd, "linux/amd64"), (arm, "linux/arm64"));
        Registry.Content.AddReferrer("org/app", index, "application/spdx+json");

        var planned = Assert.Single((await WarmAsync(Body("org/app:multi", "dryRun", true))).Ended);

        Assert.Equal("planned", Text(planned, "status"));
        Assert.Equal(0, Registry.BlobGets);
        Assert.Contains("\"images\":[]", (await Cache.AdminAsync("/api/v1/images")).Text, StringComparison.Ordinal);
        var before = Asked;
        var real = Assert.Single((await WarmAsync("org/app:multi")).Ended);
        var counted = Registry.Log.All.Skip(before).Count(request => request.Method == "GET" && request.Path.Contains("/manifests/", StringComparison.Ordinal));
        Assert.Equal(((long)planned["bytes"]!, (int)planned["requests"]!), ((long)real["bytes"]!, (int)real["requests"]!));
        Assert.Equal((int)planned["requests"]!, counted);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Layer_OfSeveralImages_CountsOnce(bool dryRun)
    {
        var shared = TestBlob.Random(30_000, seed: 495);
        TestImage[] images = [.. Enumerable.Range(0, 4).Select(i => Registry.Content.AddImage("org/app", $"s{i}", shared, TestBlob.Random(2000, seed: 496 + i)))];
        var (ended, last) = await WarmAsync(new JsonObject { ["images"] = new JsonArray([.. images.Select(image => (JsonNode)Image($"org/app:{image.Tag}"))]), ["dryRun"] = dryRun, ["referrers"] = false });

        Assert.Equal(
            images.Sum(image => image.Manifest.Bytes.Length + image.Config.Size + image.Layers[1].Size) + shared.Size, ended.Sum(one => (long)one["bytes"]!));
        Assert.All(ended, one => Assert.Equal(dryRun ? "planned" : "fetched", Text(one, "status")));
        Assert.Equal((long)last["totalBytes"]!, images.Sum(image => image.Config.Size + image.Layers[1].Size) + shared.Size);
        Assert.Equal(dryRun ? 0 : (long)last["totalBytes"]!, (long)last["bytes"]!);
    }

    [Fact]
    public async Task OneThatFails_DoesNotStopTheOthers_AndSaysWhy()
    {
        AddImage("1", 500);

        var (ended, last) = await WarmAsync(new JsonObject
        {
            ["images"] = new JsonArray(Image("org/app:none"), Image("nowhere.example/x"), Image("org/*"), Image("org/app:1"), Image("docker.io/org/app:1")),
        });

        Assert.Equal(4, ended.Count);
        Assert.Equal((4, 4, true), ((int)last["images"]!, (int)last["totalImages"]!, (bool)last["done"]!));
        Assert.StartsWith("MANIFEST_UNKNOWN", Text(ended.Single(one => Text(one, "reference") == "docker.io/org/app:none"), "error"), StringComparison.Ordinal);
        Assert.Contains("no upstream is called 'nowhere.example'", Text(ended.Single(one => Text(one, "reference") == "nowhere.example/x"), "error"), StringComparison.Ordinal);
        Assert.Equal("fetched", Text(ended.Single(one => Text(one, "reference") == "docker.io/org/app:1"), "status"));
    }

    [Theory]
    [InlineData("", "the body has to be JSON")]
    [InlineData("[]", "the body has to be JSON")]
    [InlineData("{\"images\":[]}", "at least one image")]
    [InlineData("{\"images\":[{\"reference\":\"a\"}],\"parallel\":0}", "allowed: 1 to 64")]
    [InlineData("{\"images\":[{\"reference\":\"a\",\"platforms\":[\"amd64\"]}]}", "'amd64' is not a platform")]
    public async Task Body_ThatIsWrong_IsRefused(string body, string expected)
    {
        using var content = new StringContent(body);
        using var response = await Cache.Client.PostAsync(new Uri(Cache.Admin, "/api/v1/warm"), content);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains(expected, (string)JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pin_KeepsTheImageAndWhatBelongsToIt()
    {
        var image = AddImage("1", 510);
        var sbom = Registry.Content.AddReferrer("org/app", image.Manifest, "application/spdx+json");

        Assert.Equal("fetched", Text((await WarmAsync(Body("org/app:1", "pin", true))).Ended[0], "status"));

        var images = JsonNode.Parse((await Cache.AdminAsync("/api/v1/images")).Text)!["images"]!.AsArray();
        Assert.Equal([sbom.Digest.ToString(), image.Manifest.Digest.ToString()], images.Select(one => Text(one!, "digest")));   // without a tag first
        Assert.All(images, one => Assert.True((bool)one!["pinned"]!));
    }

    [Fact]
    public async Task Client_ThatLeaves_EndsWhatRanForItAlone_AndTheNextGoesOn()
    {
        var big = Registry.Content.AddImage("org/app", "big", TestBlob.Random(4 << 20, seed: 520));
        Registry.BytesPerSecond = 1 << 20;
        using var leaving = new CancellationTokenSource();
        var warming = WarmAsync(Body("org/app:big", "referrers", false), leaving.Token);
        await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_fetch_arrived_bytes") > 1 << 18);   // of the layer, so that something of it is kept

        await leaving.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => warming);
        await Cache.IdleAsync();
        Assert.False(Cache.Store.Has(big.Layers[0].Digest));
        Registry.BytesPerSecond = null;
        Assert.Equal("fetched", Text((await WarmAsync("org/app:big")).Ended[0], "status"));
        Assert.True(Registry.Log.All.Last(request => request.IsBlob && request.Path.Contains(big.Layers[0].Digest.ToString(), StringComparison.Ordinal)).Header("Range") is not null);
    }

    [Fact]
    public async Task Client_ThatLeaves_DoesNotEndWhatOthersFollow()
    {
        var big = Registry.Content.AddImage("org/app", "big", TestBlob.Random(2 << 20, seed: 530));
        Registry.BytesPerSecond = 1 << 20;
        using var leaving = new CancellationTokenSource();
        var warming = WarmAsync(Body("org/app:big", "referrers", false), leaving.Token);
        await Appliance.UntilAsync(() => Task.FromResult(Registry.Log.All.Any(request => request.IsBlob && request.Path.Contains(big.Layers[0].Digest.ToString(), StringComparison.Ordinal))), () => "no layer is asked for");
        var pull = Cache.GetBlobAsync(big.Layers[0]);
        await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_fetches_running") > 0);

        await leaving.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => warming);
        (await pull).Is(big.Layers[0].Bytes);
    }

    // An image with an SBOM, at a registry that counts as Docker Hub does.
    private (TestImage Image, TestManifest Sbom, HubLimit Hub) AddToHub(string tag, int seed, bool api)
    {
        var (image, hub) = (AddImage(tag, seed), new HubLimit(100));
        var sbom = Registry.Content.AddReferrer("org/app", image.Manifest, "application/spdx+json");
        Registry.HasReferrers = api;
        if (!api) Registry.Content.AddIndex("org/app", image.Manifest.Digest.ToString().Replace(':', '-'), sbom);
        Registry.On(Ask.AnyManifest, hub.Answer, TestRegistry.Always);
        return (image, sbom, hub);
    }

    private static long BlobsOf(TestImage image, TestManifest referrer) =>
        image.Config.Size + image.Layers.Sum(layer => (long)layer.Size)
        + Entrepot.Oci.Manifest.TryParse(referrer.Bytes)!.Blobs.DistinctBy(blob => blob.Digest).Sum(blob => blob.Size);

    private TestImage AddImage(string tag, int seed) =>
        Registry.Content.AddImage("org/app", tag, TestBlob.Random(20_000, seed), TestBlob.Random(3000, seed + 1000));

    private static JsonObject Image(string reference) => new() { ["reference"] = reference };

    private static JsonObject Body(string reference, string name, JsonNode value) => new() { ["images"] = new JsonArray(Image(reference)), [name] = value };

    private Task<(IReadOnlyList<JsonNode> Ended, JsonNode Last)> WarmAsync(string reference) => WarmAsync(new JsonObject { ["images"] = new JsonArray(Image(reference)) });

    private async Task<(IReadOnlyList<JsonNode> Ended, JsonNode Last)> WarmAsync(JsonObject body, CancellationToken cancel = default)
    {
        using var content = new StringContent(body.ToJsonString());
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Cache.Admin, "/api/v1/warm")) { Content = content };
        using var response = await Cache.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        var text = await response.Content.ReadAsStringAsync(cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        var lines = new List<JsonNode>();
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            await Schemas.CheckAsync("warm-line", line);
            lines.Add(JsonNode.Parse(line)!);
        }

        return ([.. lines.SelectMany(line => line["ended"]!.AsArray().Select(one => one!))], lines[^1]);
    }

    private static string? Text(JsonNode node, string name) => (string?)node[name];

    private static IEnumerable<string> Digests(Got got) => got.Json["manifests"]!.AsArray().Select(entry => (string)entry!["digest"]!);
}
