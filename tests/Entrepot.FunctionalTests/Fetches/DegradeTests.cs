using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Pull;

namespace Entrepot.FunctionalTests.Fetches;

/// <summary>Upstreams that cannot do ranges, or lie about them: what comes is right, or a clear failure.</summary>
public sealed class DegradeTests : FetchTest
{
    private const int Size = 40_000_000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task NoRanges_WholeAndPart_AreRightByOneRequest(bool chunked)
    {
        await using var registry = new TestRegistry { HasRanges = false };
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 50);
        if (chunked) registry.On(Ask.Blob, Misbehave.Chunked(), TestRegistry.Always);

        var part = RangeAsync(cache, blob, "30000000-30000999");
        await registry.Log.WaitAsync(Ask.Blob, 1);   // only a request with a range tells that there are none
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
        IsPart(await part, blob, 30_000_000, 30_001_000);

        await cache.StoredAsync(blob.Digest);
        Assert.Equal((Size, 1), (registry.Traffic(blob).Distinct, registry.Traffic(blob).MostTimes));
    }

    [Fact]
    public async Task NoRanges_FillTouched_IsRight()
    {
        await using var registry = new TestRegistry { HasRanges = false };
        await using var cache = await Appliance.StartAsync(registry, Touched);
        var blob = registry.Content.AddBlob(2_000_000, seed: 51);

        IsPart(await RangeAsync(cache, blob, "1000000-1000999"), blob, 1_000_000, 1_001_000);
        IsPart(await RangeAsync(cache, blob, "0-1"), blob, 0, 2);
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task AnotherPartThanAsked_OfAnyRun_IsRightInTheEnd(int after)
    {
        await using var registry = new TestRegistry { BytesPerSecond = 40_000_000 };
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 52);
        registry.On(Ask.Blob, Misbehave.Part(1_000, 20_000_000), after: after);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task LyingContentRange_WithBytesOfSomewhereElse_IsRightOrAFailure(int after)
    {
        await using var registry = new TestRegistry { BytesPerSecond = 40_000_000 };
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 53);
        registry.On(Ask.Blob, (_, right) => right with { Body = blob.Bytes.AsMemory(5_000, right.Body.Length) }, after: after);

        (await cache.GetBlobAsync(blob)).IsFailureOr(blob.Bytes);

        await cache.IdleAsync();
        cache.Store.Checked();
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
    }

    [Theory]
    [InlineData("bytes 0-9/*")]
    [InlineData("bytes 0-33554431/*")]
    [InlineData("bytes */40000000")]
    [InlineData("nonsense")]
    public async Task UnusableContentRange_Always_IsRight(string range)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 54);
        registry.On(request => Ask.Blob(request) && request.Header("Range") is not null, Misbehave.Header("Content-Range", range), TestRegistry.Always);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
    }

    [Fact]
    public async Task NotSatisfiable_OnEveryLaterRange_IsRight()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 55);
        registry.On(Ask.Blob, Misbehave.Cut(1_000_000));
        registry.On(request => Ask.Blob(request) && request.Header("Range") is not null, Misbehave.Status(416), TestRegistry.Always);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ValidatorChanged_InTheMiddleOfParallelRuns_IsRightOrAFailure(bool sameBytes)
    {
        await using var registry = new TestRegistry { BytesPerSecond = 20_000_000 };
        await using var cache = await Appliance.StartAsync(registry);
        var right = TestBlob.Random(Size, seed: 56);
        registry.Content.AddBlob(sameBytes ? right : Wrong(right, 3_000_000));
        registry.On(Ask.Blob, Misbehave.Changed(right.Bytes, "\"other\""), TestRegistry.Always, after: 2);

        (await cache.GetBlobAsync(right)).IsFailureOr(right.Bytes);

        await cache.IdleAsync();
        (await cache.GetBlobAsync(right)).Is(right.Bytes);
        cache.Store.Checked();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task BytesChanged_ForOneOfSeveralRuns_IsRightOrAFailure(int after)
    {
        await using var registry = new TestRegistry { BytesPerSecond = 20_000_000 };
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 57);
        registry.On(Ask.Blob, Misbehave.FlipByte(100_000), after: after);

        (await cache.GetBlobAsync(blob)).IsFailureOr(blob.Bytes);

        await cache.IdleAsync();
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
        cache.Store.Checked();
        Assert.Equal(0, (await cache.MetricsAsync()).Sum("entrepot_storage_reserved_bytes"));
    }

    [Fact]
    public async Task BytesChanged_BetweenGenerations_OnlyReadersPastTheDifferenceAreAborted()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup
        {
            Upstream = options => options with { Fetching = new FetchRules { ParallelRuns = 1 } },
        });
        var right = TestBlob.Random(Size, seed: 58);
        registry.Content.AddBlob(Wrong(right, 2_000_000));
        var gate = new Gate(10_000_000);
        registry.On(Ask.Blob, Misbehave.All(Misbehave.Hold(gate), Misbehave.Cut(10_000_001)));
        registry.On(Ask.Blob, Misbehave.Changed(right.Bytes, "\"other\""), TestRegistry.Always);
        using var past = await RawClient.ConnectAsync(cache.Url, receiveBuffer: 4096);
        using var before = await RawClient.ConnectAsync(cache.Url, receiveBuffer: 4096);
        await past.SendAsync("GET", Appliance.PathOf(right.Digest));
        await before.SendAsync("GET", Appliance.PathOf(right.Digest), ("Range", "bytes=1000-1999999"));
        await past.ReadAsync(9_000_000);
        var start = await before.ReadAsync(1_000);

        gate.Open();

        var (rest, clean) = await before.ReadRestAsync(already: 1_000);
        Assert.True(clean);
        Assert.True(right.Bytes.AsSpan(1_000, 1_999_000).SequenceEqual((byte[])[.. start, .. rest]));
        Assert.False((await past.ReadRestAsync(already: 9_000_000)).Clean);
        (await cache.GetBlobAsync(right)).Is(right.Bytes);
        cache.Store.Checked();
    }

    private static TestBlob Wrong(TestBlob right, int offset) =>
        right with { Bytes = [.. right.Bytes.Select((value, at) => at == offset ? (byte)(value ^ 1) : value)] };
}
