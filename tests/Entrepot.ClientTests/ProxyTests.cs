using System.Collections.Concurrent;
using System.Net;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Entrepot.ClientTests;

/// <summary>The published program behind an outgoing proxy, which only the environment's variables tell it of.</summary>
public sealed class ProxyTests : IAsyncLifetime
{
    // Nobody resolves this name here: what is answered for it came by way of the proxy.
    private const string Elsewhere = "registry.example.test";
    private const string Manifest = """{"schemaVersion":2,"config":{},"layers":[]}""";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-");
    private readonly ConcurrentQueue<string> _asked = new();
    private WebApplication _proxy = null!;

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _proxy = builder.Build();
        _proxy.Run(context =>
        {
            _asked.Enqueue(context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget);
            context.Response.ContentType = "application/vnd.oci.image.manifest.v1+json";
            return context.Response.WriteAsync(Manifest);
        });
        await _proxy.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await _proxy.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [ClientTheory]
    [InlineData("", HttpStatusCode.OK)]
    [InlineData("other.example.test", HttpStatusCode.OK)]
    [InlineData(Elsewhere, HttpStatusCode.ServiceUnavailable)]
    public async Task Upstream_BehindAProxy_IsAskedThroughItUnlessExcepted(string excepted, HttpStatusCode status)
    {
        var environment = new Dictionary<string, string> { ["HTTP_PROXY"] = _proxy.Urls.First(), ["http_proxy"] = _proxy.Urls.First(), ["NO_PROXY"] = excepted, ["no_proxy"] = excepted };
        var log = Path.Combine(TestRun.LogFolder(Path.Combine(nameof(ProxyTests), excepted)), "entrepot.log");
        await using var entrepot = await PublishedEntrepot.StartAsync(
            Path.Combine(_folder.FullName, "entrepot"), log, new Uri($"http://{Elsewhere}"), "1m", "1GiB", environment);

        using var answer = await Http.Client.GetAsync(new Uri(entrepot.Address, "v2/org/app/manifests/1"));

        Assert.Equal(status, answer.StatusCode);
        if (status is HttpStatusCode.OK) Assert.Contains($"http://{Elsewhere}/v2/org/app/manifests/1", _asked);
        else Assert.Empty(_asked);
    }

    [ClientFact]
    public async Task HttpsUpstream_BehindAProxy_IsReachedThroughATunnel()
    {
        var logs = TestRun.LogFolder(Path.Combine(nameof(ProxyTests), "tunnel"));
        var image = SampleImages.Named("library/one");
        await using var registry = await DockerRegistry.StartAsync(Path.Combine(_folder.FullName, "registry"), Path.Combine(logs, "registry.log"), RegistrySetup.DockerHub);
        await registry.PushAsync(image);
        await using var proxy = new ConnectProxy();
        var environment = new Dictionary<string, string> { ["HTTPS_PROXY"] = proxy.Address.ToString(), ["https_proxy"] = proxy.Address.ToString(), ["NO_PROXY"] = "", ["no_proxy"] = "" };
        await using var entrepot = await PublishedEntrepot.StartAsync(
            Path.Combine(_folder.FullName, "entrepot"), Path.Combine(logs, "entrepot.log"), new Uri($"https://{Elsewhere}"), "1m", "1GiB", environment);

        var manifest = await Http.Client.GetByteArrayAsync(new Uri(entrepot.Address, $"v2/{image.Repository}/manifests/{image.Tag}"));

        Assert.Equal(image.Root.Bytes, manifest);
        Assert.Equal([$"{Elsewhere}:443"], proxy.Asked.Distinct());
    }
}
