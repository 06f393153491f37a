using Entrepot.ClientTests.Engines;
using Entrepot.ClientTests.Images;

namespace Entrepot.ClientTests.Kit;

/// <summary>A real containerd that is asked as Kubernetes asks it: its own fetcher, with <c>config_path</c> in its configuration.</summary>
internal sealed class ContainerdCri : IEngine
{
    private const string Namespace = "k8s.io";

    private readonly Containerd _containerd;
    private readonly ImageService _images;

    private ContainerdCri(Containerd containerd) => (_containerd, _images) = (containerd, new ImageService(containerd.SocketFile));

    /// <summary>Starts one without images; the parameters are those of <see cref="Containerd"/>.</summary>
    public static async Task<ContainerdCri> StartAsync(string folder, string logFile, string mirror, string? newerRoot = null) =>
        new(await Containerd.StartAsync(folder, logFile, mirror, newerRoot, withCri: true));

    public async Task PullAsync(TestImage image, string? architecture = null)
    {
        Assert.Null(architecture);
        await _images.PullAsync($"docker.io/{image}");
        TestRun.CountPull("containerd, CRI");
        await _containerd.AssertHoldsAsync(image, null, Namespace);
    }

    public async Task RemoveAsync(TestImage image)
    {
        await _images.RemoveAsync($"docker.io/{image}");
        await _containerd.AssertEmptyAsync(Namespace);
    }

    public ValueTask DisposeAsync()
    {
        _images.Dispose();
        return _containerd.DisposeAsync();
    }
}
