using Entrepot.ClientTests.Images;

namespace Entrepot.ClientTests.Kit;

/// <summary>skopeo with a <c>registries.conf</c> that names a mirror of docker.io. Its copies are removed with the folder.</summary>
internal sealed class Skopeo
{
    private readonly string _folder;
    private readonly string _logFile;
    private int _copies;

    /// <summary>Writes its configuration.</summary>
    /// <param name="folder">Where that and the copies lie.</param>
    /// <param name="logFile">Where its output is appended.</param>
    /// <param name="mirror">The mirror, <c>address:port</c>, spoken to in plain HTTP.</param>
    public Skopeo(string folder, string logFile, string mirror)
    {
        (_folder, _logFile) = (Directory.CreateDirectory(folder).FullName, logFile);
        File.WriteAllText(Path.Combine(folder, "policy.json"), """{"default":[{"type":"insecureAcceptAnything"}]}""");
        File.WriteAllText(Path.Combine(folder, "auth.json"), "{}");
        File.WriteAllText(Path.Combine(folder, "registries.conf"), $"""
            [[registry]]
            prefix = "docker.io"
            location = "docker.io"
            [[registry.mirror]]
            location = "{mirror}"
            insecure = true

            [[registry]]
            location = "{mirror}"
            insecure = true
            """);
    }

    /// <summary>Copies all platforms of an image, and checks that every file is what was pushed, byte for byte.</summary>
    /// <param name="image">What is expected.</param>
    /// <param name="registry">What skopeo is told: docker.io, or <c>address:port</c> and perhaps a path.</param>
    public async Task CopyAsync(TestImage image, string registry = "docker.io")
    {
        var copy = Path.Combine(_folder, "copy" + Interlocked.Increment(ref _copies));
        string[] arguments =
        [
            "--policy", Path.Combine(_folder, "policy.json"), "--registries-conf", Path.Combine(_folder, "registries.conf"), "--tmpdir", _folder,
            "copy", "--quiet", "--all", "--preserve-digests", "--src-authfile", Path.Combine(_folder, "auth.json"),
            $"docker://{registry}/{image}", "dir:" + copy,
        ];
        await Tool.RunAsync("skopeo", arguments, _logFile);
        TestRun.CountPull("skopeo");
        AssertIs(image, copy);
        Directory.Delete(copy, recursive: true);
    }

    private static void AssertIs(TestImage image, string copy)
    {
        var expected = image.Blobs.ToDictionary(blob => blob.Hex, blob => blob.Bytes);
        if (image.Index is not null)
            foreach (var platform in image.Platforms) expected[platform.Manifest.Hex + ".manifest.json"] = platform.Manifest.Bytes;
        expected["manifest.json"] = image.Root.Bytes;

        var files = Directory.GetFiles(copy).Select(Path.GetFileName).Where(name => name != "version");
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), files.Order(StringComparer.Ordinal));
        foreach (var (name, bytes) in expected) Assert.True(bytes.AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(copy, name))), $"{image}: {name} is not what was pushed");
    }
}
