using System.Diagnostics;

namespace Entrepot.ClientTests.Kit;

/// <summary>The published program, with a store of its own that outlives its restarts.</summary>
internal sealed class PublishedEntrepot : IAsyncDisposable
{
    private static readonly Uri Nowhere = new("http://127.0.0.1:1/");
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(90);   // what a connection may be idle for, and be found out

    private readonly string _folder;
    private readonly string _logFile;
    private readonly IReadOnlyDictionary<string, string> _environment;
    private readonly int _port = Ports.Next();
    private readonly int _adminPort = Ports.Next();
    private readonly string _address;
    private readonly string _upstream;
    private readonly string _tagTtl;
    private Daemon? _daemon;
    private IReadOnlyList<string> _linesAtEnd = [];

    private PublishedEntrepot(
        string folder, string logFile, Uri upstream, string tagTtl, IReadOnlyDictionary<string, string> environment, string address) =>
        (_folder, _logFile, _upstream, _tagTtl, _environment, _address) = (folder, logFile, upstream.GetLeftPart(UriPartial.Authority), tagTtl, environment, address);

    /// <summary>Where clients find it: <c>address:port</c>.</summary>
    public string Host => $"{_address}:{_port}";

    /// <summary>The root of its registry API.</summary>
    public Uri Address => new($"http://{Host}/");

    /// <summary>Where health, metrics and the admin API are.</summary>
    public Uri Admin => new($"http://127.0.0.1:{_adminPort}/");

    /// <summary>Where whole, verified blobs lie.</summary>
    public string BlobFolder => Path.Combine(Root, "blobs");

    /// <summary>Everything it stores is under this.</summary>
    public string Root => Path.Combine(_folder, "store");

    /// <summary>What it has logged since its last start, also after its end.</summary>
    public IReadOnlyList<string> Lines => _daemon?.Lines ?? _linesAtEnd;

    /// <summary>What the process holds now; files are those of blobs, whole and partial.</summary>
    public ProcessUse Use() => ProcessUse.Of(_daemon!.Id, BlobFolder, Path.Combine(Root, "partial"));

    /// <summary>Waits until it holds no more descriptors than it may without anything to do. Its upstreams are nowhere from then on: connections to them end sooner.</summary>
    /// <param name="quota">As in its options.</param>
    /// <param name="descriptors">Most that it may have open.</param>
    /// <param name="tell">Told what it has open, at first and in the end.</param>
    public async Task RestAsync(string quota, int descriptors, Action<string> tell)
    {
        tell($"after the load {Use()}");
        await WriteOptionsAsync(quota, Nowhere);
        HangUp();
        var use = Use();
        try
        {
            await Eventually.TrueAsync(() => Task.FromResult((use = Use()).Descriptors <= descriptors), Idle);
        }
        finally
        {
            tell($"at rest {use}; allowed: {descriptors} descriptors");
        }
    }

    /// <summary>Starts it with an empty store. docker.io (the default) and quay.io are both at <paramref name="upstream"/>.</summary>
    /// <param name="folder">Where its options and its store are made.</param>
    /// <param name="logFile">Where its output is appended.</param>
    /// <param name="upstream">A registry.</param>
    /// <param name="tagTtl">How long a tag stays fresh, as the options spell it.</param>
    /// <param name="quota">Most bytes of everything under its root.</param>
    /// <param name="environment">Variables that it is given beside those of this process.</param>
    /// <param name="address">Where its registry API listens.</param>
    public static async Task<PublishedEntrepot> StartAsync(
        string folder, string logFile, Uri upstream, string tagTtl, string quota, IReadOnlyDictionary<string, string>? environment = null, string address = "127.0.0.1")
    {
        var entrepot = new PublishedEntrepot(Directory.CreateDirectory(folder).FullName, logFile, upstream, tagTtl, environment ?? new Dictionary<string, string>(), address);
        await entrepot.WriteOptionsAsync(quota);
        await entrepot.StartAsync();
        return entrepot;
    }

    /// <summary>Changes its options, of which a process that runs learns by <see cref="HangUp"/>.</summary>
    /// <param name="quota">Most bytes of everything under its root.</param>
    /// <param name="upstream">Where its upstreams are from now on; where they were at its start by default.</param>
    public Task WriteOptionsAsync(string quota, Uri? upstream = null) => File.WriteAllTextAsync(OptionsFile, $"""
            storage:
              root: {Root}
              minFree: 0B
              quota: {quota}
            upstreams:
              - name: docker.io
                urls: ["{upstream?.GetLeftPart(UriPartial.Authority) ?? _upstream}"]
                tagTtl: {_tagTtl}
              - name: quay.io
                urls: ["{upstream?.GetLeftPart(UriPartial.Authority) ?? _upstream}"]
                tagTtl: {_tagTtl}
            """);

    /// <summary>Asks it to read its options again.</summary>
    public void HangUp() => _daemon!.HangUp();

    /// <summary>Runs a command of the program that talks to this one.</summary>
    /// <returns>Its standard output.</returns>
    /// <exception cref="InvalidOperationException">It failed; the message holds what it wrote to standard error.</exception>
    public Task<string> RunAsync(params string[] arguments) => Tool.ReadAsync(TestRun.Program, [.. arguments, "--server", $"{Admin}"], _logFile);

    /// <summary>All metrics, as they are scraped.</summary>
    public Task<string> MetricsAsync() => Http.Client.GetStringAsync(new Uri($"http://127.0.0.1:{_adminPort}/metrics"));

    /// <summary>One metric, by its name and the labels that it is written with.</summary>
    /// <exception cref="InvalidOperationException">It is not there.</exception>
    public async Task<long> MetricAsync(string name) =>
        Find(await MetricsAsync(), name) ?? throw new InvalidOperationException($"/metrics has no {name}");

    /// <summary>One series of a counter, by its name and all its labels; 0 before it counts for the first time.</summary>
    /// <exception cref="InvalidOperationException">There is no such counter.</exception>
    public async Task<long> CountAsync(string series)
    {
        var metrics = await MetricsAsync();
        var counter = $"# TYPE {series[..series.IndexOf('{', StringComparison.Ordinal)]} counter\n";
        if (!metrics.Contains(counter, StringComparison.Ordinal)) throw new InvalidOperationException($"/metrics has no counter {series}");
        return Find(metrics, series) ?? 0;
    }

    /// <summary>Starts it again on the same store and port.</summary>
    public async Task StartAsync()
    {
        string[] arguments = ["--config", OptionsFile, "--listen", Host, "--admin", $"127.0.0.1:{_adminPort}"];
        var start = new ProcessStartInfo(TestRun.Program, arguments) { WorkingDirectory = _folder };
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("ENTREPOT_", StringComparison.Ordinal)).ToList()) start.Environment.Remove(name);
        foreach (var (name, value) in _environment) start.Environment[name] = value;
        _daemon = await Daemon.StartAsync(start, _logFile, IsReadyAsync);
    }

    /// <summary>Ends it as a service manager does, and checks that it ended in order.</summary>
    public async Task StopAsync()
    {
        Assert.NotNull(_daemon);
        Assert.Equal(0, await _daemon.StopAsync());
        _linesAtEnd = _daemon.Lines;
        await _daemon.DisposeAsync();
        _daemon = null;
    }

    /// <summary>Asks it to end, and returns once it drains: it takes nothing new, and what runs has not ended yet.</summary>
    /// <returns>Ends when the process has ended in order.</returns>
    public async Task<Task> BeginStopAsync()
    {
        Assert.NotNull(_daemon);
        _daemon.Terminate();
        await Eventually.TrueAsync(async () => !await IsReadyAsync());
        return StopAsync();
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

    private static long? Find(string metrics, string name) =>
        metrics.Split('\n').SingleOrDefault(line => line.StartsWith(name + " ", StringComparison.Ordinal)) is { } line
            ? (long)double.Parse(line[name.Length..], System.Globalization.CultureInfo.InvariantCulture)
            : null;

    private Task<bool> IsReadyAsync() => Http.AnswersAsync(new Uri($"http://127.0.0.1:{_adminPort}/readyz"));

    private string OptionsFile => Path.Combine(_folder, "entrepot.yaml");
}
