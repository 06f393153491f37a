using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Engines;

/// <summary>Programs without mirrors, which are told the appliance's own address, and which copy images into an OCI layout.</summary>
/// <param name="program">The executable.</param>
/// <param name="folder">Where the copies lie; they are removed at once.</param>
/// <param name="logFile">Where its output is appended.</param>
/// <param name="arguments">What makes it copy: from the reference, to the folder, of the platform or of all.</param>
/// <param name="mirror">The appliance, <c>address:port</c>.</param>
internal sealed class LayoutTool(string program, string folder, string logFile, Func<string, string, string?, string[]> arguments, string mirror) : IEngine
{
    private int _copies;

    public static LayoutTool Crane(string root, string folder, string logFile, string mirror) => new(
        $"{root}/usr/bin/crane", folder, logFile,
        (from, to, architecture) => ["pull", "--insecure", "--format", "oci", "--platform", "linux/" + (architecture ?? TestImage.NativeArchitecture), from, to],
        mirror);

    public static LayoutTool Oras(string root, string folder, string logFile, string mirror) => new(
        $"{root}/usr/bin/oras", folder, logFile,
        (from, to, architecture) => ["copy", "--no-tty", "--from-plain-http", "--to-oci-layout", .. Dockerd.PlatformFlag(architecture), from, to + ":1"],
        mirror);

    public async Task PullAsync(TestImage image, string? architecture = null)
    {
        var copy = Path.Combine(folder, "copy" + Interlocked.Increment(ref _copies));
        Directory.CreateDirectory(folder);
        await Tool.RunAsync(program, arguments($"{mirror}/docker.io/{image}", copy, architecture), logFile, ("DOCKER_CONFIG", folder), ("HOME", folder));
        TestRun.CountPull(Path.GetFileName(program));

        var platform = image.Platform(architecture);
        foreach (var content in platform.Blobs.Append(platform.Manifest))
            Assert.Equal(content.Bytes, await File.ReadAllBytesAsync(Path.Combine(copy, "blobs", "sha256", content.Hex)));
        Directory.Delete(copy, recursive: true);
    }

    public Task RemoveAsync(TestImage image) => Task.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
