using System.Diagnostics;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Pull;

public sealed class ResumeTests
{

    private const int Size = 4_000_000;

    private static readonly TestBlob Blob = TestBlob.Random(Size, seed: 20);

    [Fact]
    public async Task ThreeCuts_InOneBlob_AreResumedAndNothingComesTwice()
    {
        await using var registry = NewRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        registry.On(Ask.Blob, Misbehave.Cut(1_000_000), times: 3);

        (await cache.GetBlobAsync(Blob)).Is(Blob.Bytes);

        Assert.Equal([null, "bytes=1000000-", "bytes=2000000-", "bytes=3000000-"], Ranges(registry));
        Assert.All(registry.Log.All.Where(Ask.Blob).Skip(1), request => Assert.Equal($"\"{Blob.Digest}\"", request.Header("If-Range")));
        Assert.Equal(Size, registry.BlobBytes);
        await cache.StoredAsync(Blob.Digest);
        cache.Store.Checked();
    }

    [Theory]
    [InlineData(429)]
    [InlineData(503)]
    public async Task LeaveMeAlone_OnResume_IsWaitedForAndTheBlobIsWhole(int status)
    {
        await using var registry = NewRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        registry.On(Ask.Blob, Misbehave.Cut(1_000_000)).On(Ask.Blob, Misbehave.Status(status, "Retry-After", "1"));
        var begin = Stopwatch.GetTimestamp();

        (await cache.GetBlobAsync(Blob)).Is(Blob.Bytes);

        Assert.True(Stopwatch.GetElapsedTime(begin) > TimeSpan.FromMilliseconds(900));
        Assert.Equal([null, "bytes=1000000-", "bytes=1000000-"], Ranges(registry));
    }

    [Fact]
    public async Task Reset_InTheBody_IsResumed()
    {
        await using var registry = NewRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        registry.On(Ask.Blob, Misbehave.Reset(1_000_000));

        (await cache.GetBlobAsync(Blob)).Is(Blob.Bytes);

        Assert.Equal(2, registry.BlobGets);
    }

    [Fact]
    public async Task Hang_InTheBody_IsResumed()
    {
        await using var registry = NewRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup { Times = Setup.Patient with { Stall = TimeSpan.FromSeconds(1) } });
        registry.On(Ask.Blob, Misbehave.HangAt(1_000_000));

        (await cache.GetBlobAsync(Blob)).Is(Blob.Bytes);

        Assert.Equal([null, "bytes=1000000-"], Ranges(registry));
    }

    [Fact]
    public async Task NoRangeSupport_AfterACut_StartsAgainAndIsRight()
    {
        await using var registry = NewRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        registry.HasRanges = false;
        registry.On(Ask.Blob, Misbehave.Cut(1_000_000));

        (await cache.GetBlobAsync(Blob)).Is(Blob.Bytes);

        Assert.Equal(2, registry.BlobGets);
        Assert.Equal(1_000_000 + Size, registry.BlobBytes);
    }

    [Fact]
    public async Task ChangedValidator_SameBytes_IsRight()
    {
        await using var registry = NewRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        registry.On(Ask.Blob, Misbehave.Cut(1_000_000)).On(Ask.Blob, Misbehave.Whole(Blob.Bytes, "\"other\""));

        (await cache.GetBlobAsync(Blob)).Is(Blob.Bytes);

        Assert.Equal(2, registry.BlobGets);
    }

    [Fact]
    public async Task WrongFirstHalf_ThenRightBytes_AbortsWhoHasTheWrongOnes()
    {
        await using var registry = NewRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        registry.On(Ask.Blob, Misbehave.All(Misbehave.FlipByte(10), Misbehave.Cut(1_000_000)))
            .On(Ask.Blob, Misbehave.Whole(Blob.Bytes, "\"other\""));

        var first = await cache.GetBlobAsync(Blob);
        await cache.IdleAsync();
        var later = await cache.GetBlobAsync(Blob);

        Assert.False(first.Clean);
        later.Is(Blob.Bytes);
        cache.Store.Checked();
    }

    [Fact]
    public async Task RightFirstHalf_ThenOtherBytes_AbortsAndKeepsNothing()
    {
        await using var registry = NewRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var other = TestBlob.Random(Size, seed: 21).Bytes;
        registry.On(Ask.Blob, Misbehave.Cut(1_000_000)).On(Ask.Blob, Misbehave.Whole(other, "\"other\""), TestRegistry.Always);

        var first = await cache.GetBlobAsync(Blob);
        Assert.False(first.Clean);
        Assert.Empty(cache.Store.Checked());

        await cache.IdleAsync();
        registry.Behave();
        (await cache.GetBlobAsync(Blob)).Is(Blob.Bytes);
    }

    [Theory]
    [InlineData("bytes 0-9/10")]
    [InlineData("bytes 999999-3999999/4000000")]
    [InlineData("bytes 1000000-3999999/5000000")]
    [InlineData("nonsense")]
    public async Task LyingContentRange_OnResume_IsNeverCleanlyWrong(string contentRange)
    {
        await using var registry = NewRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        registry.On(Ask.Blob, Misbehave.Cut(1_000_000)).On(Ask.Blob, Misbehave.Header("Content-Range", contentRange));

        var got = await cache.GetBlobAsync(Blob);

        if (got.Clean) got.Is(Blob.Bytes);
        await cache.IdleAsync();
        cache.Store.Checked();
        (await cache.GetBlobAsync(Blob)).Is(Blob.Bytes);
    }

    [Fact]
    public async Task NotSatisfiable_OnResume_IsNeverCleanlyWrong()
    {
        await using var registry = NewRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        registry.On(Ask.Blob, Misbehave.Cut(1_000_000))
            .On(Ask.Blob, Misbehave.Status(416, "Content-Range", "bytes */1000000"), TestRegistry.Always);

        Assert.False((await cache.GetBlobAsync(Blob)).Clean);

        await cache.IdleAsync();
        registry.Behave();
        (await cache.GetBlobAsync(Blob)).Is(Blob.Bytes);
    }

    [Fact]
    public async Task EveryConnection_IsCutAtOnce_EndsInFailure()
    {
        await using var registry = NewRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        registry.On(Ask.Blob, Misbehave.Cut(0), TestRegistry.Always);

        (await cache.GetBlobAsync(Blob)).IsFailure();
        Assert.InRange(registry.BlobGets, 1, 30);
        Assert.Empty(cache.Store.Checked());
    }

    // Four at once: the runtime resets where it closes a socket in the very moment in which another thread learns of its end, and the end has to be there before that.
    [Fact]
    public async Task Blob_ThatStaysCut_EndsAfterAllThatArrived() =>
        Assert.All(await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => EndOfCutBlobAsync())), end => Assert.IsType<EndOfStreamException>(end));

    // Reads only when it is over: a reset would have taken from the client what it had not read.
    private static async Task<Exception?> EndOfCutBlobAsync()
    {
        await using var registry = NewRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        registry.On(Ask.Blob, Misbehave.Cut(1_000_000)).On(Ask.Blob, Misbehave.Cut(0), TestRegistry.Always);
        using var client = await RawClient.ConnectAsync(cache.Url, receiveBuffer: 4 << 20);
        await client.SendAsync("GET", Appliance.PathOf(Blob.Digest));
        await cache.IdleAsync();

        var arrived = await client.ReadAsync(1_000_000);

        Assert.True(Blob.Bytes.AsSpan(0, 1_000_000).SequenceEqual(arrived));
        return await Record.ExceptionAsync(() => client.ReadAsync(1));
    }

    private static TestRegistry NewRegistry()
    {
        var registry = new TestRegistry();
        registry.Content.AddBlob(Blob);
        return registry;
    }

    private static IEnumerable<string?> Ranges(TestRegistry registry) =>
        registry.Log.All.Where(Ask.Blob).Select(request => request.Header("Range"));
}
