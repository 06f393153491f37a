using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Life;

/// <summary>What status, metrics and the log tell of blobs that arrive, wait for their turn, and rest half-fetched.</summary>
public sealed class FetchesToldTests : IAsyncLifetime
{
    private const int Size = 1_000_000;
    private const int There = 500_000;
    private const int ThereOnDisk = 503_808;   // whole blocks

    private static readonly string[] OfFetches =
        ["entrepot_fetches_running", "entrepot_fetches_waiting", "entrepot_fetch_runs", "entrepot_fetch_size_bytes", "entrepot_fetch_arrived_bytes", "entrepot_followers"];

    private readonly TestRegistry _registry = new();
    private readonly LogLines _lines = new();
    private readonly Gate _gate = new(There);
    private Appliance _cache = null!;
    private TestBlob _blob = null!;

    public async Task InitializeAsync()
    {
        _cache = await Appliance.StartAsync(_registry, new Setup
        {
            Log = _lines.Log,
            Options = options => options with { Fetches = 1, ShutdownTimeout = TimeSpan.Zero },
        });
        _blob = _registry.Content.AddBlob(Size, seed: 700);
        _registry.On(Ask.Blob, Misbehave.Hold(_gate));
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task Metrics_WhileOneRunsAndOneWaits_AreExactAndReturnToZero()
    {
        var (clients, other) = await HoldAsync();

        var metrics = await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_fetches_waiting") == 1 && metrics.Sum("entrepot_fetch_arrived_bytes") == There);
        _gate.Open();
        foreach (var got in await Task.WhenAll(clients)) got.Is(_blob.Bytes);
        Assert.Equal(200, (await other).Status);

        Assert.Equal([1, 1, 1, Size, There, 3], OfFetches.Select(name => metrics.Sum(name)));
        await _cache.MetricsAsync(metrics => OfFetches.All(name => metrics.Sum(name) == 0));
    }

    [Fact]
    public async Task Status_WhileOneRunsAndOneWaits_TellsThemApart()
    {
        var (clients, other) = await HoldAsync();

        var told = (await ReportAsync())["fetches"]!.AsArray();
        var text = (await CommandLine.RunAsync(_cache.Admin, "status")).IsFine().Out;
        _gate.Open();
        await Task.WhenAll([.. clients, other]);

        Assert.Equal(["running", "waiting"], told.Select(fetch => (string)fetch!["state"]!));
        Assert.Equal((Size, There, 1, 3), ((int)told[0]!["size"]!, (int)told[0]!["arrived"]!, (int)told[0]!["runs"]!, (int)told[0]!["followers"]!));
        Assert.Equal((0, 0, 0, 0), ((int)told[1]!["arrived"]!, (int)told[1]!["rate"]!, (int)told[1]!["runs"]!, (int)told[1]!["followers"]!));
        Assert.Null(told[1]!["size"]);
        Assert.Contains("\nfetches: 1 running, 1 waiting for their turn (limits.fetches)\n", text);
        Assert.Matches($"  docker.io/org/app@{_blob.Digest.ToString()[..19]}  50 %  488.2 KiB of 976.5 KiB  .+/s  1 run  3 followers\n", text);
    }

    [Fact]
    public async Task Restart_InTheMiddle_TellsWhatRestsUntilItIsGoneOnWith()
    {
        var running = _cache.GetBlobAsync(_blob);
        await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_fetch_arrived_bytes") == There);
        var used = (await _cache.MetricsAsync()).Sum("entrepot_storage_reserved_bytes");

        await _cache.RestartAsync();
        Assert.False((await running).Clean);
        var rests = await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_storage_partial_bytes") > 0);
        var storage = (await ReportAsync())["storage"]!;
        var text = (await CommandLine.RunAsync(_cache.Admin, "status")).IsFine().Out;
        (await _cache.GetBlobAsync(_blob)).Is(_blob.Bytes);
        await _cache.StoredAsync(_blob.Digest);

        Assert.Equal((1, 0, 1003520), (ThereOnDisk / rests.Sum("entrepot_storage_partial_bytes"), rests.Sum("entrepot_storage_blobs"), used));
        Assert.True(rests.Sum("entrepot_storage_bytes") >= ThereOnDisk);
        Assert.Equal((0, 1, ThereOnDisk), ((int)storage["blobs"]!, (int)storage["partials"]!, (int)storage["partialBytes"]!));
        Assert.Contains(": 0 blobs and parts of 1 more (492 KiB), ", text);
        await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_storage_partial_bytes") == 0 && metrics.Sum("entrepot_storage_blobs") == 1);
        Assert.Contains($"Information: Fetch of docker.io/org/app@{_blob.Digest} stopped: {There} of {Size} bytes are kept for the next one", _lines.All);
        Assert.Contains($"Information: Goes on with the fetch of docker.io/org/app@{_blob.Digest}: {There} of {Size} bytes are there", _lines.All);
        Assert.DoesNotContain(_lines.All, line => line.StartsWith("Warning", StringComparison.Ordinal) && line.Contains("Fetch", StringComparison.Ordinal));
    }

    // Three clients of a blob that has come half-way, and one of another blob, whose fetch waits for its turn.
    private async Task<(IReadOnlyList<Task<Got>> Clients, Task<Got> Other)> HoldAsync()
    {
        List<Task<Got>> clients = [.. Enumerable.Range(0, 3).Select(_ => _cache.GetBlobAsync(_blob))];
        await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_followers") == 3 && metrics.Sum("entrepot_fetch_arrived_bytes") == There);
        var other = _cache.GetBlobAsync(_registry.Content.AddBlob(1000, seed: 701));
        await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_fetches_waiting") == 1);
        return (clients, other);
    }

    private async Task<JsonNode> ReportAsync()
    {
        var json = (await CommandLine.RunAsync(_cache.Admin, "status", "--output", "json")).IsFine().Out;
        await Schemas.CheckAsync("status", json);
        return JsonNode.Parse(json)!;
    }
}
