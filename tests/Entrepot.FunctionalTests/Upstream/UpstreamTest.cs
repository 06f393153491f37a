using System.Net;
using System.Net.Sockets;
using System.Text;
using Entrepot.FunctionalTests.Kit;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Upstream;
using Microsoft.AspNetCore.Http;

namespace Entrepot.FunctionalTests.Upstream;

/// <summary>What tests of the upstream share: servers that end with the test, and an upstream that points to them.</summary>
public abstract class UpstreamTest : IAsyncLifetime
{
    protected const int ManifestLimit = 4096;

    protected static readonly Digest SomeDigest = Digest.Of("blob"u8);
    protected static readonly Reference SomeBlob = new("test", "team/app", SomeDigest);
    protected static readonly Reference SomeTag = new("test", "team/app", "1.0");

    private readonly Stack<IAsyncDisposable> _servers = new();
    private readonly Stack<IDisposable> _upstreams = new();

    private protected UpstreamCounters Counters { get; } = new();

    // Long enough never to matter on a busy machine, unless a test is about one of them.
    private protected static TestTimes Times { get; } = new()
    {
        Connect = TimeSpan.FromSeconds(20),
        Headers = TimeSpan.FromSeconds(20),
        Total = TimeSpan.FromSeconds(40),
        Pause = TimeSpan.FromMilliseconds(1),
        Stall = TimeSpan.FromSeconds(20),
    };

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        while (_upstreams.TryPop(out var upstream)) upstream.Dispose();
        while (_servers.TryPop(out var server)) await server.DisposeAsync();
    }

    private protected async Task<LoopbackServer> ServeAsync(RequestDelegate answer)
    {
        var server = await LoopbackServer.StartAsync(answer);
        _servers.Push(server);
        return server;
    }

    private protected RawServer ServeRaw(string answer, bool isSilentAfterwards = false, bool resets = false)
    {
        var server = new RawServer(answer, isSilentAfterwards, resets);
        _servers.Push(server);
        return server;
    }

    private protected RegistryUpstream Connect(params Uri[] urls) => Connect(new UpstreamOptions { Name = "test", Urls = urls });

    private protected RegistryUpstream Connect(
        UpstreamOptions options, TestTimes? times = null, TimeProvider? clock = null, IWebProxy? proxy = null)
    {
        times ??= Times;
        options = times.In(options);
        var upstream = new RegistryUpstream(options, new Allowance(options, clock ?? TimeProvider.System), times.Fixed, new UpstreamLimits { ManifestBytes = ManifestLimit }, Counters, clock ?? TimeProvider.System, proxy);
        _upstreams.Push(upstream);
        return upstream;
    }

    /// <summary>An address where nobody listens.</summary>
    protected static Uri Nowhere()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return new Uri($"http://{listener.LocalEndpoint}");
    }

    protected static async Task SendAsync(HttpContext context, int status, string content = "", string? type = null)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = type;
        context.Response.ContentLength = Encoding.UTF8.GetByteCount(content);
        if (!HttpMethods.IsHead(context.Request.Method)) await context.Response.WriteAsync(content);
    }

    protected static async Task<string> ReadAsync(UpstreamBlob? blob)
    {
        Assert.NotNull(blob);
        await using var disposed = blob;
        using var reader = new StreamReader(blob.Content);
        return await reader.ReadToEndAsync();
    }
}
