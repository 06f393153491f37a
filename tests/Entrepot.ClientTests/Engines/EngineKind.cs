using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Engines;

/// <summary>Starts an engine.</summary>
/// <param name="folder">Everything of it lies there.</param>
/// <param name="logFile">Where its output is appended.</param>
/// <param name="mirror">The appliance, <c>address:port</c>.</param>
internal delegate Task<IEngine> EngineStart(string folder, string logFile, string mirror);

/// <summary>One program that people point at a mirror.</summary>
/// <param name="Program">What it is.</param>
/// <param name="Start">Starts it without images.</param>
/// <param name="ChoosesPlatform">Whether it can be told to pull for another machine than this.</param>
internal sealed record EngineKind(ClientProgram Program, EngineStart Start, bool ChoosesPlatform = true)
{
    private static readonly string Newer = TestRun.NewerRoot ?? "/none";
    private static readonly ClientProgram NewerContainerd = new("containerd, layers in pieces", $"{Newer}/usr/bin/containerd", "--version");
    private static readonly ClientProgram NewerDockerd = new("dockerd, containerd image store", $"{Newer}/usr/sbin/dockerd", "--version", NewerContainerd);

    /// <summary>All of them, in the table's order: those of Debian stable, and newer ones that are there only sometimes.</summary>
    public static IReadOnlyList<EngineKind> All { get; } =
    [
        new(new("dockerd", "dockerd", "--version"), async (folder, log, mirror) => await Dockerd.StartAsync(folder, log, mirror)),
        new(new("docker build", "dockerd", "--version"), async (folder, log, mirror) => await DockerBuild.StartAsync(folder, log, mirror)),
        new(new("containerd", "containerd", "--version"), async (folder, log, mirror) => await Containerd.StartAsync(folder, log, mirror)),
        new(new("containerd, CRI", "containerd", "--version"), async (folder, log, mirror) => await ContainerdCri.StartAsync(folder, log, mirror), ChoosesPlatform: false),
        new(new("podman", "podman", "--version"), (folder, log, mirror) => Task.FromResult<IEngine>(new Podman(folder, log, mirror))),
        new(new("buildah", "buildah", "--version"), (folder, log, mirror) => Task.FromResult<IEngine>(new Buildah(folder, log, mirror))),
        new(new("skopeo", "skopeo", "--version"), (folder, log, mirror) => Task.FromResult<IEngine>(new Skopeo(folder, log, mirror))),
        new(NewerDockerd, async (folder, log, mirror) => await Dockerd.StartAsync(folder, log, mirror, DockerPrograms.Newer(Newer))),
        new(new("docker build, containerd image store", $"{Newer}/usr/libexec/docker/cli-plugins/docker-buildx", "version", NewerDockerd),
            async (folder, log, mirror) => await DockerBuild.StartAsync(folder, log, mirror, DockerPrograms.Newer(Newer))),
        new(NewerContainerd, async (folder, log, mirror) => await Containerd.StartAsync(folder, log, mirror, Newer)),
        new(new("containerd 2, CRI", NewerContainerd.File, "--version"),
            async (folder, log, mirror) => await ContainerdCri.StartAsync(folder, log, mirror, Newer), ChoosesPlatform: false),
        new(new("crane", $"{Newer}/usr/bin/crane", "version"), (folder, log, mirror) => Task.FromResult<IEngine>(LayoutTool.Crane(Newer, folder, log, mirror))),
        new(new("oras", $"{Newer}/usr/bin/oras", "version"), (folder, log, mirror) => Task.FromResult<IEngine>(LayoutTool.Oras(Newer, folder, log, mirror))),
    ];

    /// <summary>As the table in <c>docs/clients.md</c> has it.</summary>
    public string Name => Program.Name;

    /// <summary>The one of that name.</summary>
    public static EngineKind Named(string name) => All.Single(kind => kind.Name == name);
}
