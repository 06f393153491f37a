using System.Diagnostics;
using Entrepot.ClientTests.Engines;
using Entrepot.ClientTests.Images;

namespace Entrepot.ClientTests.Kit;

/// <summary>A real containerd with <c>deploy/containerd/hosts.toml</c> for every registry; state and socket are its own.</summary>
internal sealed class Containerd : IEngine
{
    // As small as the layers of tests need it: a layer is then fetched in several pieces at once.
    private const int PieceBytes = 128 << 10;

    private const string DefaultNamespace = "default";
    private const string CriPlugins = "\"io.containerd.grpc.v1.cri\", \"io.containerd.cri.v1.images\", \"io.containerd.cri.v1.runtime\", ";

    private readonly Daemon _daemon;
    private readonly string _folder;
    private readonly string _logFile;
    private readonly string _client;

    private Containerd(Daemon daemon, string folder, string logFile, string client) => (_daemon, _folder, _logFile, _client) = (daemon, folder, logFile, client);

    /// <summary>Starts a containerd without images.</summary>
    /// <param name="folder">Everything of it lies there.</param>
    /// <param name="logFile">Where its output is appended.</param>
    /// <param name="mirror">Asked before the registries themselves, which it is told by the parameter <c>ns</c>; <c>address:port</c>.</param>
    /// <param name="newerRoot">Where a containerd 2 lies; <see langword="null"/> for the system's containerd 1.</param>
    /// <param name="withCri">Whether it is to have what Kubernetes asks.</param>
    public static Task<Containerd> StartAsync(string folder, string logFile, string mirror, string? newerRoot = null, bool withCri = false) => StartAsync(
        folder, logFile, new Dictionary<string, string> { ["_default"] = RepositoryFile.ReadExample("deploy/containerd/hosts.toml", mirror) }, newerRoot, withCri);

    /// <summary>As the other, with any <c>hosts.toml</c>, by the registry that each is for.</summary>
    public static async Task<Containerd> StartAsync(
        string folder, string logFile, IReadOnlyDictionary<string, string> hosts, string? newerRoot = null, bool withCri = false)
    {
        foreach (var (registry, text) in hosts)
        {
            var place = Directory.CreateDirectory(Path.Combine(Hosts(folder), registry)).FullName;
            await File.WriteAllTextAsync(Path.Combine(place, "hosts.toml"), text);
        }

        var config = Path.Combine(folder, "config.toml");
        await File.WriteAllTextAsync(config, Config(folder, newerRoot is not null, withCri));
        var programs = newerRoot is null ? "" : $"{newerRoot}/usr/bin/";
        var start = new ProcessStartInfo(programs + "containerd", ["--config", config]);
        return new Containerd(await Daemon.StartAsync(start, logFile, () => AnswersAsync(folder, programs + "ctr")), folder, logFile, programs + "ctr");
    }

    /// <summary>Pulls an image of Docker Hub, and checks every byte it got.</summary>
    public Task PullAsync(TestImage image, string? architecture = null) => PullAsync(image, "docker.io", architecture);

    /// <summary>Pulls an image of any registry, and checks every byte it got.</summary>
    public async Task PullAsync(TestImage image, string registry, string? architecture)
    {
        // "native" unpacks on any file system.
        await RunAsync(
            ["images", "pull", "--hosts-dir", Hosts(_folder), "--snapshotter", "native", .. Dockerd.PlatformFlag(architecture), $"{registry}/{image}"]);
        TestRun.CountPull("containerd");
        await AssertHoldsAsync(image, architecture, DefaultNamespace);
    }

    /// <summary>Pulls an image of any registry by its digest, checks every byte it got, and removes it.</summary>
    public async Task PullByDigestAsync(TestImage image, string registry)
    {
        var name = $"{registry}/{image.Repository}@{image.Root.Digest}";
        await RunAsync("images", "rm", "--sync", $"{registry}/{image}");
        await AssertEmptyAsync(DefaultNamespace);
        await RunAsync(["images", "pull", "--hosts-dir", Hosts(_folder), "--snapshotter", "native", name]);
        TestRun.CountPull("containerd");
        await AssertHoldsAsync(image, null, DefaultNamespace);
        await RunAsync("images", "rm", "--sync", name);
    }

    public async Task RemoveAsync(TestImage image)
    {
        await RunAsync("images", "rm", "--sync", $"docker.io/{image}");
        await AssertEmptyAsync(DefaultNamespace);
    }

    /// <summary>Where its API is.</summary>
    public string SocketFile => Socket(_folder);

    /// <summary>Checks every byte of an image.</summary>
    public async Task AssertHoldsAsync(TestImage image, string? architecture, string ns)
    {
        var platform = image.Platform(architecture);
        foreach (var content in platform.Blobs.Append(platform.Manifest).Append(image.Root))
            Assert.Equal(content.Bytes, await RunAsync("--namespace", ns, "content", "get", content.Digest));
    }

    /// <summary>Checks that nothing is left of any image.</summary>
    public async Task AssertEmptyAsync(string ns) => Assert.Empty(await RunAsync("--namespace", ns, "content", "ls", "--quiet"));

    public ValueTask DisposeAsync() => _daemon.DisposeAsync();

    private static string Config(string folder, bool newer, bool withCri) => $"""
        version = {(newer ? 3 : 2)}
        root = "{folder}/root"
        state = "{folder}/state"
        disabled_plugins = [{(withCri ? "" : CriPlugins)}"io.containerd.nri.v1.nri"]
        [grpc]
        address = "{Socket(folder)}"
        [ttrpc]
        address = "{Socket(folder)}.ttrpc"
        [plugins."io.containerd.internal.v1.opt"]
        path = "{folder}/opt"
        {(newer ? $"""
        [plugins."io.containerd.transfer.v1.local"]
        config_path = "{Hosts(folder)}"
        concurrent_layer_fetch_buffer = {PieceBytes}
        [[plugins."io.containerd.transfer.v1.local".unpack_config]]
        platform = "linux/{TestImage.NativeArchitecture}"
        snapshotter = "native"
        """ : "")}
        {(withCri ? CriConfig(folder, newer) : "")}
        """;

    // No pod is ever made, so that it needs no network and no shims; "native" unpacks on any file system.
    private static string CriConfig(string folder, bool newer)
    {
        var plugin = newer ? "io.containerd.cri.v1.images" : "io.containerd.grpc.v1.cri";
        return $"""
            [plugins."{plugin}".registry]
            config_path = "{Hosts(folder)}"
            [plugins."{plugin}"{(newer ? "" : ".containerd")}]
            snapshotter = "native"
            """;
    }

    private static async Task<bool> AnswersAsync(string folder, string client)
    {
        if (!File.Exists(Socket(folder))) return false;
        try
        {
            await Tool.RunAsync(client, ["--address", Socket(folder), "version"]);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static string Hosts(string folder) => Path.Combine(folder, "hosts");

    private static string Socket(string folder) => Path.Combine(folder, "containerd.sock");

    private Task<byte[]> RunAsync(params string[] command) => Tool.RunAsync(_client, ["--address", Socket(_folder), .. command], _logFile + ".cli");
}
