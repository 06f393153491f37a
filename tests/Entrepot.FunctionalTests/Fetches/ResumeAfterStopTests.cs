using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Fetches;

/// <summary>A blob whose fetch was ended by the end of the process, gone on with by the next one.</summary>
public sealed class ResumeAfterStopTests : FetchTest
{
    private const int Size = 40_000_000;
    private const int Arrived = 24_000_000;

    // One run, held where the process ends.
    private static readonly Setup OneRun = new() { Upstream = options => options with { Fetching = options.Fetching with { ParallelRuns = 1 } } };

    [Theory]
    [InlineData(24_000_000)]
    [InlineData(10_000_000, 20_000_000)]
    public async Task Stop_OneRun_IsGoneOnWith(params int[] stops)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, OneRun);
        var blob = registry.Content.AddBlob(Size, seed: 40);
        foreach (var stop in stops) await StopAtAsync(cache, registry, blob, stop);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.Equal((Size, 1), (registry.Traffic(blob).Distinct, registry.Traffic(blob).MostTimes));
        Assert.Equal(1 + stops.Length, registry.BlobGets);
        await cache.StoredAsync(blob.Digest);
        cache.Store.Checked();
        await AssertNothingIsLeftAsync(cache);
    }

    [Fact]
    public async Task Stop_SeveralRuns_IsGoneOnWith()
    {
        await using var registry = new TestRegistry { BytesPerSecond = 6_000_000 };
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(60_000_000, seed: 41);
        using (var client = await RawClient.ConnectAsync(cache.Url))
        {
            await client.SendAsync("GET", Appliance.PathOf(blob.Digest));
            await ArrivedAsync(cache, Arrived);
        }

        await cache.RestartAsync();
        var before = registry.Traffic(blob).Distinct;
        registry.BytesPerSecond = null;
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.InRange(before, Arrived, 50_000_000);
        Assert.InRange(registry.Traffic(blob).Bytes, blob.Size, blob.Size * 11L / 10);
        await cache.StoredAsync(blob.Digest);
        cache.Store.Checked();
    }

    [Fact]
    public async Task Crash_WithARecordOfTheExtents_IsGoneOnWith()
    {
        await using var registry = new TestRegistry { BytesPerSecond = 12_000_000 };   // so that it takes longer than what a crash may cost
        var blob = registry.Content.AddBlob(Size, seed: 42);
        var gate = new Gate(Arrived);
        registry.On(Ask.Blob, Misbehave.Hold(gate));
        await using var cache = await Appliance.StartAsync(registry, OneRun);
        await using var client = await cache.OpenAsync(Appliance.PathOf(blob.Digest));
        await ArrivedAsync(cache, Arrived);
        await Appliance.UntilAsync(() => Task.FromResult(File.Exists(PartialOf(cache, blob.Digest) + ".extents")), () => "no record is written");

        await using var crashed = await CrashedAsync(cache, registry);
        (await crashed.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.InRange(registry.Log.All.Last(Ask.Blob).Offset, 8_000_000, Arrived);
        crashed.Store.Checked();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ChangedValidator_AfterARestart_IsRight(bool sameBytes)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, OneRun);
        var blob = TestBlob.Random(Size, seed: 43);
        var first = sameBytes ? blob.Bytes : [.. blob.Bytes.Select((value, at) => at == 5_000_000 ? (byte)(value ^ 1) : value)];
        registry.Content.AddBlob(blob with { Bytes = first });
        await StopAtAsync(cache, registry, blob);
        registry.On(Ask.Blob, Misbehave.Changed(blob.Bytes, "\"other\""), TestRegistry.Always);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        await cache.StoredAsync(blob.Digest);
        cache.Store.Checked();
        await AssertNothingIsLeftAsync(cache);
    }

    [Theory]
    [InlineData("short")]
    [InlineData("torn")]
    [InlineData("empty")]
    [InlineData("wrong")]
    public async Task Leftover_ThatDoesNotFitItsRecord_BeginsAgainAndIsRight(string damage)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, OneRun);
        var blob = registry.Content.AddBlob(Size, seed: 44);
        await StopAtAsync(cache, registry, blob);
        await cache.StopAsync();
        Damage(PartialOf(cache, blob.Digest), damage);
        await cache.StartAgainAsync();

        // Bytes that the disk has spoilt are noticed when all have been looked at, which for who has read them is too late.
        var got = await cache.GetBlobAsync(blob);
        if (damage == "wrong") got.IsFailureOr(blob.Bytes);
        else got.Is(blob.Bytes);
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        await cache.StoredAsync(blob.Digest);
        cache.Store.Checked();
        await AssertNothingIsLeftAsync(cache);
    }

    [Fact]
    public async Task Leftover_NobodyWantedForLong_IsRemoved()
    {
        var clock = new ShiftedClock();
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, OneRun with { Clock = clock });
        var blob = registry.Content.AddBlob(Size, seed: 45);
        await StopAtAsync(cache, registry, blob);
        Assert.True(File.Exists(PartialOf(cache, blob.Digest)));

        clock.Advance(TimeSpan.FromHours(25));
        var metrics = await cache.MetricsAsync(metrics => metrics.Sum("entrepot_evictions_total", "reason=\"expired\"") > 0);

        Assert.InRange(metrics.Sum("entrepot_evicted_bytes_total", "reason=\"expired\""), Arrived / 2, Size);
        Assert.InRange(metrics.Sum("entrepot_storage_bytes"), 0, 2_000_000);   // what the directories take
        Assert.Equal(0, metrics.Sum("entrepot_storage_reserved_bytes"));
        Assert.Empty(PartialsOf(cache));
    }

    // Ends the process when so many more bytes of a blob have been sent, and starts the next one.
    private static async Task StopAtAsync(Appliance cache, TestRegistry registry, TestBlob blob, int count = Arrived)
    {
        var before = registry.Traffic(blob).Distinct;
        registry.On(Ask.Blob, Misbehave.Hold(new Gate(count)));
        using (var client = await RawClient.ConnectAsync(cache.Url))
        {
            await client.SendAsync("GET", Appliance.PathOf(blob.Digest));
            await ArrivedAsync(cache, before + count);
        }

        await cache.RestartAsync();
    }

    private static void Damage(string partial, string how)
    {
        var record = partial + ".extents";
        switch (how)
        {
            case "short":
                using (var file = File.OpenWrite(partial)) file.SetLength(1_000_000);
                break;
            case "torn":
                File.WriteAllBytes(record, File.ReadAllBytes(record)[..^3]);
                break;
            case "empty":
                File.WriteAllBytes(record, []);
                break;
            case "wrong":
                using (var file = File.OpenWrite(partial)) file.Write(new byte[100_000]);
                break;
        }
    }

    // The files as they are at this moment, under another process.
    private static async Task<Appliance> CrashedAsync(Appliance cache, TestRegistry registry)
    {
        var copy = await Appliance.StartAsync(registry, OneRun);
        await copy.StopAsync();

        // The record first, as it is never ahead of what it tells of.
        foreach (var file in PartialsOf(cache).OrderByDescending(file => file.EndsWith(".extents", StringComparison.Ordinal)))
            File.Copy(file, Path.Combine(copy.Options.StorageRoot, "partial", Path.GetFileName(file)));
        await copy.StartAgainAsync();
        return copy;
    }

    private static async Task AssertNothingIsLeftAsync(Appliance cache)
    {
        await cache.IdleAsync();
        Assert.Empty(PartialsOf(cache));
        Assert.Equal(0, (await cache.MetricsAsync()).Sum("entrepot_storage_reserved_bytes"));
    }
}
