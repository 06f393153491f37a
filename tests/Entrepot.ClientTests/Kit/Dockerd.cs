using System.Diagnostics;
using System.Formats.Tar;
using System.Text.Json.Nodes;
using Entrepot.ClientTests.Images;

namespace Entrepot.ClientTests.Kit;

/// <summary>A real Docker engine with nothing configured but <c>registry-mirrors</c>; state and socket are its own.</summary>
internal sealed class Dockerd : IAsyncDisposable
{
    private readonly Daemon _daemon;
    private readonly string _folder;
    private readonly string _logFile;

    private Dockerd(Daemon daemon, string folder, string logFile) => (_daemon, _folder, _logFile) = (daemon, folder, logFile);

    /// <summary>Starts an engine without images.</summary>
    /// <param name="folder">Everything of it lies there.</param>
    /// <param name="logFile">Where its output is appended.</param>
    /// <param name="mirror">Its only registry mirror.</param>
    public static async Task<Dockerd> StartAsync(string folder, string logFile, Uri mirror)
    {
        Directory.CreateDirectory(Path.Combine(folder, "cli"));
        await File.WriteAllTextAsync(Path.Combine(folder, "daemon.json"), new JsonObject { ["registry-mirrors"] = new JsonArray(mirror.ToString()) }.ToJsonString());
        try
        {
            return await StartAsync(folder, logFile, "overlay2");
        }
        catch (InvalidOperationException)
        {
            // Overlay file systems cannot be stacked, so in a container whose root is one there is only the slow way.
            return await StartAsync(folder, logFile, "vfs");
        }
    }

    /// <summary>Pulls an image of Docker Hub that is not there yet.</summary>
    public async Task PullAsync(TestImage image)
    {
        await RunAsync("pull", "--quiet", image.ToString());
        TestRun.CountPull("dockerd");
    }

    /// <summary>Removes an image and every layer that no other image has.</summary>
    public async Task RemoveAsync(TestImage image)
    {
        await RunAsync("image", "rm", "--force", image.ToString());
        Assert.Empty(await RunAsync("image", "ls", "--all", "--quiet"));
    }

    /// <summary>Checks that the engine holds what was pushed: names, config, and every layer's bytes.</summary>
    public async Task AssertHoldsAsync(TestImage image)
    {
        var inspected = JsonNode.Parse(await RunAsync("image", "inspect", image.ToString()))!.AsArray().Single()!;
        Assert.Equal([image.Root.Digest], inspected["RepoDigests"]!.AsArray().Select(name => name!.GetValue<string>().Split('@')[1]));
        Assert.Equal(image.Native.Config.Digest, inspected["Id"]!.GetValue<string>());

        var archive = Path.Combine(_folder, "saved.tar");
        await RunAsync("image", "save", "--output", archive, image.ToString());
        var (config, diffIds) = await ReadSavedAsync(archive);
        Assert.Equal(image.Native.Config.Bytes, config);
        Assert.Equal(image.Native.Layers.Select(layer => layer.DiffId), diffIds);
    }

    public ValueTask DisposeAsync() => _daemon.DisposeAsync();

    private static async Task<Dockerd> StartAsync(string folder, string logFile, string storageDriver)
    {
        var start = new ProcessStartInfo("dockerd",
        [
            "--config-file", Path.Combine(folder, "daemon.json"),
            "--data-root", Path.Combine(folder, storageDriver),
            "--exec-root", Path.Combine(folder, "exec"),
            "--pidfile", Path.Combine(folder, "pid"),
            "--host", "unix://" + Socket(folder),
            "--storage-driver", storageDriver,
            "--bridge", "none", "--iptables=false", "--ip6tables=false",
        ]);
        var daemon = await Daemon.StartAsync(start, logFile, () => AnswersAsync(folder));
        return new Dockerd(daemon, folder, logFile);
    }

    /// <summary>Takes a saved image apart.</summary>
    /// <returns>The config's bytes, and the digest of each layer's tar in order.</returns>
    private static async Task<(byte[] Config, IReadOnlyList<string> DiffIds)> ReadSavedAsync(string archive)
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
        var saved = JsonNode.Parse(files["manifest.json"])!.AsArray().Single()!;
        var layers = saved["Layers"]!.AsArray().Select(name => Content.DigestOf(files[name!.GetValue<string>()]));
        return (files[saved["Config"]!.GetValue<string>()], [.. layers]);
    }

    private static async Task<bool> AnswersAsync(string folder)
    {
        if (!File.Exists(Socket(folder))) return false;
        try
        {
            await Tool.RunAsync("docker", ["--host", "unix://" + Socket(folder), "version"]);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static string Socket(string folder) => Path.Combine(folder, "docker.sock");

    private Task<string> RunAsync(params string[] command) => Tool.ReadAsync(
        "docker", ["--host", "unix://" + Socket(_folder), .. command], _logFile + ".cli", ("DOCKER_CONFIG", Path.Combine(_folder, "cli")));
}
