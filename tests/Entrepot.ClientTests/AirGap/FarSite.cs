using Entrepot.ClientTests.Engines;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.AirGap;

/// <summary>A site that reaches no registry: an appliance that is offline, engines that know only it, and a folder for what is carried there.</summary>
internal sealed class FarSite : IAsyncDisposable
{
    // Nobody listens there: whoever asks it is seen to fail.
    private static readonly Uri Nowhere = new("http://127.0.0.1:9/");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-far-");
    private readonly Stack<IAsyncDisposable> _running = [];
    private readonly string _logs;

    private FarSite(string test) => _logs = TestRun.LogFolder(Path.Combine(test, "far"));

    /// <summary>The appliance.</summary>
    public PublishedEntrepot Entrepot { get; private set; } = null!;   // set by StartAsync

    public static async Task<FarSite> StartAsync(string test, string quota = "80%", string? store = null, string address = "127.0.0.1")
    {
        var site = new FarSite(test);
        site.Entrepot = await PublishedEntrepot.StartAsync(
            store ?? site.Folder("entrepot"), Path.Combine(site._logs, "entrepot.log"), Nowhere, "0s", quota, new Dictionary<string, string> { ["ENTREPOT_OFFLINE"] = "true" }, address);
        site._running.Push(site.Entrepot);
        return site;
    }

    /// <summary>A place for a file that is carried there.</summary>
    public string File(string name) => Path.Combine(Directory.CreateDirectory(Folder("media")).FullName, name);

    /// <summary>Imports, and says what the command printed.</summary>
    public Task<string> ImportAsync(params string[] arguments) => Entrepot.RunAsync(["bundle", "import", .. arguments]);

    /// <summary>What the command said when it refused to import.</summary>
    public async Task<string> RefusalAsync(params string[] arguments) =>
        (await Assert.ThrowsAsync<InvalidOperationException>(() => ImportAsync(arguments))).Message.Split("exit status 1: ")[1].TrimEnd();

    /// <summary>Has all engines pull an image of Docker Hub by its own name, each from nothing.</summary>
    public async Task PullAsync(TestImage image)
    {
        foreach (var engine in await EnginesAsync())
        {
            await engine.PullAsync(image);
            await engine.RemoveAsync(image);
        }
    }

    /// <summary>Has all engines but dockerd, which knows mirrors of Docker Hub alone, pull an image of any registry by its own name and by its digest.</summary>
    public async Task PullAsync(TestImage image, string registry)
    {
        await EnginesAsync();
        await Skopeo.CopyAsync(image, registry);
        await Containerd!.PullAsync(image, registry, null);
        await Containerd.PullByDigestAsync(image, registry);
        await Podman.PullFromAsync(image, registry);
        await Podman.PullByDigestAsync(image, registry);
    }

    /// <summary>A dockerd there that has nothing but this <c>daemon.json</c>.</summary>
    public async Task<Dockerd> StartDockerdAsync(string daemonJson)
    {
        var dockerd = await Dockerd.StartWithAsync(Folder("dockerd"), Log("dockerd"), daemonJson, DockerPrograms.System);
        _running.Push(dockerd);
        return dockerd;
    }

    /// <summary>A containerd there that has nothing but this <c>hosts.toml</c>, for all registries.</summary>
    public async Task<Containerd> StartContainerdAsync(string hostsToml)
    {
        var containerd = await Containerd.StartAsync(Folder("containerd"), Log("containerd"), new Dictionary<string, string> { ["_default"] = hostsToml });
        _running.Push(containerd);
        return containerd;
    }

    /// <summary>skopeo with nothing but this <c>registries.conf</c>.</summary>
    public Skopeo SkopeoWith(string registriesConf) => new(Folder("skopeo"), Log("skopeo"), Entrepot.Host, registriesConf);

    /// <summary>skopeo there.</summary>
    public Skopeo Skopeo => new(Folder("skopeo"), Log("skopeo"), Entrepot.Host);

    private Podman Podman => new(Folder("podman"), Log("podman"), Entrepot.Host);

    private Containerd? Containerd { get; set; }

    private Dockerd? Dockerd { get; set; }

    public async ValueTask DisposeAsync()
    {
        while (_running.TryPop(out var last)) await last.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private async Task<IReadOnlyList<IEngine>> EnginesAsync()
    {
        if (Dockerd is null) _running.Push(Dockerd = await Dockerd.StartAsync(Folder("dockerd"), Log("dockerd"), Entrepot.Host));
        if (Containerd is null) _running.Push(Containerd = await Containerd.StartAsync(Folder("containerd"), Log("containerd"), Entrepot.Host));
        return [Skopeo, Dockerd, Containerd, Podman];
    }

    private string Folder(string process) => Path.Combine(_folder.FullName, process);

    private string Log(string process) => Path.Combine(_logs, process + ".log");
}
