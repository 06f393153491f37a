using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Fetches;

/// <summary>Fetches that wait for one another.</summary>
public sealed class LimitTests : FetchTest
{
    [Fact]
    public async Task OneFetchAtATime_OthersWaitAndAreServedInOrder()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, OneFetch);
        TestBlob[] blobs = [.. Enumerable.Range(60, 4).Select(seed => registry.Content.AddBlob(1_000_000, seed))];
        var gate = new Gate(1000);
        registry.On(Ask.Blob, Misbehave.Hold(gate));

        var asked = new List<Task<Got>>();
        foreach (var blob in blobs)
        {
            asked.Add(cache.GetBlobAsync(blob));
            await cache.MetricsAsync(metrics => metrics.Sum("entrepot_fetches_running") + metrics.Sum("entrepot_fetches_waiting") == asked.Count);
        }

        Assert.Equal(1, registry.BlobGets);
        await cache.MetricsAsync(metrics => metrics.Sum("entrepot_fetches_running") == 1);
        gate.Open();
        foreach (var (got, blob) in (await Task.WhenAll(asked)).Zip(blobs)) got.Is(blob.Bytes);
        Assert.Equal(blobs.Select(blob => blob.Digest.ToString()), registry.Log.All.Where(Ask.Blob).Select(request => request.Target));
    }

    [Fact]
    public async Task Stop_WhileAFetchWaitsForItsPlace_EndsBoth()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, OneFetch);
        TestBlob[] blobs = [registry.Content.AddBlob(1_000_000, seed: 64), registry.Content.AddBlob(1_000_000, seed: 65)];
        registry.On(Ask.Blob, Misbehave.HangAt(1000));
        using var leaving = new CancellationTokenSource();
        var asked = blobs.Select(blob => cache.Client.GetAsync(new Uri(cache.Url, Appliance.PathOf(blob.Digest)), leaving.Token)).ToList();
        await cache.MetricsAsync(metrics => metrics.Sum("entrepot_fetches_waiting") == 1);
        await leaving.CancelAsync();

        await cache.RestartAsync();

        foreach (var one in asked) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => one);
        foreach (var blob in blobs) (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
    }

    [Fact]
    public async Task Bandwidth_ForegroundReader_GoesBeforeWhatNobodyReads()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup { Upstream = options => options with { Bandwidth = 4_000_000 } });
        var large = registry.Content.AddBlob(30_000_000, seed: 66);
        var small = registry.Content.AddBlob(4_000_000, seed: 67);
        await LeaveEarlyAsync(cache, large, 1000, 1000);

        (await cache.GetBlobAsync(small)).Is(small.Bytes);

        // Half and half would have brought as much of both.
        Assert.InRange(registry.Traffic(large).Distinct, 1000, 20_000_000);
        Assert.False(cache.Store.Has(large.Digest));
    }

    private static Setup OneFetch { get; } = new() { Options = options => options with { Fetches = 1 } };
}
