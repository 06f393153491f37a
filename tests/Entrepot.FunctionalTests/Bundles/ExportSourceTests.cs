using Entrepot.Bundles;
using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary><c>bundle export --from</c>: the images that people's own files name.</summary>
public sealed class ExportSourceTests : SiteTest
{
    [Fact]
    public async Task Export_FromFiles_HasTheImagesThatTheyNameAndTheirPlatforms()
    {
        var (amd, arm) = (AddImage("amd"), AddImage("arm"));
        AddIndex("one", (amd, "linux/amd64"), (arm, "linux/arm64"));
        AddIndex("both", (amd, "linux/amd64"), (arm, "linux/arm64"));
        AddImage("plain");
        Write("images.txt", "org/app:one linux/amd64  # no other\r\norg/app:both");
        Write("deploy", "services: {x: {image: 'org/app:plain'}}");

        (await ExportAsync("--from", In("images.txt"))).IsFine();
        Assert.Equal(["linux/amd64", "linux/amd64,linux/arm64"], Images().OrderByDescending(image => image.Reference.Tag).Select(image => string.Join(',', image.Platforms)));

        (await ExportAsync("--from", In("images.txt"), "--platform", "linux/arm64", "org/app:plain")).IsFine();
        Assert.Equal(["", "linux/arm64", "linux/arm64"], Images().Select(image => string.Join(',', image.Platforms)).Order(StringComparer.Ordinal));

        (await ExportAsync("--from", In("deploy"), "--kind", "compose")).IsFine();
        Assert.Equal(["docker.io/org/app:plain"], Images().Select(image => image.Reference.ToString()));
    }

    [Fact]
    public async Task Export_Platform_LeavesOthersOutAndTheIndexAsItIs()
    {
        var (amd, arm) = (AddImage("amd"), AddImage("arm"));
        var index = AddIndex("both", (amd, "linux/amd64"), (arm, "linux/arm64"));

        (await ExportAsync("org/app:both", "--platform", "linux/arm64")).IsFine();

        var contents = BundleReceipt.Read(await File.ReadAllBytesAsync(In("site.receipt.json")), out _)!;
        Assert.Equal(index.Digest, Assert.Single(contents.Images).Digest);
        Assert.Equal(
            arm.Layers.Append(arm.Config).Select(blob => blob.Digest).Append(arm.Manifest.Digest).Append(index.Digest).Select(digest => digest.ToString()).Order(StringComparer.Ordinal),
            contents.Blobs.Select(blob => blob.Digest.ToString()).Order(StringComparer.Ordinal));
        Assert.DoesNotContain(Registry.Log.All, request => request.Path.Contains(amd.Manifest.Digest.ToString(), StringComparison.Ordinal));
        (await ExportAsync("org/app:both", "--platform", "linux/s390x")).IsFailure(
            "docker.io/org/app:both: it is not for linux/s390x; there is linux/amd64, linux/arm64",
            "docker.io/org/app:both: it has no linux/s390x; it has linux/amd64, linux/arm64",
            "nothing was written, since not all is stored");
    }

    [Fact]
    public async Task Export_FromAFileThatIsNotUnderstood_NamesTheLineAndWritesNothing()
    {
        AddImage("plain");
        Write("Dockerfile", "ARG X\nFROM org/app:$X\nFROM org/app:plain");

        var ran = await ExportAsync("--from", In("Dockerfile"));

        Assert.Equal(1, ran.Status);
        ran.IsFailure(
            $"{In("Dockerfile")}:2: the image 'org/app:$X' cannot be resolved: the variable X is not set and has no default",
            "nothing was written, since not all that names images is understood");
        Assert.Equal(["Dockerfile"], Files);
    }

    [Fact]
    public async Task Export_FromAFileThatNamesNoImages_WritesNothing()
    {
        (await ExportAsync("--from", Write("empty.yaml", ""))).IsFailure($"{In("empty.yaml")}: names no images", "nothing was written, since no images are named");

        Assert.Equal(["empty.yaml"], Files);
    }

    [Theory]
    [InlineData("--since")]
    [InlineData("--sign-key")]
    public async Task Export_FlagOfAFileThatIsNotThere_NamesBoth(string flag) =>
        (await ExportAsync("org/app:1", flag, In("none"))).IsFailure($"{flag} {In("none")}: cannot be read: there is no such file");

    [Fact]
    public async Task Export_NoImages_IsStatus2()
    {
        var ran = await ExportAsync();

        Assert.Equal((2, "entrepot: no image is given: give images, or files that name them with --from"), (ran.Status, ran.Error.Split('\n')[0]));
    }

    private TestImage AddImage(string tag) => Registry.Content.AddImage("org/app", tag, TestBlob.Random(2000, seed: 820 + tag[^1]));

    private Task<Ran> ExportAsync(params string[] arguments) => CommandAsync(["bundle", "export", "-o", In("site.tar"), .. arguments]);

    private IReadOnlyList<BundleImage> Images() => BundleReceipt.Read(File.ReadAllBytes(In("site.receipt.json")), out _)!.Images;
}
