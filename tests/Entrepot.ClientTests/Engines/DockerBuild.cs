using System.Text.Json.Nodes;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Engines;

/// <summary><c>docker build</c>: BuildKit in a Docker engine, or its classic builder, which pulls what <c>FROM</c> names.</summary>
internal sealed class DockerBuild : IEngine
{
    private const string Built = "built";

    private readonly Dockerd _dockerd;
    private readonly string _context;

    private DockerBuild(Dockerd dockerd, string context) => (_dockerd, _context) = (dockerd, context);

    public static async Task<DockerBuild> StartAsync(string folder, string logFile, string mirror, DockerPrograms? programs = null)
    {
        var context = Directory.CreateDirectory(Path.Combine(folder, "context")).FullName;
        await File.WriteAllTextAsync(Path.Combine(context, "added"), "added by the build\n");
        return new DockerBuild(await Dockerd.StartAsync(folder, logFile, mirror, programs), context);
    }

    public async Task PullAsync(TestImage image, string? architecture = null)
    {
        await File.WriteAllTextAsync(Path.Combine(_context, "Dockerfile"), $"FROM {image}\nCOPY added /added\n");
        await _dockerd.RunAsync(["build", "--quiet", "--pull", "--tag", Built, .. Dockerd.PlatformFlag(architecture), _context]);
        TestRun.CountPull("docker build");

        var platform = image.Platform(architecture);
        var inspected = JsonNode.Parse(await _dockerd.RunAsync("image", "inspect", Built))!.AsArray().Single()!;
        var layers = inspected["RootFS"]!["Layers"]!.AsArray().Select(layer => layer!.GetValue<string>()).ToList();
        Assert.Equal(platform.Architecture, inspected["Architecture"]!.GetValue<string>());
        Assert.Equal(platform.Layers.Select(layer => layer.DiffId), layers[..^1]);
    }

    public async Task RemoveAsync(TestImage image)
    {
        await _dockerd.RunAsync("image", "rm", "--force", Built);
        if (_dockerd.HasBuildKit) await _dockerd.RunAsync("builder", "prune", "--all", "--force");
        else await _dockerd.RemoveAsync(image);
    }

    public ValueTask DisposeAsync() => _dockerd.DisposeAsync();
}
