using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using Entrepot.ClientTests.Images;

namespace Entrepot.ClientTests.Kit;

/// <summary>One request as the upstream saw and answered it.</summary>
internal readonly record struct SeenRequest(string Method, string Path, string Protocol, int Status)
{
    /// <summary>Whether it asked for content.</summary>
    public bool IsPull => Method == "GET" && (Path.Contains("/manifests/", StringComparison.Ordinal) || Path.Contains("/blobs/", StringComparison.Ordinal));
}

/// <summary>How a docker-registry differs from the usual.</summary>
internal sealed record RegistrySetup
{
    /// <summary>Stands in for Docker Hub: TLS with HTTP/2 on port 443 of the address that its name has here.</summary>
    public static RegistrySetup DockerHub { get; } = new() { IsDockerHub = true };

    public bool IsDockerHub { get; private init; }

    /// <summary>The registry that it is a pull-through cache of; <see langword="null"/> for none.</summary>
    public Uri? ProxyOf { get; init; }
}

/// <summary>A real docker-registry, the upstream of a test.</summary>
internal sealed partial class DockerRegistry : IAsyncDisposable
{
    private readonly Daemon _daemon;

    private DockerRegistry(Daemon daemon, Uri address) => (_daemon, Address) = (daemon, address);

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>What it has answered so far, as far as that is in its log.</summary>
    public IReadOnlyList<SeenRequest> Seen =>
    [
        .. from line in _daemon.Lines
           let match = AccessLine().Match(line)
           where match.Success
           select new SeenRequest(match.Groups["method"].Value, match.Groups["path"].Value, match.Groups["protocol"].Value, int.Parse(match.Groups["status"].ValueSpan)),
    ];

    /// <summary>Starts a registry that stores under <paramref name="folder"/>.</summary>
    public static async Task<DockerRegistry> StartAsync(string folder, string logFile, RegistrySetup? setup = null)
    {
        setup ??= new RegistrySetup();
        var port = setup.IsDockerHub ? 443 : Ports.Next();
        var address = new Uri(setup.IsDockerHub ? "https://registry-1.docker.io/" : $"http://127.0.0.1:{port}/");
        Directory.CreateDirectory(folder);
        var config = Path.Combine(folder, "config.yml");

        // draintimeout: at SIGTERM the requests that run are finished and logged, so that the access log is complete.
        await File.WriteAllTextAsync(config, $"""
            version: 0.1
            log:
              level: error
            storage:
              filesystem:
                rootdirectory: {folder}/store
              maintenance:
                uploadpurging:
                  enabled: false
            http:
              addr: 127.0.0.1:{port}
              secret: the same at every start
              draintimeout: 10s
            {(setup.IsDockerHub ? $"  tls: {{ certificate: {TestAuthority.ServerCertificate}, key: {TestAuthority.ServerKey} }}" : "")}
            {(setup.ProxyOf is { } origin ? $"proxy: {{ remoteurl: {origin.GetLeftPart(UriPartial.Authority)} }}" : "")}
            """);
        var start = new ProcessStartInfo("docker-registry", ["serve", config]) { WorkingDirectory = folder };
        var daemon = await Daemon.StartAsync(start, logFile, () => Http.AnswersAsync(new Uri(address, "v2/")));
        return new DockerRegistry(daemon, address);
    }

    /// <summary>Puts an image there byte for byte.</summary>
    public async Task PushAsync(TestImage image)
    {
        foreach (var blob in image.Blobs) await PushBlobAsync(image.Repository, blob);
        foreach (var manifest in image.Manifests) await PushAsync(image.Repository, manifest == image.Root ? image.Tag : manifest.Digest, manifest);
    }

    /// <summary>Puts a manifest there, under a tag or by its digest; what it names is there already.</summary>
    public async Task PushAsync(string repository, string reference, Content manifest)
    {
        using var content = new ByteArrayContent(manifest.Bytes);
        content.Headers.ContentType = new MediaTypeHeaderValue(manifest.MediaType);
        using var answer = await Http.Client.PutAsync(new Uri(Address, $"v2/{repository}/manifests/{reference}"), content);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.Equal(manifest.Digest, answer.Headers.GetValues("Docker-Content-Digest").Single());
    }

    /// <summary>Lets it finish what it is doing, and ends it. Its clients find a refused connection from then on.</summary>
    /// <returns>Every request it ever answered.</returns>
    public async Task<IReadOnlyList<SeenRequest>> StopAsync()
    {
        await _daemon.StopAsync();
        return Seen;
    }

    public ValueTask DisposeAsync() => _daemon.DisposeAsync();

    private async Task PushBlobAsync(string repository, Content blob)
    {
        using var begun = await Http.Client.PostAsync(new Uri(Address, $"v2/{repository}/blobs/uploads/"), null);
        Assert.Equal(HttpStatusCode.Accepted, begun.StatusCode);

        var upload = begun.Headers.Location ?? throw new InvalidOperationException("the registry gave no place for the upload");
        using var content = new ByteArrayContent(blob.Bytes);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        using var done = await Http.Client.PutAsync(new Uri($"{upload}&digest={Uri.EscapeDataString(blob.Digest)}"), content);
        Assert.Equal(HttpStatusCode.Created, done.StatusCode);
    }

    [GeneratedRegex("""^\S+ - - \[[^]]+] "(?<method>[A-Z]+) (?<path>\S+) (?<protocol>HTTP/[0-9.]+)" (?<status>[0-9]{3}) """)]
    private static partial Regex AccessLine();
}
