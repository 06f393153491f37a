using System.Text.Json.Nodes;
using Entrepot.Bundles;
using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary><c>bundle export --from</c>: the images that people's own files name.</summary>
public sealed class ExportSourceTests : IAsyncLifetime
{
    private readonly TestRegistry _registry = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-export-");
    private Appliance _cache = null!;

    public async Task InitializeAsync() => _cache = await Appliance.StartAsync(_registry);

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Export_FromFiles_HasTheImagesThatTheyNameAndTheirPlatforms()
    {
        var (amd, arm) = (AddImage("amd"), AddImage("arm"));
        AddIndex("one", amd, arm);
        AddIndex("both", amd, arm);
        AddImage("plain");
        await WriteAsync("images.txt", "org/app:one linux/amd64  # no other\r\norg/app:both");
        await WriteAsync("deploy", "services: {x: {image: 'org/app:plain'}}");

        (await ExportAsync("--from", In("images.txt"))).IsFine();
        Assert.Equal(["linux/amd64", "linux/amd64,linux/arm64"], Images().OrderByDescending(image => image.Reference.Tag).Select(image => string.Join(',', image.Platforms)));

        (await ExportAsync("--from", In("images.txt"), "--platform", "linux/arm64", "org/app:plain")).IsFine();
        Assert.Equal(["", "linux/arm64", "linux/arm64"], Images().Select(image => string.Join(',', image.Platforms)).Order(StringComparer.Ordinal));

        (await ExportAsync("--from", In("deploy"), "--kind", "compose")).IsFine();
        Assert.Equal(["docker.io/org/app:plain"], Images().Select(image => image.Reference.ToString()));
    }

    [Fact]
    public async Task Export_FromAFileThatIsNotUnderstood_NamesTheLineAndWritesNothing()
    {
        AddImage("plain");
        await WriteAsync("Dockerfile", "ARG X\nFROM org/app:$X\nFROM org/app:plain");

        var ran = await ExportAsync("--from", In("Dockerfile"));

        Assert.Equal(1, ran.Status);
        ran.IsFailure(
            $"{In("Dockerfile")}:2: the image 'org/app:$X' cannot be resolved: the variable X is not set and has no default",
            "nothing was written, since not all that names images is understood");
        Assert.Equal(["Dockerfile"], _folder.GetFiles().Select(file => file.Name));
    }

    [Fact]
    public async Task Export_NoImages_IsStatus2()
    {
        var ran = await ExportAsync();

        Assert.Equal((2, "entrepot: no image is given: give images, or files that name them with --from"), (ran.Status, ran.Error.Split('\n')[0]));
    }

    private TestImage AddImage(string tag) => _registry.Content.AddImage("org/app", tag, TestBlob.Random(2000, seed: 820 + tag[^1]));

    private void AddIndex(string tag, TestImage amd, TestImage arm)
    {
        var index = Content.IndexOf([amd.Manifest, arm.Manifest]);
        foreach (var (entry, architecture) in index["manifests"]!.AsArray().Zip(["amd64", "arm64"]))
            entry!["platform"] = new JsonObject { ["os"] = "linux", ["architecture"] = architecture };
        _registry.Content.AddManifest("org/app", tag, index, MediaTypes.OciIndex);
    }

    private Task<Ran> ExportAsync(params string[] arguments) => CommandLine.RunAsync(_cache.Admin, ["bundle", "export", "-o", In("site.tar"), .. arguments]);

    private IReadOnlyList<BundleImage> Images() => BundleReceipt.Read(File.ReadAllBytes(In("site.receipt.json")), out _)!.Images;

    private string In(string name) => Path.Combine(_folder.FullName, name);

    private Task WriteAsync(string name, string text) => File.WriteAllTextAsync(In(name), text);
}
