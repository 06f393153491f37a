using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;
using TestRegistry = Entrepot.FunctionalTests.Registry.TestRegistry;

namespace Entrepot.ClientTests.Chains;

/// <summary>What stands beside the appliance.</summary>
public enum Neighbour
{
    /// <summary>A second appliance, behind it.</summary>
    Entrepot,

    /// <summary>A docker-registry that is a pull-through cache, behind it.</summary>
    DockerRegistry,

    /// <summary>nginx, in front of it.</summary>
    Nginx,
}

/// <summary>An origin, and two servers between it and the client.</summary>
internal sealed class Chain : IAsyncDisposable
{
    /// <summary>What the origin holds.</summary>
    public static readonly TestImage Image = SampleImages.Named("library/multi");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-");
    private readonly Stack<IAsyncDisposable> _running = [];
    private readonly string _logs;
    private string _host = "";

    private Chain(string name) => _logs = TestRun.LogFolder(name);

    public TestRegistry Origin { get; } = new();

    public static Content Layer => Image.Native.Layers[^1].Blob;

    public static async Task<Chain> StartAsync(Neighbour neighbour, [CallerMemberName] string test = "")
    {
        var chain = new Chain(Path.Combine(test, neighbour.ToString()));
        try
        {
            chain.Origin.Hold(Image);
            await chain.StartServersAsync(neighbour);
            return chain;
        }
        catch
        {
            await chain.DisposeAsync();
            throw;
        }
    }

    /// <summary>Copies the image with a real client, which checks every byte.</summary>
    public Task CopyAsync() => new Skopeo(Folder("skopeo"), Log("skopeo"), _host).CopyAsync(Image);

    /// <summary>Asks the server that clients see.</summary>
    /// <param name="method">GET or HEAD.</param>
    /// <param name="path">Under the image's repository.</param>
    /// <param name="range">Bytes, the last one included; <see langword="null"/> for all.</param>
    public async Task<Answer> AskAsync(HttpMethod method, string path, (long From, long To)? range = null)
    {
        using var request = new HttpRequestMessage(method, new Uri($"http://{_host}/v2/{Image.Repository}/{path}"));
        if (range is { } bytes) request.Headers.Range = new RangeHeaderValue(bytes.From, bytes.To);
        using var answer = await Http.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        var headers = answer.Headers.NonValidated.Concat(answer.Content.Headers.NonValidated)
            .ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase);
        try
        {
            return new Answer(answer.StatusCode, headers, await answer.Content.ReadAsByteArrayAsync(), true);
        }
        catch (HttpRequestException)
        {
            return new Answer(answer.StatusCode, headers, [], false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Origin.DisposeAsync();
        while (_running.TryPop(out var last)) await last.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private async Task StartServersAsync(Neighbour neighbour)
    {
        var behind = Origin.Url;
        if (neighbour is Neighbour.Entrepot) behind = (await StartEntrepotAsync("back", Origin.Url)).Address;
        if (neighbour is Neighbour.DockerRegistry)
        {
            var proxy = await DockerRegistry.StartAsync(Folder("proxy"), Log("proxy"), new RegistrySetup { ProxyOf = Origin.Url });
            _running.Push(proxy);
            behind = proxy.Address;
        }

        _host = (await StartEntrepotAsync("front", behind)).Host;
        if (neighbour is Neighbour.Nginx)
        {
            _running.Push(await Nginx.StartAsync(Folder("nginx"), Log("nginx"), _host));
            _host = Nginx.Host;
        }
    }

    private async Task<PublishedEntrepot> StartEntrepotAsync(string name, Uri upstream)
    {
        var entrepot = await PublishedEntrepot.StartAsync(Folder(name), Log(name), upstream, "0s", "80%");
        _running.Push(entrepot);
        return entrepot;
    }

    private string Folder(string process) => Path.Combine(_folder.FullName, process);

    private string Log(string process) => Path.Combine(_logs, process + ".log");
}

/// <summary>A response.</summary>
/// <param name="Status">Its status.</param>
/// <param name="Headers">By name, in any case; several values joined.</param>
/// <param name="Body">Empty if the connection broke.</param>
/// <param name="IsWhole">Whether the body ended as it should.</param>
internal sealed record Answer(HttpStatusCode Status, IReadOnlyDictionary<string, string> Headers, byte[] Body, bool IsWhole)
{
    /// <summary>The code of an error in the specification's form.</summary>
    public string? ErrorCode => (string?)JsonNode.Parse(Body)?["errors"]?[0]?["code"];
}
