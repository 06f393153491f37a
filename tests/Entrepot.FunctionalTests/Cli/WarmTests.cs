using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Cli;

/// <summary><c>entrepot warm</c>: images from the command line and from files, told to people and to programs.</summary>
public sealed class WarmTests : SiteTest
{
    [Fact]
    public async Task Images_OfArgumentsAndFiles_AreFetchedOnce()
    {
        foreach (var tag in (string[])["a", "b", "c", "d"]) AddImage(tag);
        var list = Write("images.txt", "org/app:a\norg/app:b  # twice");
        var compose = Write("compose.yaml", "services: {x: {image: 'docker.io/org/app:${TAG:-c}'}}");

        var ran = (await WarmAsync("org/app:b", "--from", list, "--from", compose, "--from", Write("Dockerfile", "FROM org/app:d"))).IsFine();

        Assert.Equal(
            ["fetched   docker.io/org/app:a", "fetched   docker.io/org/app:b", "fetched   docker.io/org/app:c", "fetched   docker.io/org/app:d"],
            ran.Lines[..^1].Select(line => line[..line.LastIndexOf(": ", StringComparison.Ordinal)]).Order());
        Assert.StartsWith("4 images: 4 fetched; ", ran.Lines[^1], StringComparison.Ordinal);
        Assert.EndsWith(", with 4 requests that a rate limit counts", ran.Lines[^1], StringComparison.Ordinal);
        Assert.Equal(4, (await WarmAsync("--from", list, "--from", compose, "org/app:d")).IsFine().Lines.Count(line => line.StartsWith("unchanged docker.io/", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Failures_AreNamed_AndTheRestGoesOn()
    {
        AddImage("a");
        var dockerfile = Write("Dockerfile", "ARG X\nFROM org/app:$X\nFROM org/app:a");

        var ran = await WarmAsync("org/app:none", "--from", dockerfile, "--from", In("none.txt"));

        Assert.Equal(1, ran.Status);
        Assert.Contains(ran.Lines, line => line.StartsWith("failed    docker.io/org/app:none: MANIFEST_UNKNOWN", StringComparison.Ordinal));
        Assert.Contains(ran.Lines, line => line.StartsWith("fetched   docker.io/org/app:a", StringComparison.Ordinal));
        ran.IsFailure(
            $"{dockerfile}:2: the image 'org/app:$X' cannot be resolved: the variable X is not set and has no default",
            $"{In("none.txt")}: cannot be read: there is no such file",
            "1 of 2 images failed");
    }

    [Fact]
    public async Task Json_IsOneDocument()
    {
        var image = AddImage("a");

        var ran = await WarmAsync("org/app:a", "org/app:none", "--output", "json", "--dry-run");

        await Schemas.CheckLinesAsync("warm", ran);
        var document = JsonNode.Parse(Assert.Single(ran.Lines))!;
        Assert.Equal(1, ran.Status);
        Assert.True((bool)document["dryRun"]!);
        var planned = document["images"]!.AsArray().Single(one => (string?)one!["status"] == "planned")!;
        Assert.Equal(("docker.io/org/app:a", image.Manifest.Digest.ToString()), ((string?)planned["reference"], (string?)planned["digest"]));
        Assert.Equal(0, Registry.BlobGets);
    }

    [Fact]
    public async Task Json_OfFetchedImages_SaysWhatEachIsAndTook()
    {
        var (one, two) = (AddImage("a"), AddImage("b"));

        var ran = (await WarmAsync("org/app:a", $"docker.io/org/app@{two.Manifest.Digest}", "--output", "json")).IsFine();

        await Schemas.CheckLinesAsync("warm", ran);
        var document = JsonNode.Parse(Assert.Single(ran.Lines))!;
        Assert.Equal(
            new[] { ("docker.io/org/app:a", one), ($"docker.io/org/app@{two.Manifest.Digest}", two) }.Select(pair => (pair.Item1, pair.Item2.Manifest.Digest.ToString(), "fetched", SizeOf(pair.Item2))).Order(),
            document["images"]!.AsArray().Select(image => ((string)image!["reference"]!, (string)image["digest"]!, (string)image["status"]!, (long)image["bytes"]!)).Order());
        Assert.Equal((SizeOf(one) + SizeOf(two), 2, false), ((long)document["bytes"]!, (int)document["requests"]!, (bool)document["dryRun"]!));

        static long SizeOf(TestImage image) => image.Manifest.Bytes.Length + image.Config.Size + image.Layers.Sum(layer => (long)layer.Size);
    }

    [Theory]
    [InlineData("apiVersion: v1\nkind: Pod\nspec: {containers: [{image: 'org/app:a'}]}\n", null)]
    [InlineData("FROM org/app:a\n", "dockerfile")]
    [InlineData("services: {x: {image: 'org/app:a'}}\n", "compose")]
    [InlineData("spec: {containers: [{image: 'org/app:a'}]}\n", "kubernetes")]
    [InlineData("org/app:a", "list")]
    public async Task StandardInput_OfAnyKind_IsRead(string text, string? kind)
    {
        AddImage("a");
        using var line = new CommandLine { Input = text };

        var ran = (await line.RunAsync(["warm", "--from", "-", .. kind is null ? [] : (string[])["--kind", kind], "--server", Cache.Admin.GetLeftPart(UriPartial.Authority)])).IsFine();

        Assert.StartsWith("fetched   docker.io/org/app:a: ", ran.Lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kind_OfAFileThatIsSomethingElse_IsAsItIsSaid()
    {
        AddImage("a");
        var file = Write("images.txt", "FROM org/app:a");

        (await WarmAsync("--from", file, "--kind", "dockerfile")).IsFine();

        var ran = await WarmAsync("--from", file);
        Assert.Equal(1, ran.Status);
        Assert.StartsWith($"entrepot: {file}:1: 'org/app:a' is not a platform", ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Compose_OfSeveralFiles_IsReadFromTheirPlaces()
    {
        foreach (var tag in (string[])["a", "b"]) AddImage(tag);
        Directory.CreateDirectory(In("common"));
        Write("common/base.yaml", "services: {base: {image: 'org/app:${TAG}'}}");
        Write("common/more.yaml", "services: {more: {image: 'org/app:b'}}");
        Write(".env", "TAG=a");
        var compose = Write("compose.yaml", "include: [common/more.yaml]\nservices: {x: {extends: {file: common/base.yaml, service: base}}, y: {extends: {file: none.yaml, service: y}}}");

        var ran = await WarmAsync("--from", compose);

        Assert.Equal(2, ran.Lines.Count(line => line.StartsWith("fetched ", StringComparison.Ordinal)));
        ran.IsFailure($"{compose}:2: the file '{In("none.yaml")}' cannot be read: there is no such file");
    }

    [Fact]
    public async Task Compose_WithAnEnvFileThatUsesVariables_IsResolvedAsComposeDoes()
    {
        AddImage("a");
        Write(".env", "REG=docker.io\nIMG=${REG}/${ORG}/app  # of the environment\nTAG='a'");
        var compose = Write("compose.yaml", "services: {x: {image: '${IMG}:${TAG}'}}");
        using var line = new CommandLine { Environment = { ["ORG"] = "org" } };

        var ran = (await line.RunAsync("warm", "--from", compose, "--server", Cache.Admin.GetLeftPart(UriPartial.Authority))).IsFine();

        Assert.StartsWith("fetched   docker.io/org/app:a: ", ran.Lines[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Platform_IsAllThatIsFetchedOfAnIndex(bool wanted)
    {
        var (amd, arm) = (AddImage("m"), AddImage("n"));
        var index = AddIndex("multi", (amd, "linux/amd64"), (arm, "linux/arm64"));

        (await WarmAsync(["org/app:multi", .. wanted ? (string[])["--platform", "linux/amd64"] : []])).IsFine();

        Assert.Equal((true, !wanted), (Cache.Store.Has(amd.Layers[0].Digest), Cache.Store.Has(arm.Layers[0].Digest)));
        Assert.Equal(!wanted, Registry.Log.All.Any(request => request.Method == "GET" && request.Path.EndsWith(arm.Manifest.Digest.ToString(), StringComparison.Ordinal)));
        (await Cache.GetManifestAsync("multi")).Is(index.Bytes);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Pin_KeepsTheImageAndWhatRefersToIt(bool wanted)
    {
        AddReferred("multi");

        (await WarmAsync(["org/app:multi", .. wanted ? (string[])["--pin"] : []])).IsFine();

        var images = JsonNode.Parse((await CommandAsync("list", "--output", "json")).IsFine().Out)!["images"]!.AsArray();
        Assert.Equal(2, images.Count);
        Assert.All(images, image => Assert.Equal(wanted, (bool)image!["pinned"]!));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task NoReferrers_LeavesOutWhatRefersToTheImage(bool wanted)
    {
        var sbom = AddReferred("multi");

        (await WarmAsync(["org/app:multi", .. wanted ? (string[])["--no-referrers"] : []])).IsFine();

        Assert.Equal(!wanted, Cache.Store.Has(sbom.Digest));
        Assert.Equal(!wanted, Registry.Log.All.Any(request => request.Path.Contains("/referrers/", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task File_ThatNamesNoImages_IsTold()
    {
        var (empty, other) = (Write("empty.yaml", ""), Write("other.yaml", "hello: world"));

        var ran = await WarmAsync("--from", empty, "--from", other);

        Assert.Equal((0, "", $"entrepot: {empty}: names no images\nentrepot: {other}: names no images\n"), (ran.Status, ran.Out, ran.Error));
    }

    [Theory]
    [InlineData("warm", "no image is given: give images, or files that name them with --from")]
    [InlineData("warm a --platform amd64", "--platform 'amd64' is not allowed; allowed: os/architecture or os/architecture/variant, e.g. linux/amd64 or linux/arm/v7")]
    [InlineData("warm a --parallel 0", "--parallel '0' is not allowed; allowed: 1 to 64")]
    [InlineData("warm a --kind helm", "--kind 'helm' is not allowed; allowed: list, compose, kubernetes, dockerfile")]
    public async Task Usage_ThatIsWrong_IsStatus2(string line, string expected)
    {
        using var command = new CommandLine();

        var ran = await command.RunAsync(line.Split(' '));

        Assert.Equal((2, $"entrepot: {expected}"), (ran.Status, ran.Error.Split('\n')[0]));
    }

    [Fact]
    public async Task Server_ThatGoesAway_EndsTheCommandWithAMessage()
    {
        Registry.Content.AddImage("org/app", "big", TestBlob.Random(4 << 20, seed: 602));
        Registry.BytesPerSecond = 1 << 18;
        var warming = WarmAsync("org/app:big", "--no-referrers");
        await Appliance.UntilAsync(() => Task.FromResult(Registry.BlobGets > 0), () => "no blob is asked for");

        await Cache.StopAsync();

        var ran = await warming;
        Assert.Equal(1, ran.Status);
        Assert.NotEmpty(ran.Error);
        await Cache.StartAgainAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Parallel_IsHowManyBlobsAreFetchedAtOnce(int parallel)
    {
        string[] tags = ["a", "b", "c", "d"];
        foreach (var tag in tags) AddImage(tag);
        var held = new ConcurrentQueue<Gate>();
        Registry.On(Ask.Blob, (_, right) => { var gate = new Gate(); held.Enqueue(gate); return right with { BeforeHeaders = gate }; }, TestRegistry.Always);

        var warming = WarmAsync([.. tags.Select(tag => $"org/app:{tag}"), "--no-referrers", "--parallel", $"{parallel}"]);

        for (var left = 2 * tags.Length; left > 0; left--)   // a config and a layer each
        {
            var wanted = Math.Min(left, parallel);
            await Appliance.UntilAsync(() => Task.FromResult(held.Count >= wanted), () => $"{held.Count} of {wanted} are asked for, {left} are left");
            Assert.Equal(wanted, held.Count);
            Assert.True(held.TryDequeue(out var gate));
            gate.Open();
        }

        (await warming).IsFine();
    }

    private TestImage AddImage(string tag) => Registry.Content.AddImage("org/app", tag, TestBlob.Random(2000, seed: 600 + tag[0]));

    // An index of two platforms, and an SBOM of it.
    private TestManifest AddReferred(string tag) =>
        Registry.Content.AddReferrer("org/app", AddIndex(tag, (AddImage("m"), "linux/amd64"), (AddImage("n"), "linux/arm64")), "application/spdx+json");

    private Task<Ran> WarmAsync(params string[] arguments) => CommandAsync(["warm", .. arguments]);
}
