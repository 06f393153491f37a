using System.Diagnostics;

namespace Entrepot.ClientTests.Kit;

/// <summary>The published program, with a store of its own that outlives its restarts.</summary>
internal sealed class PublishedEntrepot : IAsyncDisposable
{
    private readonly string _folder;
    private readonly string _logFile;
    private readonly int _port = Ports.Next();
    private readonly int _adminPort = Ports.Next();
    private Daemon? _daemon;

    private PublishedEntrepot(string folder, string logFile) => (_folder, _logFile) = (folder, logFile);

    /// <summary>Where clients find it: <c>address:port</c>.</summary>
    public string Host => $"127.0.0.1:{_port}";

    /// <summary>The root of its registry API.</summary>
    public Uri Address => new($"http://{Host}/");

    /// <summary>Where whole, verified blobs lie.</summary>
    public string BlobFolder => Path.Combine(_folder, "store", "blobs");

    /// <summary>Starts it with an empty store. docker.io (the default) and quay.io are both at <paramref name="upstream"/>.</summary>
    /// <param name="folder">Where its options and its store are made.</param>
    /// <param name="logFile">Where its output is appended.</param>
    /// <param name="upstream">A registry.</param>
    /// <param name="tagTtl">How long a tag stays fresh, as the options spell it.</param>
    public static async Task<PublishedEntrepot> StartAsync(string folder, string logFile, Uri upstream, string tagTtl)
    {
        var entrepot = new PublishedEntrepot(Directory.CreateDirectory(folder).FullName, logFile);
        var url = upstream.GetLeftPart(UriPartial.Authority);
        await File.WriteAllTextAsync(entrepot.OptionsFile, $"""
            storage:
              root: {entrepot._folder}/store
              minFree: 0B
            upstreams:
              - name: docker.io
                urls: ["{url}"]
                tagTtl: {tagTtl}
              - name: quay.io
                urls: ["{url}"]
                tagTtl: {tagTtl}
            """);
        await entrepot.StartAsync();
        return entrepot;
    }

    /// <summary>Starts it again on the same store and port.</summary>
    public async Task StartAsync()
    {
        string[] arguments = ["--config", OptionsFile, "--listen", Host, "--admin", $"127.0.0.1:{_adminPort}"];
        var start = new ProcessStartInfo(TestRun.Program, arguments) { WorkingDirectory = _folder };
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("ENTREPOT_", StringComparison.Ordinal)).ToList()) start.Environment.Remove(name);
        _daemon = await Daemon.StartAsync(start, _logFile, () => Http.AnswersAsync(new Uri($"http://127.0.0.1:{_adminPort}/readyz")));
    }

    /// <summary>Ends it as a service manager does, and checks that it ended in order.</summary>
    public async Task StopAsync()
    {
        Assert.NotNull(_daemon);
        Assert.Equal(0, await _daemon.StopAsync());
        await _daemon.DisposeAsync();
        _daemon = null;
    }

    /// <summary>Ends it as a power cut does, except that the page cache survives.</summary>
    public async Task KillAsync()
    {
        Assert.NotNull(_daemon);
        await _daemon.KillAsync();
        await _daemon.DisposeAsync();
        _daemon = null;
    }

    public async ValueTask DisposeAsync()
    {
        if (_daemon is not null) await _daemon.DisposeAsync();
    }

    private string OptionsFile => Path.Combine(_folder, "entrepot.yaml");
}
