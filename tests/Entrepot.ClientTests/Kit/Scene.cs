using System.Runtime.CompilerServices;
using Entrepot.ClientTests.Engines;
using Entrepot.ClientTests.Images;

namespace Entrepot.ClientTests.Kit;

/// <summary>What a test plays in: an upstream that holds images, an appliance with an empty store, and clients that know only it.</summary>
internal sealed class Scene : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-");
    private readonly Stack<IAsyncDisposable> _running = [];
    private readonly string _logs;

    private Scene(string name) => _logs = TestRun.LogFolder(name);

    /// <summary>The upstream.</summary>
    public DockerRegistry Registry { get; private set; } = null!;

    /// <summary>The program under test.</summary>
    public PublishedEntrepot Entrepot { get; private set; } = null!;

    /// <summary>Starts upstream and appliance.</summary>
    /// <param name="tagTtl">How long a tag stays fresh: at 0s every pull by tag asks the upstream.</param>
    /// <param name="images">What the upstream holds.</param>
    /// <param name="detail">Tells one case of a theory from another.</param>
    /// <param name="quota">Most bytes of everything that the appliance stores.</param>
    /// <param name="environment">Variables that the appliance is given.</param>
    /// <param name="test">Names the folder of the logs.</param>
    public static async Task<Scene> StartAsync(
        string tagTtl, IEnumerable<TestImage> images, string detail = "", string quota = "80%",
        IReadOnlyDictionary<string, string>? environment = null, [CallerMemberName] string test = "")
    {
        var scene = new Scene(Path.Combine(test, detail.Replace('/', '-')));
        try
        {
            scene._running.Push(scene.Registry = await DockerRegistry.StartAsync(scene.Folder("registry"), scene.Log("registry")));
            foreach (var image in images) await scene.Registry.PushAsync(image);
            scene.Entrepot = await PublishedEntrepot.StartAsync(scene.Folder("entrepot"), scene.Log("entrepot"), scene.Registry.Address, tagTtl, quota, environment);
            scene._running.Push(scene.Entrepot);
            return scene;
        }
        catch
        {
            await scene.DisposeAsync();
            throw;
        }
    }

    public async Task<Dockerd> StartDockerdAsync(DockerPrograms? programs = null)
    {
        var dockerd = await Dockerd.StartAsync(Folder("dockerd"), Log("dockerd"), Entrepot.Host, programs);
        _running.Push(dockerd);
        return dockerd;
    }

    public async Task<Containerd> StartContainerdAsync()
    {
        var containerd = await Containerd.StartAsync(Folder("containerd"), Log("containerd"), Entrepot.Host);
        _running.Push(containerd);
        return containerd;
    }

    /// <summary>A containerd with other <c>hosts.toml</c> files than the example's, by the registry that each is for.</summary>
    public async Task<Containerd> StartContainerdAsync(IReadOnlyDictionary<string, string> hosts)
    {
        var containerd = await Containerd.StartAsync(Folder("containerd"), Log("containerd"), hosts);
        _running.Push(containerd);
        return containerd;
    }

    /// <summary>A program that signs and verifies, with new keys.</summary>
    public Task<Signer> StartSignerAsync(SignatureKind kind) => Signer.CreateAsync(kind, Folder("signer"), Log("signer"));

    public Skopeo Skopeo() => new(Folder("skopeo"), Log("skopeo"), Entrepot.Host);

    /// <summary>Ends the upstream, and checks that it was asked for each blob once and for no manifest twice.</summary>
    /// <param name="image">The only image that was pulled.</param>
    /// <param name="blobs">What its clients needed of it.</param>
    public async Task StopUpstreamAndAssertAskedOnceAsync(TestImage image, IEnumerable<Content> blobs)
    {
        var gets = (await Registry.StopAsync()).Where(request => request.Method == "GET").ToList();

        var asked = gets.Select(request => request.Path).Where(path => path.Contains("/blobs/", StringComparison.Ordinal));
        Assert.Equal(
            blobs.Select(blob => $"/v2/{image.Repository}/blobs/{blob.Digest}").Order(StringComparer.Ordinal),
            asked.Order(StringComparer.Ordinal));

        foreach (var manifest in image.Manifests)
        {
            var names = manifest == image.Root ? new[] { image.Tag, manifest.Digest } : [manifest.Digest];
            var times = gets.Count(request => names.Any(name => request.Path == $"/v2/{image.Repository}/manifests/{name}"));
            Assert.True(times <= 1, $"the manifest {manifest.Digest} was fetched {times} times");
        }
    }

    public async ValueTask DisposeAsync()
    {
        while (_running.TryPop(out var last)) await last.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private string Folder(string process) => Path.Combine(_folder.FullName, process);

    private string Log(string process) => Path.Combine(_logs, process + ".log");
}
