using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests;

/// <summary>
/// Real clients pull from a real registry through the published program. At a tagTtl of 0s every later pull by tag tries the
/// upstream first, so that with the upstream gone they show a known tag served stale.
/// </summary>
public sealed class PullTests
{
    public static TheoryData<string> Official => [.. SampleImages.Official];

    [ClientTheory]
    [MemberData(nameof(Official))]
    public async Task Dockerd_ColdThenUpstreamStopped_GetsWhatWasPushed(string name)
    {
        var image = SampleImages.Named(name);
        await using var scene = await Scene.StartAsync("0s", [image], name);
        var dockerd = await scene.StartDockerdAsync();

        await dockerd.PullAsync(image);
        await scene.StopUpstreamAndAssertAskedOnceAsync(image, image.Native.Blobs);

        await dockerd.RemoveAsync(image);
        await dockerd.PullAsync(image);
    }

    [ClientTheory]
    [MemberData(nameof(Official))]
    public async Task Skopeo_ColdThenUpstreamStopped_GetsWhatWasPushed(string name)
    {
        var image = SampleImages.Named(name);
        await using var scene = await Scene.StartAsync("0s", [image], name);
        var skopeo = scene.Skopeo();

        await skopeo.CopyAsync(image);
        await scene.StopUpstreamAndAssertAskedOnceAsync(image, image.Blobs);

        await skopeo.CopyAsync(image);
    }

    [ClientFact]
    public async Task Containerd_ColdThenUpstreamStopped_GetsWhatWasPushed()
    {
        var image = SampleImages.Named("library/multi");
        await using var scene = await Scene.StartAsync("0s", [image]);
        var containerd = await scene.StartContainerdAsync();

        await containerd.PullAsync(image);
        await scene.StopUpstreamAndAssertAskedOnceAsync(image, image.Native.Blobs);

        await containerd.RemoveAsync(image);
        await containerd.PullAsync(image);
    }

    [ClientFact]
    public async Task Containerd_AnotherNamespace_PullsFromThatUpstream()
    {
        // One segment: at docker.io it would be library/app, which the upstream does not have.
        var image = SampleImages.Named("app");
        await using var scene = await Scene.StartAsync("0s", [image]);
        var containerd = await scene.StartContainerdAsync();

        await containerd.PullAsync(image, "quay.io", null);

        await scene.StopUpstreamAndAssertAskedOnceAsync(image, image.Native.Blobs);
    }

    [ClientFact]
    public async Task ThreeClients_AtOnceOnAColdImage_ShareEachFetch()
    {
        var image = SampleImages.Named("library/five");
        await using var scene = await Scene.StartAsync("0s", [image]);
        var dockerd = await scene.StartDockerdAsync();
        var containerd = await scene.StartContainerdAsync();
        var skopeo = scene.Skopeo();

        await Task.WhenAll(dockerd.PullAsync(image), skopeo.CopyAsync(image), containerd.PullAsync(image), skopeo.CopyAsync(image));

        await scene.StopUpstreamAndAssertAskedOnceAsync(image, image.Blobs);
    }

    [ClientFact]
    public async Task Restart_UpstreamStopped_ServesWhatWasPulledBefore()
    {
        var image = SampleImages.Named("library/multi");
        await using var scene = await Scene.StartAsync("0s", [image]);
        var dockerd = await scene.StartDockerdAsync();
        var skopeo = scene.Skopeo();
        await skopeo.CopyAsync(image);
        await scene.Registry.StopAsync();

        await scene.Entrepot.StopAsync();
        await scene.Entrepot.StartAsync();

        await skopeo.CopyAsync(image);
        await dockerd.PullAsync(image);
    }

    [ClientFact]
    public async Task Skopeo_HostPrefixedPath_PullsFromThatUpstream()
    {
        var image = SampleImages.Named("org/app");
        await using var scene = await Scene.StartAsync("0s", [image]);
        var skopeo = scene.Skopeo();

        await skopeo.CopyAsync(image, $"{scene.Entrepot.Host}/quay.io");
        await scene.StopUpstreamAndAssertAskedOnceAsync(image, image.Blobs);

        await skopeo.CopyAsync(image, $"{scene.Entrepot.Host}/quay.io");
    }
}
