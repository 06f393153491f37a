using System.Text.Json.Nodes;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Engines;

/// <summary>buildah with storage of its own: <c>pull</c>, and then <c>from</c>, as a build begins.</summary>
internal sealed class Buildah(string folder, string logFile, string mirror) : IEngine
{
    private readonly ContainersConfig _config = new(folder, mirror);

    public async Task PullAsync(TestImage image, string? architecture = null)
    {
        string[] arch = architecture is null ? [] : ["--arch", architecture];
        await RunAsync(["pull", "--quiet", "--signature-policy", _config.Policy, .. arch, Name(image)]);
        TestRun.CountPull("buildah");

        var platform = image.Platform(architecture);
        var container = await RunAsync(["from", "--pull-never", "--signature-policy", _config.Policy, .. arch, Name(image)]);
        var inspected = JsonNode.Parse(await RunAsync("inspect", "--type", "container", container))!;
        Assert.Equal(platform.Config.Hex, inspected["FromImageID"]!.GetValue<string>());
        Assert.Equal(platform.Manifest.Bytes, System.Text.Encoding.UTF8.GetBytes(inspected["Manifest"]!.GetValue<string>()));
        Assert.Equal(platform.Layers.Select(layer => layer.DiffId), inspected["OCIv1"]!["rootfs"]!["diff_ids"]!.AsArray().Select(layer => layer!.GetValue<string>()));
    }

    public async Task RemoveAsync(TestImage image)
    {
        await RunAsync("rm", "--all");
        await RunAsync("rmi", "--force", Name(image));
        Assert.Empty(await RunAsync("images", "--all", "--quiet"));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static string Name(TestImage image) => $"docker.io/{image}";

    private Task<string> RunAsync(params string[] command) => Tool.ReadAsync("buildah", ["--log-level", "error", .. command], logFile, _config.Environment);
}
