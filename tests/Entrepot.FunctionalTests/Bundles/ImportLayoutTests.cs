using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>OCI image layouts come in, and are served without an upstream.</summary>
public sealed class ImportLayoutTests : ImportTest
{
    [Fact]
    public async Task Import_Layout_IsPulledByTagAndDigestAndListedAsASet()
    {
        var (app, other) = (Image("org/app", "1", 500), Image("library/other", "2", 501));
        var file = Files.Layout("site.tar", (Full(app), app), ("other:2", other));

        var ran = (await ImportAsync(file, "--set", "site")).IsFine();

        await PullsAsync(app);
        await PullsAsync(other);
        Assert.Contains($"imported  docker.io/org/app:1  sha256:{app.Manifest.Digest.Hex[..12]}", ran.Lines);
        Assert.All(await ListAsync(), image => Assert.Equal(("site", true, true), ((string)image["set"]!, (bool)image["pinned"]!, (bool)image["complete"]!)));
        await NothingIsStagedAsync();

        await Cache.RestartAsync();
        await PullsAsync(app);
        Assert.Equal(2, (await ListAsync()).Count(image => (string?)image["set"] == "site"));
    }

    [Fact]
    public async Task Import_Directory_IsTheSame()
    {
        var app = Image("org/app", "1", 502);
        foreach (var (name, bytes) in new[] { app.Config, app.Layers[0], new TestBlob(app.Manifest.Digest, app.Manifest.Bytes) }.Select(blob => (ImageArchive.NameOf(blob.Digest), blob.Bytes))
            .Append(("index.json", System.Text.Encoding.UTF8.GetBytes(ImageArchive.IndexOf([(Full(app), app)]).ToJsonString()))))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Files.PathOf($"layout/{name}"))!);
            await File.WriteAllBytesAsync(Files.PathOf($"layout/{name}"), bytes);
        }

        (await ImportAsync(Files.PathOf("layout"))).IsFine();

        await PullsAsync(app);
        Assert.Equal("layout", (string?)Assert.Single(await ListAsync())["set"]);
    }

    [Fact]
    public async Task Import_Twice_SendsNothingTheSecondTime()
    {
        var app = Image("org/app", "1", 503);
        var file = Files.Layout("site.tar", (Full(app), app));
        (await ImportAsync(file)).IsFine();

        var again = JsonNode.Parse((await ImportAsync(file, "--output", "json")).IsFine().Out)!;

        Assert.Equal((3, 0, 0L), ((int)again["blobs"]!, (int)again["sentBlobs"]!, (long)again["sentBytes"]!));
        await PullsAsync(app);
    }

    [Fact]
    public async Task Import_Json_IsAsTheSchemaHasIt()
    {
        var app = Image("org/app", "1", 504);

        var ran = (await ImportAsync(Files.Layout("site.tar", (Full(app), app)), "--output", "json")).IsFine();

        await Schemas.CheckAsync("import", Assert.Single(ran.Lines));
        var report = JsonNode.Parse(ran.Out)!;
        Assert.Equal(("site", Full(app), 3), ((string?)report["set"], (string?)report["images"]![0]!["reference"], (int)report["sentBlobs"]!));
        Assert.Equal(Cache.Url.GetLeftPart(UriPartial.Authority), (string?)JsonNode.Parse((string)report["mirrors"]!["daemonJson"]!)!["registry-mirrors"]![0]);
    }

    [Fact]
    public async Task Import_Index_TakesThePlatformsThatAreThereAndKeepsItsDigest()
    {
        var (amd, arm) = (Image("org/app", "amd", 505), Image("org/app", "arm", 506));
        var index = Elsewhere.AddIndex("org/app", "1", amd.Manifest, arm.Manifest);
        var image = new TestImage("org/app", "1", index, amd.Config, amd.Layers);
        var file = Files.Tar("site.tar",
        [
            .. ImageArchive.BlobsOf([amd]), ImageArchive.Member(ImageArchive.NameOf(index.Digest), index.Bytes),
            ImageArchive.Member("index.json", ImageArchive.IndexOf([(Full(image), image)]).ToJsonString()),
        ]);

        (await ImportAsync(file)).IsFine();

        await PullsAsync(image);
        await PullsAsync(amd, amd.Manifest.Digest.ToString());
        Assert.Equal(404, (await Cache.GetManifestAsync(arm.Manifest.Digest.ToString())).Status);
    }

    [Theory]
    [InlineData("docker.io/org/app:1")]
    [InlineData("1", "--name", "org/app")]
    [InlineData("", "--name", "org/app:1")]
    public async Task Import_EveryManifestListed_TakesThemAlongWithTheirImage(string refName, params string[] arguments)
    {
        var (amd, arm) = (Image("org/app", "amd", 513), Image("org/app", "arm", 514));
        var index = Elsewhere.AddIndex("org/app", "1", amd.Manifest, arm.Manifest);
        var image = new TestImage("org/app", "1", index, amd.Config, amd.Layers);
        var (signature, sbom) = (Referrer(index), Referrer(arm.Manifest));
        var again = Referrer(signature.Manifest);
        var file = Files.Layout("app.tar", ("", again), ("", amd), ("", sbom), ("", arm), (refName, image), ("", signature));

        var ran = (await ImportAsync([file, .. arguments])).IsFine();

        await PullsAsync(image);
        await PullsAsync(arm, arm.Manifest.Digest.ToString());
        Assert.Equal(
            new[] { again, sbom, signature }.Select(one => $"docker.io/org/app@{one.Manifest.Digest}").Append("docker.io/org/app:1").Order(StringComparer.Ordinal),
            ran.Lines.Where(line => line.StartsWith("imported ", StringComparison.Ordinal)).Select(line => line.Split("  ")[1]));
        foreach (var (subject, referrer) in new[] { (index, signature), (arm.Manifest, sbom), (signature.Manifest, again) })
        {
            var list = await Cache.GetAsync($"/v2/org/app/referrers/{subject.Digest}");
            Assert.Equal(referrer.Manifest.Digest.ToString(), (string?)Assert.Single(list.Json["manifests"]!.AsArray())!["digest"]);
        }
    }

    [Fact]
    public async Task Import_UnnamedThatNothingNamedLeadsTo_IsRefused()
    {
        var (app, other) = (Image("org/app", "1", 515), Image("org/other", "1", 516));
        var one = Files.Layout("one.tar", (Full(app), app), ("", other));
        var stray = Referrer(other.Manifest);
        var two = Files.Layout("two.tar", (Full(app), app), ("", stray));
        var three = Files.Layout("three.tar", ("", app), ("", other));

        (await ImportAsync(one)).IsFailure(Nameless(one, other));
        (await ImportAsync(two)).IsFailure(Nameless(two, stray));
        (await ImportAsync(three, "--name", "org/app:1")).IsFailure(
            $"'{three}' has two images that would be called docker.io/org/app:1: {app.Manifest.Digest} and {other.Manifest.Digest}");

        await NothingIsLeftAsync(app, other);

        static string Nameless(string file, TestImage image) =>
            $"'{file}' does not say what its image {image.Manifest.Digest} is called: say it with --name, e.g. --name docker.io/library/alpine:3.20";
    }

    [Fact]
    public async Task Import_OnlyATag_NeedsAName()
    {
        var app = Image("org/app", "1", 507);
        var file = Files.Layout("app.tar", ("1", app));

        (await ImportAsync(file)).IsFailure(
            $"'{file}' calls its image {app.Manifest.Digest} only '1', without a repository: say with --name which it is of, e.g. --name docker.io/library/alpine");
        (await ImportAsync(file, "--name", "org/app")).IsFine();

        await PullsAsync(app);
    }

    [Fact]
    public async Task Import_ContainerdsName_Counts()
    {
        var app = Image("org/app", "1", 508);
        var index = ImageArchive.IndexOf([("1", app)]);
        index["manifests"]![0]!["annotations"]!["io.containerd.image.name"] = Full(app);

        (await ImportAsync(Files.Tar("app.tar", [.. ImageArchive.BlobsOf([app]), ImageArchive.Member("index.json", index.ToJsonString())]))).IsFine();

        await PullsAsync(app);
    }

    [Fact]
    public async Task Import_UnknownRegistry_IsRefusedAndNamed()
    {
        var app = Image("org/app", "1", 509);

        (await ImportAsync(Files.Layout("app.tar", ("elsewhere.example/org/app:1", app)))).IsFailure(
            "'elsewhere.example/org/app:1' cannot be imported: no upstream is called 'elsewhere.example'; configured are: docker.io");

        await NothingIsLeftAsync(app);
    }

    [Fact]
    public async Task Import_LayerThatIsStoredAlready_IsEnoughWithoutIt()
    {
        var (app, more) = (Image("org/app", "1", 510), Image("org/app", "2", 511, 510));
        (await ImportAsync(Files.Layout("one.tar", (Full(app), app)))).IsFine();
        var without = ImageArchive.LayoutMembers([(Full(more), more)]).Where(member => member.Name != ImageArchive.NameOf(app.Layers[0].Digest));

        (await ImportAsync(Files.Tar("two.tar", [.. without]))).IsFine();

        await PullsAsync(more);
    }

    [Fact]
    public async Task Import_WhatVerifyFoundRotten_IsHealed()
    {
        var app = Image("org/app", "1", 512);
        var file = Files.Layout("site.tar", (Full(app), app));
        (await ImportAsync(file)).IsFine();
        Cache.Store.Plant(app.Layers[0].Digest, new byte[app.Layers[0].Size]);

        var verified = await RunAsync("verify");
        Assert.Equal(1, verified.Status);
        Assert.Contains($"wrong, and removed: {app.Layers[0].Digest}", verified.Lines);
        (await ImportAsync(file)).IsFine();

        await PullsAsync(app);
        (await RunAsync("verify")).IsFine();
    }

    private TestImage Referrer(TestManifest subject) =>
        new("org/app", "", Elsewhere.AddReferrer("org/app", subject, "application/vnd.example.signature"), Elsewhere.AddBlob("{}"u8.ToArray()), []);
}
