using System.Net;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Server.Options;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>A store that fails: pulls go on, nothing wrong is served, the state is told, and caching goes on by itself when the fault is gone.</summary>
public abstract class StorageFaultTest : IAsyncLifetime
{
    private const int LayerSize = 3_000_000;   // several pieces of a response, and more than memory keeps
    private const int UnhurriedBytes = 4_000_000;   // a second
    private static readonly string[] Sources = ["hit", "joined", "fetched", "revalidated", "stale", "bypass", "missing", "denied", "failed"];

    private readonly LogLines _lines = new();
    private readonly List<(string What, string Answer)> _answers = [];
    private TestImage _later = null!;

    private protected TestRegistry Registry { get; } = new();

    private protected FaultyFiles Files { get; } = new();

    private protected Appliance Cache { get; private set; } = null!;

    /// <summary>What was pulled before the fault; its tag stays fresh.</summary>
    private protected TestImage Known { get; private set; } = null!;

    /// <summary>What was not.</summary>
    private protected TestImage Unknown { get; private set; } = null!;

    private protected string Root => Cache.Options.StorageRoot;

    private protected string KnownLayer => Cache.Store.PathOf(Known.Layers[0].Digest);

    private protected virtual Func<EntrepotOptions, EntrepotOptions> Options => options => options;

    public async Task InitializeAsync()
    {
        Known = Registry.Content.AddImage("org/app", "known", TestBlob.Random(LayerSize, seed: 800));
        Unknown = Registry.Content.AddImage("org/app", "unknown", TestBlob.Random(LayerSize, seed: 801));
        _later = Registry.Content.AddImage("org/app", "later", TestBlob.Random(LayerSize, seed: 802));

        // Nothing is answered from memory: it is the disk that is looked at. One connection brings a layer.
        Cache = await Appliance.StartAsync(Registry, new Setup
        {
            Files = Files,
            Log = _lines.Log,
            TagTtl = TimeSpan.FromHours(1),
            Upstream = one => one with { Fetching = one.Fetching with { ParallelRuns = 1 } },
            Options = options => Options(options with { MemoryCacheBytes = 0 }),
        });
        await Cache.PullAsync(Known);
    }

    public async Task DisposeAsync()
    {
        await Cache.DisposeAsync();
        await Registry.DisposeAsync();
    }

    /// <summary>A fault of the disk while it runs: asks for everything meanwhile, and for something new afterwards.</summary>
    /// <param name="fault">What is wrong, as the row has it.</param>
    /// <param name="reason">The fault as metrics name it.</param>
    /// <param name="begin">Begins it.</param>
    /// <param name="end">Ends it.</param>
    /// <param name="atStart">Whether it was there when the server was started.</param>
    private protected async Task FailAsync(string fault, string reason, Action begin, Action end, bool atStart = false)
    {
        Registry.BytesPerSecond = UnhurriedBytes;   // a client has its headers before the disk refuses what follows
        if (atStart) await Cache.StopAsync();
        var before = atStart ? null : await Cache.MetricsAsync();
        begin();
        FaultRow row;
        try
        {
            if (atStart) await Cache.StartAgainAsync();
            before ??= await Cache.MetricsAsync();
            await AskAllAsync();
            await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_storage_faulty", $"reason=\"{reason}\"") == 1);
            Assert.StartsWith($"The store in {Root} fails ({reason})", (string?)(await Admin.AdminClient.StatusAsync(Cache)).Json["problems"]![0], StringComparison.Ordinal);
            row = await RowAsync(fault, before, await ReadinessAsync());
        }
        finally
        {
            end();
        }

        Registry.BytesPerSecond = null;
        await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_storage_faulty") == 0);
        Assert.Equal((HttpStatusCode.OK, "ready\n"), await Cache.AdminAsync("/readyz"));
        Assert.Contains(_lines.All, line => line.StartsWith($"Error: The store fails ({reason})", StringComparison.Ordinal));
        Assert.Contains(_lines.All, line => line.StartsWith("Information: The store is well again", StringComparison.Ordinal));
        if (atStart && reason is "readonly") Assert.DoesNotContain(_lines.All, line => line.StartsWith("Warning: The scrub stopped", StringComparison.Ordinal));   // that was said already
        await GoesOnAsync(row);
    }

    /// <summary>A fault that the cache itself mends: asks for what it is about, waits until that is told, and asks for everything.</summary>
    /// <param name="fault">What is wrong, as the row has it.</param>
    /// <param name="reason">The fault as metrics name it.</param>
    /// <param name="begin">Begins it.</param>
    /// <param name="told">How the log's line begins that tells of the end.</param>
    private protected async Task FailBrieflyAsync(string fault, string reason, Action begin, string told)
    {
        var before = await Cache.MetricsAsync();
        begin();
        await AskAsync("known layer at first", $"blobs/{Known.Layers[0].Digest}", Known.Layers[0].Bytes);
        await Appliance.UntilAsync(() => Task.FromResult(_lines.All.Any(line => line.StartsWith(told, StringComparison.Ordinal))), () => string.Join('\n', _lines.All));
        await Cache.StoredAsync(Known.Layers[0].Digest);
        await Cache.IdleAsync();
        await AskAllAsync();
        Assert.True((await Cache.MetricsAsync()).Sum("entrepot_storage_faults_total", $"reason=\"{reason}\"") > 0);
        await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_storage_faulty") == 0);
        Assert.Equal(1, (await Cache.MetricsAsync()).Sum("entrepot_evictions_total", "reason=\"corrupt\""));
        await GoesOnAsync(await RowAsync(fault, before, await ReadinessAsync()));
    }

    /// <summary>Something wrong with what is stored, that is found or not: asks for everything, then for something new.</summary>
    /// <param name="fault">What is wrong, as the row has it.</param>
    /// <param name="spoil">Makes it so.</param>
    /// <param name="atRest">Whether that is done while the server does not run.</param>
    /// <param name="found">What is waited for before anybody asks.</param>
    private protected async Task SpoilAsync(string fault, Action spoil, bool atRest, Func<Task>? found = null)
    {
        if (atRest) await Cache.StopAsync();
        spoil();
        if (atRest) await Cache.StartAgainAsync();
        if (found is not null) await found();
        var before = await Cache.MetricsAsync();
        await AskAllAsync();
        await GoesOnAsync(await RowAsync(fault, before, await ReadinessAsync()));
    }

    private async Task GoesOnAsync(FaultRow row)
    {
        await Cache.PullAsync(_later);   // and all of it is stored
        await Cache.PullAsync(Unknown);
        await Cache.PullAsync(Known);
        FaultPage.Tell("Storage", row);
    }

    private async Task AskAllAsync()
    {
        await AskAsync("known tag", "manifests/known", Known.Manifest.Bytes);
        await AskAsync("known layer", $"blobs/{Known.Layers[0].Digest}", Known.Layers[0].Bytes);
        await AskAsync("unknown tag", "manifests/unknown", Unknown.Manifest.Bytes);
        await AskAsync("unknown layer", $"blobs/{Unknown.Layers[0].Digest}", Unknown.Layers[0].Bytes);
        await AskAsync("known layer again", $"blobs/{Known.Layers[0].Digest}", Known.Layers[0].Bytes);
    }

    private async Task AskAsync(string what, string path, byte[] right)
    {
        var got = await Cache.GetAsync($"/v2/org/app/{path}");
        if (got.Clean && got.Status == 200) got.Is(right);
        else Assert.True(right.AsSpan().StartsWith(got.Bytes) || got.Status != 200, "bytes that came before the end were wrong");
        await Cache.IdleAsync();
        _answers.Add((what, Witness.Say(got)));
    }

    private async Task<string> ReadinessAsync()
    {
        var (status, text) = await Cache.AdminAsync("/readyz");
        return $"{(int)status} {text.Split(':')[0].Trim()}";
    }

    private async Task<FaultRow> RowAsync(string fault, MetricValues before, string readiness)
    {
        var now = await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") == before.Sum("entrepot_requests_total") + _answers.Count);
        var sources = Sources.Select(source => (source, Count: now.Sum("entrepot_requests_total", $"source=\"{source}\"") - before.Sum("entrepot_requests_total", $"source=\"{source}\"")))
            .Where(one => one.Count > 0).Select(one => $"{one.source} {one.Count}");
        var reason = ((string[])["full", "readonly", "permission", "descriptors", "io"]).FirstOrDefault(name => now.Sum("entrepot_storage_faulty", $"reason=\"{name}\"") == 1);
        var cached = (Cache.Store.Has(Known.Layers[0].Digest), Cache.Store.Has(Unknown.Layers[0].Digest)) switch
        {
            (true, true) => "both layers",
            (true, false) => "the known layer",
            (false, true) => "the unknown layer",
            _ => "no layer",
        };
        return new FaultRow(
            fault, string.Join("; ", _answers.GroupBy(one => one.Answer, one => one.What).Select(group => $"{string.Join(", ", group)}: {group.Key}")),
            cached, $"{string.Join(", ", sources)}; {(reason is null ? now.Sum("entrepot_storage_faults_total") > 0 ? "faulty for a moment" : "not faulty" : $"faulty: {reason}")}; {readiness}");
    }
}
