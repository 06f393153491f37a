using System.Text.Json.Nodes;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Engines;

/// <summary>podman with storage of its own.</summary>
internal sealed class Podman(string folder, string logFile, string mirror) : IEngine
{
    private readonly ContainersConfig _config = new(folder, mirror);

    public Task PullAsync(TestImage image, string? architecture = null) => PullAsync(image, Name(image), architecture);

    /// <summary>Pulls an image of any registry by its own name, checks it, and removes it.</summary>
    public Task PullFromAsync(TestImage image, string registry) => PullAndRemoveAsync(image, $"{registry}/{image}");

    /// <summary>As the other, by its digest.</summary>
    public Task PullByDigestAsync(TestImage image, string registry) => PullAndRemoveAsync(image, $"{registry}/{image.Repository}@{image.Root.Digest}");

    private async Task PullAndRemoveAsync(TestImage image, string name)
    {
        await PullAsync(image, name, null);
        await RunAsync("image", "rm", "--force", name);
    }

    private async Task PullAsync(TestImage image, string name, string? architecture)
    {
        string[] arch = architecture is null ? [] : ["--arch", architecture];
        await RunAsync(["pull", "--quiet", "--signature-policy", _config.Policy, .. arch, name]);
        TestRun.CountPull("podman");

        var platform = image.Platform(architecture);
        var inspected = JsonNode.Parse(await RunAsync("image", "inspect", name))!.AsArray().Single()!;
        Assert.Equal(platform.Config.Hex, inspected["Id"]!.GetValue<string>());
        Assert.Equal(platform.Layers.Select(layer => layer.DiffId), inspected["RootFS"]!["Layers"]!.AsArray().Select(layer => layer!.GetValue<string>()));
        var digests = inspected["RepoDigests"]!.AsArray().Select(name => name!.GetValue<string>().Split('@')[1]).ToList();
        Assert.Contains(image.Root.Digest, digests);
        Assert.Contains(platform.Manifest.Digest, digests);
    }

    public async Task RemoveAsync(TestImage image)
    {
        await RunAsync("image", "rm", "--force", Name(image));
        Assert.Empty(await RunAsync("image", "ls", "--all", "--quiet"));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static string Name(TestImage image) => $"docker.io/{image}";

    private Task<string> RunAsync(params string[] command) => Tool.ReadAsync("podman", ["--log-level", "error", .. command], logFile, _config.Environment);
}
