using Entrepot.ClientTests.Engines;
using Entrepot.ClientTests.Images;

namespace Entrepot.ClientTests.Kit;

/// <summary>skopeo, which keeps nothing between two copies. These are removed at once.</summary>
internal sealed class Skopeo(string folder, string logFile, string mirror, string? registries = null) : IEngine
{
    private readonly ContainersConfig _config = new(folder, mirror, registries);
    private int _copies;

    public Task PullAsync(TestImage image, string? architecture = null) =>
        architecture is null ? CopyAsync(image) : CopyAsync($"docker://docker.io/{image}", ["--override-arch", architecture], [], FilesOf(image.Platform(architecture)));

    /// <summary>Copies all platforms of an image, and checks that every file is what was pushed, byte for byte.</summary>
    /// <param name="image">What is expected.</param>
    /// <param name="registry">What skopeo is told: docker.io, or <c>address:port</c> and perhaps a path.</param>
    public Task CopyAsync(TestImage image, string registry = "docker.io") => CopyAsync($"docker://{registry}/{image}", [], ["--all"], FilesOf(image));

    /// <summary>As the other, from anything that skopeo reads, such as <c>oci-archive:site.tar:name</c>.</summary>
    public Task CopyFromAsync(string source, TestImage image) => CopyAsync(source, [], ["--all"], FilesOf(image));

    public Task RemoveAsync(TestImage image) => Task.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async Task CopyAsync(string source, string[] flags, string[] copyFlags, Dictionary<string, byte[]> expected)
    {
        var copy = Path.Combine(folder, "copy" + Interlocked.Increment(ref _copies));
        string[] arguments =
        [
            "--policy", _config.Policy, "--registries-conf", _config.Registries, "--tmpdir", folder, .. flags,
            "copy", "--quiet", .. copyFlags, "--preserve-digests", "--src-authfile", _config.Accounts, source, "dir:" + copy,
        ];
        await Tool.RunAsync("skopeo", arguments, logFile);
        TestRun.CountPull("skopeo");
        AssertIs(copy, expected);
        Directory.Delete(copy, recursive: true);
    }

    private static Dictionary<string, byte[]> FilesOf(PlatformImage platform)
    {
        var files = platform.Blobs.ToDictionary(blob => blob.Hex, blob => blob.Bytes);
        files["manifest.json"] = platform.Manifest.Bytes;
        return files;
    }

    private static Dictionary<string, byte[]> FilesOf(TestImage image)
    {
        var files = image.Blobs.ToDictionary(blob => blob.Hex, blob => blob.Bytes);
        if (image.Index is not null)
            foreach (var platform in image.Platforms) files[platform.Manifest.Hex + ".manifest.json"] = platform.Manifest.Bytes;
        files["manifest.json"] = image.Root.Bytes;
        return files;
    }

    private static void AssertIs(string copy, Dictionary<string, byte[]> expected)
    {
        var files = Directory.GetFiles(copy).Select(Path.GetFileName).Where(name => name != "version");
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), files.Order(StringComparer.Ordinal));
        foreach (var (name, bytes) in expected) Assert.True(bytes.AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(copy, name))), $"{name} is not what was pushed");
    }
}
