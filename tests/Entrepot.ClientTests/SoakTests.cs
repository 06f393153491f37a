using System.Diagnostics;
using Entrepot.ClientTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Xunit.Abstractions;

namespace Entrepot.ClientTests;

/// <summary>
/// Two hundred clients read anything of twenty blobs while they arrive, their upstream's connections break, and the published program is restarted and
/// killed: every byte that a client gets is right, and hardly a byte is fetched twice.
/// </summary>
public sealed class SoakTests(ITestOutputHelper output)
{
    private const int LargeBlobs = 8;
    private const int LargeBytes = 40_000_000;   // from 32 MB on several runs fill a blob
    private const int SmallBlobs = 12;
    private const int SmallBytes = 16_000_000;
    private const int Restarts = 3;

    // Each connection's share, low enough that what is on its way when one breaks does not matter beside the blobs' sizes.
    private const int BytesPerSecond = 2_000_000;

    // What the program may not have noted of a blob when it is killed, by design: it notes what has arrived every 8 MiB, since each note waits for the
    // disk. That is more than a tenth of any of these blobs, so kills are counted in the bound; cuts and orderly restarts are not, and every other
    // wave has nothing else.
    private const long LostByKill = 8 << 20;

    private static readonly TimeSpan Least = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly Random _random = new(TestRun.Seed);

    [ClientFact]
    public async Task Restart_UnderTwoHundredReaders_ServesNothingWrongAndFetchesHardlyAByteTwice()
    {
        output.WriteLine($"CRASH_SEED={TestRun.Seed}");
        var soaked = Stopwatch.StartNew();
        for (var wave = 0; wave == 0 || soaked.Elapsed < Least || soaked.Elapsed < TestRun.Soak; wave++) await RunAsync(wave);
    }

    private async Task RunAsync(int wave)
    {
        await using var registry = new TestRegistry { BytesPerSecond = BytesPerSecond };
        var sizes = Enumerable.Repeat(LargeBytes, LargeBlobs).Concat(Enumerable.Repeat(SmallBytes, SmallBlobs));
        var blobs = sizes.Select(size => registry.Content.AddBlob(size, _random.Next())).ToList();
        registry.On(Ask.Blob, CutSometimes(new Random(_random.Next())), TestRegistry.Always);

        var folder = Directory.CreateTempSubdirectory("entrepot-");
        try
        {
            var log = Path.Combine(TestRun.LogFolder(nameof(SoakTests)), "entrepot.log");
            await using var entrepot = await PublishedEntrepot.StartAsync(folder.FullName, log, registry.Url, "unlimited", "80%");
            var readers = new RandomReaders(entrepot.Address, blobs);
            var killed = blobs.ToDictionary(blob => blob, _ => 0);
            var kill = wave % 2 == 0 ? 0 : _random.Next(Restarts) + 1;
            for (var restart = 1; restart <= Restarts; restart++) await ReadAndRestartAsync(restart, restart == kill, registry, entrepot, readers, killed);
            await readers.RunAsync(_random, SentAsync(registry, blobs, 0.98), () => Task.CompletedTask);
            await AssertEndAsync(wave, registry, entrepot, readers, killed);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private async Task ReadAndRestartAsync(
        int restart, bool kills, TestRegistry registry, PublishedEntrepot entrepot, RandomReaders readers, Dictionary<TestBlob, int> killed)
    {
        var sent = (restart - _random.NextDouble()) / (Restarts + 1);
        await readers.RunAsync(_random, SentAsync(registry, [.. killed.Keys], sent), kills ? entrepot.KillAsync : entrepot.StopAsync);
        Assert.Empty(readers.Wrong);
        var stored = StoredBlobs.Verify(entrepot.BlobFolder);
        if (kills)
        {
            foreach (var blob in killed.Keys.Where(blob => !stored.Contains(blob.Digest.ToString()) && registry.Traffic(blob).Bytes > 0)) killed[blob]++;
        }

        await entrepot.StartAsync();
    }

    private async Task AssertEndAsync(int wave, TestRegistry registry, PublishedEntrepot entrepot, RandomReaders readers, Dictionary<TestBlob, int> killed)
    {
        Assert.Empty(readers.Wrong);
        await Task.WhenAll(killed.Keys.Select(readers.ReadWholeAsync));
        foreach (var blob in killed.Keys) Assert.Equal("Entrepot; hit", await readers.ReadWholeAsync(blob));
        await entrepot.StopAsync();
        Assert.Equal(killed.Keys.Select(blob => blob.Digest.ToString()).ToHashSet(), StoredBlobs.Verify(entrepot.BlobFolder));

        var total = killed.Keys.Sum(blob => registry.Traffic(blob).Bytes);
        output.WriteLine(
            $"wave {wave}: {readers.Answers} answers, {registry.BlobGets} upstream requests, {total / (double)killed.Keys.Sum(blob => (long)blob.Size):0.000} of the bytes fetched, "
            + string.Join(' ', killed.Select(one => $"{registry.Traffic(one.Key).Bytes / (double)one.Key.Size:0.000}/{one.Value}")));
        foreach (var (blob, kills) in killed)
        {
            var sent = registry.Traffic(blob).Bytes;
            Assert.True(sent <= 1.1 * blob.Size + kills * LostByKill, $"{sent} bytes were fetched of a blob of {blob.Size}, while it was killed {kills} times");
        }
    }

    private static Behaviour CutSometimes(Random random) => (_, right) =>
    {
        lock (random)
        {
            if (random.Next(4) > 0) return right;
            return right with { EndsAfter = random.Next(1 << 20, 8 << 20), Ending = random.Next(2) == 0 ? Ending.Close : Ending.Reset };
        }
    };

    // Progress, not time, decides, so that slow machines restart in the middle of things too.
    private static async Task SentAsync(TestRegistry registry, IReadOnlyList<TestBlob> blobs, double share)
    {
        var wanted = (long)(share * blobs.Sum(blob => (long)blob.Size));
        var began = Stopwatch.StartNew();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (registry.BlobBytes < wanted && await timer.WaitForNextTickAsync())
        {
            if (began.Elapsed > Patience) throw new TimeoutException($"{registry.BlobBytes} of {wanted} bytes were asked for");
        }
    }
}
