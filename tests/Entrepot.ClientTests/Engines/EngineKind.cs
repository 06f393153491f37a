using System.Text.RegularExpressions;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Engines;

/// <summary>Starts an engine.</summary>
/// <param name="folder">Everything of it lies there.</param>
/// <param name="logFile">Where its output is appended.</param>
/// <param name="mirror">The appliance, <c>address:port</c>.</param>
internal delegate Task<IEngine> EngineStart(string folder, string logFile, string mirror);

/// <summary>One program that people point at a mirror.</summary>
/// <param name="Name">As the table in <c>docs/clients.md</c> has it.</param>
/// <param name="Program">The executable: a name to be searched for, or a path.</param>
/// <param name="VersionArgument">What makes it tell its version.</param>
/// <param name="Start">Starts it without images.</param>
internal sealed partial record EngineKind(string Name, string Program, string VersionArgument, EngineStart Start)
{
    private static readonly string Newer = TestRun.NewerRoot ?? "";

    private Task<string>? _version;

    /// <summary>All of them, in the table's order: those of Debian stable, and newer ones that are there only sometimes.</summary>
    public static IReadOnlyList<EngineKind> All { get; } =
    [
        new("dockerd", "dockerd", "--version", async (folder, log, mirror) => await Dockerd.StartAsync(folder, log, mirror)),
        new("docker build", "dockerd", "--version", async (folder, log, mirror) => await DockerBuild.StartAsync(folder, log, mirror)),
        new("containerd", "containerd", "--version", async (folder, log, mirror) => await Containerd.StartAsync(folder, log, mirror)),
        new("podman", "podman", "--version", (folder, log, mirror) => Task.FromResult<IEngine>(new Podman(folder, log, mirror))),
        new("buildah", "buildah", "--version", (folder, log, mirror) => Task.FromResult<IEngine>(new Buildah(folder, log, mirror))),
        new("skopeo", "skopeo", "--version", (folder, log, mirror) => Task.FromResult<IEngine>(new Skopeo(folder, log, mirror))),
        new("dockerd, containerd image store", $"{Newer}/usr/sbin/dockerd", "--version",
            async (folder, log, mirror) => await Dockerd.StartAsync(folder, log, mirror, DockerPrograms.Newer(Newer))),
        new("docker build, containerd image store", $"{Newer}/usr/libexec/docker/cli-plugins/docker-buildx", "version",
            async (folder, log, mirror) => await DockerBuild.StartAsync(folder, log, mirror, DockerPrograms.Newer(Newer))),
        new("containerd, layers in pieces", $"{Newer}/usr/bin/containerd", "--version",
            async (folder, log, mirror) => await Containerd.StartAsync(folder, log, mirror, Newer)),
        new("crane", $"{Newer}/usr/bin/crane", "version", (folder, log, mirror) => Task.FromResult<IEngine>(LayoutTool.Crane(Newer, folder, log, mirror))),
        new("oras", $"{Newer}/usr/bin/oras", "version", (folder, log, mirror) => Task.FromResult<IEngine>(LayoutTool.Oras(Newer, folder, log, mirror))),
    ];

    /// <summary>Whether the program is on this machine.</summary>
    public bool IsThere =>
        Path.IsPathRooted(Program)
            ? TestRun.NewerRoot is not null && File.Exists(Program)
            : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, Program)));

    /// <summary>What the program says its version is.</summary>
    public Task<string> VersionAsync() => _version ??= ReadVersionAsync();

    private async Task<string> ReadVersionAsync()
    {
        var said = VersionNumber().Match(await Tool.ReadAsync(Program, [VersionArgument]));
        if (said.Success) return said.Value;

        // A program that was built without its version; its package has one.
        var package = Path.Combine(Newer, "versions", Path.GetFileName(Program));
        return File.Exists(package) && VersionNumber().Match(await File.ReadAllTextAsync(package)) is { Success: true } found ? found.Value : "unknown";
    }

    [GeneratedRegex("[0-9]+\\.[0-9]+(\\.[0-9]+)?")]
    private static partial Regex VersionNumber();
}
