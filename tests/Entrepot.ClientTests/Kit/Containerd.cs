using System.Diagnostics;
using Entrepot.ClientTests.Images;

namespace Entrepot.ClientTests.Kit;

/// <summary>A real containerd with a <c>hosts.toml</c> for docker.io and one for quay.io; state and socket are its own.</summary>
internal sealed class Containerd : IAsyncDisposable
{
    private readonly Daemon _daemon;
    private readonly string _folder;
    private readonly string _logFile;

    private Containerd(Daemon daemon, string folder, string logFile) => (_daemon, _folder, _logFile) = (daemon, folder, logFile);

    /// <summary>Starts a containerd without images.</summary>
    /// <param name="folder">Everything of it lies there.</param>
    /// <param name="logFile">Where its output is appended.</param>
    /// <param name="mirror">Asked before the registries themselves, which it is told by the parameter <c>ns</c>.</param>
    public static async Task<Containerd> StartAsync(string folder, string logFile, Uri mirror)
    {
        foreach (var (registry, server) in new[] { ("docker.io", "registry-1.docker.io"), ("quay.io", "quay.io") })
        {
            var hosts = Directory.CreateDirectory(Path.Combine(folder, "hosts", registry)).FullName;
            await File.WriteAllTextAsync(Path.Combine(hosts, "hosts.toml"), $"""
                server = "https://{server}"
                [host."{mirror.GetLeftPart(UriPartial.Authority)}"]
                capabilities = ["pull", "resolve"]
                """);
        }

        var config = Path.Combine(folder, "config.toml");
        await File.WriteAllTextAsync(config, $"""
            version = 2
            root = "{folder}/root"
            state = "{folder}/state"
            disabled_plugins = ["io.containerd.grpc.v1.cri"]
            [grpc]
            address = "{Socket(folder)}"
            [ttrpc]
            address = "{Socket(folder)}.ttrpc"
            [plugins."io.containerd.internal.v1.opt"]
            path = "{folder}/opt"
            """);
        var start = new ProcessStartInfo("containerd", ["--config", config]);
        return new Containerd(await Daemon.StartAsync(start, logFile, () => AnswersAsync(folder)), folder, logFile);
    }

    /// <summary>Pulls this machine's platform of an image, and checks every byte it got.</summary>
    public async Task PullAsync(TestImage image, string registry = "docker.io")
    {
        // Without unpacking: whether this file system can be a snapshotter's is not what is tested.
        await RunAsync("content", "fetch", "--hosts-dir", Path.Combine(_folder, "hosts"), $"{registry}/{image}");
        TestRun.CountPull("containerd");
        foreach (var content in image.Native.Blobs.Append(image.Native.Manifest).Append(image.Root))
            Assert.Equal(content.Bytes, await RunAsync("content", "get", content.Digest));
    }

    /// <summary>Removes an image of Docker Hub and all content.</summary>
    public async Task RemoveAsync(TestImage image)
    {
        await RunAsync("images", "rm", "--sync", $"docker.io/{image}");
        Assert.Empty(await RunAsync("content", "ls", "--quiet"));
    }

    public ValueTask DisposeAsync() => _daemon.DisposeAsync();

    private static async Task<bool> AnswersAsync(string folder)
    {
        if (!File.Exists(Socket(folder))) return false;
        try
        {
            await Tool.RunAsync("ctr", ["--address", Socket(folder), "version"]);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static string Socket(string folder) => Path.Combine(folder, "containerd.sock");

    private Task<byte[]> RunAsync(params string[] command) => Tool.RunAsync("ctr", ["--address", Socket(_folder), .. command], _logFile + ".cli");
}
