using System.Net;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;
using Entrepot.Server;
using Entrepot.Server.Options;
using Entrepot.Upstream;

namespace Entrepot.FunctionalTests.Kit;

/// <summary>The whole server on loopback with a store of its own, which goes away with it, and a client.</summary>
internal sealed class Appliance : IAsyncDisposable
{
    internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(10);

    private readonly Setup _setup;
    private EntrepotOptions _options;
    private readonly DirectoryInfo _root;
    private readonly HttpClient _client = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false });
    private EntrepotHost? _host;

    private Appliance(TestRegistry upstream, Setup setup)
    {
        (_setup, Times) = (setup, setup.Times.Fixed);
        _root = Directory.CreateTempSubdirectory("entrepot-");
        var first = setup.Upstream(new UpstreamOptions { Name = "docker.io", Urls = [upstream.Url], Freshness = new() { TagTtl = setup.TagTtl } });
        _options = setup.Options(new EntrepotOptions
        {
            Listen = ["127.0.0.1:0"],
            Admin = "127.0.0.1:0",
            StorageRoot = _root.FullName,
            MinFreeBytes = 0,   // no test depends on the machine's disk
            Upstreams = [setup.Times.In(first), .. setup.More.Select(setup.Times.In)],
        });
    }

    public Uri Url => _host!.Registry[0];

    public Uri Admin => _host!.Admin;

    public EntrepotHost Host => _host!;

    public HttpClient Client => _client;

    public EntrepotOptions Options => _options;

    /// <summary>How long upstreams are left alone from the next start on; how long they are waited for is in <see cref="Options"/>.</summary>
    public UpstreamTimes Times { get; set; }

    public Store Store => new(_root.FullName);

    public static async Task<Appliance> StartAsync(TestRegistry upstream, Setup? setup = null)
    {
        var appliance = new Appliance(upstream, setup ?? new Setup());
        await appliance.StartAgainAsync();
        return appliance;
    }

    public async Task StartAgainAsync()
    {
        var parts = new HostParts { Clock = _setup.Clock, Times = Times, Log = _setup.Log, LogQueue = _setup.LogQueue, Calls = _setup.Calls, Files = _setup.Files };
        _host = await EntrepotHost.StartAsync(_options, parts, CancellationToken.None);
    }

    public async Task StopAsync()
    {
        await _host!.StopAsync(CancellationToken.None).WaitAsync(Patience);
        await _host.DisposeAsync();
        _host = null;
    }

    /// <summary>Has the running server read other options.</summary>
    public void Reload(Func<EntrepotOptions, EntrepotOptions> change) => _host!.Reload(_options = change(_options));

    /// <summary>As <see cref="Reload"/>, of the first upstream.</summary>
    public void ReloadUpstream(Func<UpstreamOptions, UpstreamOptions> change) =>
        Reload(options => options with { Upstreams = [change(options.Upstreams[0]), .. options.Upstreams.Skip(1)] });

    /// <summary>Ends the server and starts one on the same store; its address is another.</summary>
    /// <param name="change">What it is told anew; nothing by default.</param>
    public async Task RestartAsync(Func<EntrepotOptions, EntrepotOptions>? change = null)
    {
        await StopAsync();
        if (change is not null) _options = change(_options);
        await StartAgainAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        if (_host is not null) await StopAsync();
        _root.Delete(recursive: true);
    }

    public Task<Got> GetAsync(string path, params (string Name, string Value)[] headers) => SendAsync(HttpMethod.Get, path, headers);

    public Task<Got> HeadAsync(string path, params (string Name, string Value)[] headers) => SendAsync(HttpMethod.Head, path, headers);

    public Task<Got> GetBlobAsync(TestBlob blob, params (string Name, string Value)[] headers) => GetAsync(PathOf(blob.Digest), headers);

    public Task<Got> GetManifestAsync(string target, string repository = "org/app") => GetAsync($"/v2/{repository}/manifests/{target}");

    /// <summary>Pulls an image as an engine does: tag, then config and layers; returns when all of it is stored.</summary>
    public async Task PullAsync(TestImage image)
    {
        (await GetManifestAsync(image.Tag, image.Repository)).Is(image.Manifest.Bytes);
        foreach (var blob in image.Layers.Append(image.Config))
            (await GetAsync(PathOf(blob.Digest, image.Repository))).Is(blob.Bytes);
        foreach (var blob in image.Layers.Append(image.Config)) await StoredAsync(blob.Digest);
    }

    public static string PathOf(Digest blob, string repository = "org/app") => $"/v2/{repository}/blobs/{blob}";

    /// <summary>Sends a request and takes what comes, in full or until it breaks.</summary>
    public async Task<Got> SendAsync(HttpMethod method, string path, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, new Uri(Url, path));
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);

        HttpResponseMessage answer;
        try
        {
            answer = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead).WaitAsync(Patience);
        }
        catch (HttpRequestException e) when (e.HttpRequestError == HttpRequestError.ResponseEnded || e.InnerException is IOException)
        {
            return new Got(0, [], false, Enumerable.Empty<string>().ToLookup(name => name));
        }

        using var response = answer;
        var received = response.Headers.NonValidated.Concat(response.Content.Headers.NonValidated)
            .SelectMany(header => header.Value, (header, value) => (header.Key, value))
            .ToLookup(header => header.Key, header => header.value, StringComparer.OrdinalIgnoreCase);
        using var body = new MemoryStream();
        var clean = true;
        try
        {
            await response.Content.CopyToAsync(body).WaitAsync(Patience);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            clean = false;
        }

        return new Got((int)response.StatusCode, body.ToArray(), clean, received);
    }

    /// <summary>Downloads and compares without keeping what comes: for many clients at once.</summary>
    public async Task<bool> DownloadsAsync(string path, byte[] right)
    {
        await using var body = await OpenAsync(path);
        var buffer = new byte[64 << 10];
        for (var at = 0; ;)
        {
            var count = await body.ReadAsync(buffer).AsTask().WaitAsync(Patience);
            if (count == 0) return at == right.Length;
            if (at + count > right.Length || !buffer.AsSpan(0, count).SequenceEqual(right.AsSpan(at, count))) return false;
            at += count;
        }
    }

    /// <summary>Starts a download; returns when its headers have come.</summary>
    public Task<Stream> OpenAsync(string path) => _client.GetStreamAsync(new Uri(Url, path)).WaitAsync(Patience);

    public async Task<(HttpStatusCode Status, string Text)> AdminAsync(string path)
    {
        using var response = await _client.GetAsync(new Uri(Admin, path));
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    public async Task<MetricValues> MetricsAsync() => MetricValues.Parse((await AdminAsync("/metrics")).Text);

    /// <summary>Waits for metrics that follow a response: they are counted after its last byte.</summary>
    public async Task<MetricValues> MetricsAsync(Func<MetricValues, bool> condition)
    {
        MetricValues metrics = await MetricsAsync();
        await UntilAsync(async () => condition(metrics = await MetricsAsync()), () => $"metrics are\n{metrics}");
        return metrics;
    }

    /// <summary>Waits until no fetch runs or is to: who asks before may still join one that is failing.</summary>
    public Task IdleAsync() => MetricsAsync(metrics => metrics.Sum("entrepot_fetches_running") + metrics.Sum("entrepot_fetches_waiting") == 0);

    /// <summary>Waits until a blob is in the store.</summary>
    public Task StoredAsync(Digest digest) => UntilAsync(() => Task.FromResult(Store.Has(digest)), () => $"{digest} is not stored");

    /// <summary>Waits for what offers no signal: a file, a scrape, another process's mind.</summary>
    /// <param name="condition">Asked again and again, for 20 seconds at most.</param>
    /// <param name="failure">What to say if it never holds.</param>
    public static async Task UntilAsync(Func<Task<bool>> condition, Func<string> failure)
    {
        var deadline = TimeProvider.System.GetUtcNow() + Patience;
        while (!await condition())
        {
            Assert.True(TimeProvider.System.GetUtcNow() < deadline, failure());
            await Task.Delay(PollEvery);
        }
    }
}
