using System.Diagnostics;
using System.Formats.Tar;
using System.Text.Json.Nodes;
using Entrepot.ClientTests.Engines;
using Entrepot.ClientTests.Images;

namespace Entrepot.ClientTests.Kit;

/// <summary>A real Docker engine with nothing configured but what <c>daemon.json.example</c> says; state and socket are its own.</summary>
internal sealed class Dockerd : IEngine
{
    private readonly Daemon _daemon;
    private readonly string _folder;
    private readonly string _logFile;
    private readonly DockerPrograms _programs;

    private Dockerd(Daemon daemon, string folder, string logFile, DockerPrograms programs) =>
        (_daemon, _folder, _logFile, _programs) = (daemon, folder, logFile, programs);

    /// <summary>Starts an engine without images.</summary>
    /// <param name="folder">Everything of it lies there.</param>
    /// <param name="logFile">Where its output is appended.</param>
    /// <param name="mirror">Its only registry mirror, <c>address:port</c>.</param>
    /// <param name="programs">Which engine; the system's if <see langword="null"/>.</param>
    public static Task<Dockerd> StartAsync(string folder, string logFile, string mirror, DockerPrograms? programs = null) =>
        StartWithAsync(folder, logFile, RepositoryFile.ReadExample("daemon.json.example", mirror), programs ?? DockerPrograms.System);

    /// <summary>As the other, with any <c>daemon.json</c>.</summary>
    public static async Task<Dockerd> StartWithAsync(string folder, string logFile, string daemonJson, DockerPrograms programs)
    {
        Directory.CreateDirectory(Path.Combine(folder, "cli", "cli-plugins"));
        if (programs.BuildPlugin is { } plugin) File.CreateSymbolicLink(Path.Combine(folder, "cli", "cli-plugins", "docker-buildx"), plugin);
        await File.WriteAllTextAsync(Path.Combine(folder, "daemon.json"), daemonJson);
        try
        {
            return await StartAsync(folder, logFile, programs, programs.StorageDrivers[0]);
        }
        catch (InvalidOperationException)
        {
            // Overlay file systems cannot be stacked, so in a container whose root is one there is only the slow way.
            return await StartAsync(folder, logFile, programs, programs.StorageDrivers[1]);
        }
    }

    public async Task PullAsync(TestImage image, string? architecture = null)
    {
        await RunAsync(["pull", "--quiet", .. PlatformFlag(architecture), image.ToString()]);
        TestRun.CountPull("dockerd");
        await AssertHoldsAsync(image, architecture);
    }

    public async Task RemoveAsync(TestImage image)
    {
        await RunAsync("image", "rm", "--force", image.ToString());
        Assert.Empty(await RunAsync("image", "ls", "--all", "--quiet"));
    }

    /// <summary>Whether its client builds with BuildKit; the classic builder otherwise, which pulls as the engine does.</summary>
    public bool HasBuildKit => _programs.HasBuildKit;

    /// <summary>Runs the command line client, with BuildKit if it has that.</summary>
    public Task<string> RunAsync(params string[] command) => Tool.ReadAsync(
        _programs.Client, ["--host", "unix://" + Socket(_folder), .. command], _logFile + ".cli", ("DOCKER_CONFIG", Path.Combine(_folder, "cli")), ("DOCKER_BUILDKIT", HasBuildKit ? "1" : "0"));

    public ValueTask DisposeAsync() => _daemon.DisposeAsync();

    /// <summary>The flag that asks for a platform; none for this machine's.</summary>
    public static string[] PlatformFlag(string? architecture) => architecture is null ? [] : ["--platform", "linux/" + architecture];

    private static async Task<Dockerd> StartAsync(string folder, string logFile, DockerPrograms programs, string storageDriver)
    {
        var start = new ProcessStartInfo(programs.Daemon,
        [
            "--config-file", Path.Combine(folder, "daemon.json"),
            "--data-root", Path.Combine(folder, storageDriver),
            "--exec-root", Path.Combine(folder, "exec"),
            "--pidfile", Path.Combine(folder, "pid"),
            "--host", "unix://" + Socket(folder),
            "--storage-driver", storageDriver,
            "--bridge", "none", "--iptables=false", "--ip6tables=false",
            .. programs.Flags,
        ]);
        start.Environment["PATH"] = $"{programs.Path}{Environment.GetEnvironmentVariable("PATH")}";
        var daemon = await Daemon.StartAsync(start, logFile, () => AnswersAsync(folder, programs));
        return new Dockerd(daemon, folder, logFile, programs);
    }

    // Names, config, and every layer's bytes.
    private async Task AssertHoldsAsync(TestImage image, string? architecture)
    {
        var platform = image.Platform(architecture);
        var inspected = JsonNode.Parse(await RunAsync("image", "inspect", image.ToString()))!.AsArray().Single()!;
        Assert.Equal([image.Root.Digest], inspected["RepoDigests"]!.AsArray().Select(name => name!.GetValue<string>().Split('@')[1]));
        Assert.Equal(platform.Layers.Select(layer => layer.DiffId), inspected["RootFS"]!["Layers"]!.AsArray().Select(layer => layer!.GetValue<string>()));
        Assert.Equal((_programs.KeepsContent ? image.Root : platform.Config).Digest, inspected["Id"]!.GetValue<string>());

        var archive = Path.Combine(_folder, "saved.tar");
        await RunAsync(["image", "save", "--output", archive, .. _programs.KeepsContent ? PlatformFlag(platform.Architecture) : [], image.ToString()]);
        var files = await ReadAsync(archive);
        if (_programs.KeepsContent)
        {
            foreach (var content in platform.Blobs.Append(platform.Manifest)) Assert.Equal(content.Bytes, files["blobs/sha256/" + content.Hex]);
            return;
        }

        var saved = JsonNode.Parse(files["manifest.json"])!.AsArray().Single()!;
        Assert.Equal(platform.Config.Bytes, files[saved["Config"]!.GetValue<string>()]);
        Assert.Equal(platform.Layers.Select(layer => layer.DiffId), saved["Layers"]!.AsArray().Select(name => Content.DigestOf(files[name!.GetValue<string>()])));
    }

    private static async Task<Dictionary<string, byte[]>> ReadAsync(string archive)
    {
        var files = new Dictionary<string, byte[]>();
        await using (var reader = new TarReader(File.OpenRead(archive)))
        {
            while (await reader.GetNextEntryAsync() is { } entry)
            {
                if (entry.DataStream is not { } data) continue;
                using var bytes = new MemoryStream();
                await data.CopyToAsync(bytes);
                files[entry.Name] = bytes.ToArray();
            }
        }

        File.Delete(archive);
        return files;
    }

    private static async Task<bool> AnswersAsync(string folder, DockerPrograms programs)
    {
        if (!File.Exists(Socket(folder))) return false;
        try
        {
            await Tool.RunAsync(programs.Client, ["--host", "unix://" + Socket(folder), "version"]);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static string Socket(string folder) => Path.Combine(folder, "docker.sock");
}

/// <summary>One installation of Docker.</summary>
/// <param name="Daemon">The engine.</param>
/// <param name="Client">Its command line client.</param>
/// <param name="Path">What stands before the search path, so that the engine finds its own containerd.</param>
/// <param name="StorageDrivers">The usual one, and one for file systems that cannot hold it.</param>
/// <param name="Flags">Further flags of the engine.</param>
/// <param name="BuildPlugin">The client's plugin for builds; <see langword="null"/> for a client that needs none.</param>
/// <param name="HasBuildKit">Whether the client can build with BuildKit.</param>
/// <param name="KeepsContent">Whether it keeps manifests and compressed layers (the containerd image store), or unpacks them (a graph driver).</param>
internal sealed record DockerPrograms(
    string Daemon, string Client, string Path, string[] StorageDrivers, string[] Flags, string? BuildPlugin, bool HasBuildKit, bool KeepsContent)
{
    /// <summary>The system's, with a graph driver.</summary>
    /// <remarks>One attempt at a blob instead of six, between which it waits for more than a minute.</remarks>
    public static DockerPrograms System { get; } = new(
        "dockerd", "/usr/bin/docker", "", ["overlay2", "vfs"], ["--max-download-attempts=1"], null, TestRun.SystemHasBuildKit, false);

    /// <summary>A newer one with a graph driver, as it is unless it is told otherwise.</summary>
    /// <param name="root">Where it lies.</param>
    public static DockerPrograms NewerWithGraphDriver(string root) =>
        Newer(root) with { StorageDrivers = System.StorageDrivers, Flags = System.Flags, KeepsContent = false };

    /// <summary>A newer one, with the containerd image store.</summary>
    /// <param name="root">Where it lies.</param>
    public static DockerPrograms Newer(string root) => new(
        $"{root}/usr/sbin/dockerd", $"{root}/usr/bin/docker", $"{root}/usr/bin:", ["overlayfs", "native"], ["--feature", "containerd-snapshotter=true"],
        $"{root}/usr/libexec/docker/cli-plugins/docker-buildx", true, true);
}
