using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Cli;

/// <summary><c>entrepot warm</c>: images from the command line and from files, told to people and to programs.</summary>
public sealed class WarmTests : IAsyncLifetime
{
    private readonly TestRegistry _registry = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-warm-");
    private Appliance _cache = null!;

    public async Task InitializeAsync() => _cache = await Appliance.StartAsync(_registry);

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
        _folder.Delete(recursive: true);
    }

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

        var ran = await WarmAsync("org/app:none", "--from", dockerfile, "--from", Path.Combine(_folder.FullName, "none.txt"));

        Assert.Equal(1, ran.Status);
        Assert.Contains(ran.Lines, line => line.StartsWith("failed    docker.io/org/app:none: MANIFEST_UNKNOWN", StringComparison.Ordinal));
        Assert.Contains(ran.Lines, line => line.StartsWith("fetched   docker.io/org/app:a", StringComparison.Ordinal));
        ran.IsFailure(
            $"{dockerfile}:2: the image 'org/app:$X' cannot be resolved: the variable X is not set and has no default",
            $"{Path.Combine(_folder.FullName, "none.txt")}: cannot be read: there is no such file",
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
        Assert.Equal(0, _registry.BlobGets);
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
        _registry.Content.AddImage("org/app", "big", TestBlob.Random(4 << 20, seed: 602));
        _registry.BytesPerSecond = 1 << 18;
        var warming = WarmAsync("org/app:big", "--no-referrers");
        await Appliance.UntilAsync(() => Task.FromResult(_registry.BlobGets > 0), () => "no blob is asked for");

        await _cache.StopAsync();

        var ran = await warming;
        Assert.Equal(1, ran.Status);
        Assert.NotEmpty(ran.Error);
        await _cache.StartAgainAsync();
    }

    private TestImage AddImage(string tag) => _registry.Content.AddImage("org/app", tag, TestBlob.Random(2000, seed: 600 + tag[0]));

    private Task<Ran> WarmAsync(params string[] arguments) => CommandLine.RunAsync(_cache.Admin, ["warm", .. arguments]);

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }
}
