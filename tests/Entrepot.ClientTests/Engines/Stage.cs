using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;
using ReceivedRequest = Entrepot.FunctionalTests.Registry.ReceivedRequest;
using TestRegistry = Entrepot.FunctionalTests.Registry.TestRegistry;

namespace Entrepot.ClientTests.Engines;

/// <summary>An upstream that misbehaves on request, an appliance with an empty store, and one engine that knows only it.</summary>
/// <remarks>
/// Docker Hub itself refuses connections unless <see cref="OpenDockerHubAsync"/> was called, so that an engine that goes there fails instead of hiding
/// a fault of its mirror.
/// </remarks>
internal sealed class Stage : IAsyncDisposable
{
    /// <summary>The image that everything is tried with: two platforms, and two layers of this machine's.</summary>
    public static readonly TestImage Image = SampleImages.Named("library/multi");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-");
    private readonly Stack<IAsyncDisposable> _running = [];
    private readonly EngineKind _kind;
    private readonly string _logs;
    private DockerRegistry? _hub;

    private Stage(EngineKind kind, string test) => (_kind, _logs) = (kind, TestRun.LogFolder(Path.Combine(test, kind.Name)));

    public TestRegistry Upstream { get; } = new();

    public PublishedEntrepot Entrepot { get; private set; } = null!;

    public IEngine Engine { get; private set; } = null!;

    /// <summary>The largest layer of this machine's image.</summary>
    public static Content Layer => Image.Native.Layers[^1].Blob;

    /// <summary>GETs of blobs that the upstream has received.</summary>
    public IReadOnlyList<ReceivedRequest> BlobGets => [.. Upstream.Log.All.Where(request => request is { Method: "GET", IsBlob: true })];

    /// <param name="engine">The name of its kind.</param>
    /// <param name="detail">Tells one of several stages of a test from another.</param>
    /// <param name="environment">Variables that the appliance is given.</param>
    /// <param name="test">Names the folder of the logs.</param>
    public static async Task<Stage> StartAsync(
        string engine, string detail = "", IReadOnlyDictionary<string, string>? environment = null, [CallerMemberName] string test = "")
    {
        var stage = new Stage(EngineKind.Named(engine), Path.Combine(test, detail));
        try
        {
            stage.Upstream.Hold(Image);
            stage.Entrepot = await PublishedEntrepot.StartAsync(stage.Folder("entrepot"), stage.Log("entrepot"), stage.Upstream.Url, "0s", "80%", environment);
            stage._running.Push(stage.Entrepot);
            stage.Engine = await stage._kind.Start(stage.Folder("engine"), stage.Log("engine"), stage.Entrepot.Host);
            stage._running.Push(stage.Engine);
            return stage;
        }
        catch
        {
            await stage.DisposeAsync();
            throw;
        }
    }

    /// <summary>Whether a GET asks for the blob that faults are about.</summary>
    public static bool IsLayer(ReceivedRequest request) => request.Method == "GET" && request.Path.EndsWith(Layer.Digest, StringComparison.Ordinal);

    /// <summary>Lets Docker Hub answer, with the image. It is this whole machine's: one stage opens it for all.</summary>
    public async Task OpenDockerHubAsync()
    {
        _hub = await DockerRegistry.StartAsync(Folder("hub"), Log("hub"), RegistrySetup.DockerHub);
        _running.Push(_hub);
        await _hub.PushAsync(Image);
    }

    /// <summary>Ends Docker Hub, which was opened, so that there is nothing left but the appliance.</summary>
    public Task CloseDockerHubAsync() => _hub!.StopAsync();

    /// <summary>Asks the appliance itself for the image's manifest.</summary>
    /// <returns>The status, once the answer has come.</returns>
    public async Task<HttpStatusCode> AskForManifestAsync()
    {
        using var answer = await Http.Client.GetAsync(new Uri(Entrepot.Address, $"v2/{Image.Repository}/manifests/{Image.Tag}"));
        return answer.StatusCode;
    }

    /// <summary>Pulls what the appliance cannot serve.</summary>
    /// <returns>What becomes of it.</returns>
    public async Task<string> PullUnservedAsync()
    {
        var began = Stopwatch.StartNew();
        try
        {
            await Engine.PullAsync(Image);
            return Outcome.DockerHub;
        }
        catch (InvalidOperationException)
        {
            return Outcome.Fails;
        }
        finally
        {
            Assert.InRange(began.Elapsed, TimeSpan.Zero, Outcome.Patience);
        }
    }

    /// <summary>Notes an outcome for the table.</summary>
    public async Task RecordAsync(string situation, string outcome) => TestRun.Record(_kind.Name, await _kind.Program.VersionAsync(), situation, outcome);

    public async ValueTask DisposeAsync()
    {
        // The upstream first: an appliance or an engine that waits for it would be waited for.
        await Upstream.DisposeAsync();
        while (_running.TryPop(out var last)) await last.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private string Folder(string process) => Path.Combine(_folder.FullName, process);

    private string Log(string process) => Path.Combine(_logs, process + ".log");
}

/// <summary>What can become of a pull, in the table's words.</summary>
internal static class Outcome
{
    /// <summary>The engine got the right image from the appliance, and noticed nothing.</summary>
    public const string Right = "yes";

    /// <summary>The engine got the right image, of which it took something from Docker Hub itself.</summary>
    public const string DockerHub = "Docker Hub";

    /// <summary>The engine said that it failed, and has no image.</summary>
    public const string Fails = "error";

    /// <summary>The longest that any engine may take to get to an outcome.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
}
