using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

/// <summary>How a fetch goes on when its upstream breaks, changes, or lies, and when its store fails.</summary>
public sealed class FetchRunTests : IAsyncLifetime
{
    private const int Size = 300_000;

    private readonly PullKit _kit = new();
    private readonly byte[] _content = Waiting.Bytes(Size);

    private Digest Digest => Digest.Of(_content);

    private ScriptedUpstream Upstream => _kit.Upstream;

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _kit.EndAsync();

    [Fact]
    public async Task Fill_ConnectionBreaks_GoesOnFromWhereItWasWithTheValidator()
    {
        Upstream.ThenBody(Size, "\"v1\"").Give(_content.AsMemory(0, 1000)).Break();
        Upstream.ThenBody(Size, "\"v1\"").Give(_content.AsMemory(1000, 1000)).Break();
        Upstream.ThenBody(Size, "\"v1\"").Give(_content.AsMemory(2000)).End();
        var blob = await _kit.FollowAsync(Digest);

        Assert.Equal(_content, await blob.ReadAsync());

        var asked = new[] { await Upstream.AskedAsync(), await Upstream.AskedAsync(), await Upstream.AskedAsync() };
        Assert.Equal([(0, null), (1000, "\"v1\""), (2000, "\"v1\"")], asked.Select(one => (one.Offset, one.Validator)));
        Assert.Equal(Size, _kit.Store.Written);
    }

    [Fact]
    public async Task Fill_UpstreamStaysDownAfterACut_GivesUpAfterGrowingPauses()
    {
        Upstream.ThenBody(Size).Give(_content.AsMemory(0, 1000)).Break();
        for (var i = 0; i < 10; i++) Upstream.Then(RegistryError.Down("scripted"));

        _kit.Fetches.Join(PullKit.Of(Digest), null, Upstream);
        var end = await _kit.EndOf(Digest);

        Assert.Equal((503, 1000, false), (end.Error!.Status, end.Bytes, end.StoreFailed));
        Assert.Equal(5, Upstream.Requests.Count);
        Assert.Equal([100, 200, 400, 800], _kit.Clock.Pauses.Select(pause => (int)pause.TotalMilliseconds));
    }

    [Theory]
    [InlineData(429)]
    [InlineData(503)]
    public async Task Fill_UpstreamSaysWhenAfterACut_IsAskedThenAndGoesOn(int status)
    {
        Upstream.ThenBody(Size).Give(_content.AsMemory(0, 1000)).Break();
        Upstream.Then(new RegistryError(status, "X", "scripted", RetryAfter: TimeSpan.FromSeconds(7)));
        Upstream.ThenBody(Size).Give(_content.AsMemory(1000)).End();

        Assert.Equal(_content, await (await _kit.FollowAsync(Digest)).ReadAsync());
        Assert.Equal([TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(7)], _kit.Clock.Pauses);
    }

    [Fact]
    public async Task Fill_CutBeforeTheFirstByteAndThenLimited_IsWaitedForToo()
    {
        Upstream.ThenBody(Size).Break();
        Upstream.Then(RegistryError.TooManyRequests(TimeSpan.FromSeconds(1)));
        Upstream.ThenBody(Size).Give(_content).End();

        Assert.Equal(_content, await (await _kit.FollowAsync(Digest)).ReadAsync());
    }

    [Fact]
    public async Task Fill_UpstreamSaysLaterThanIsWaitedFor_EndsAtOnce()
    {
        Upstream.ThenBody(Size).Give(_content.AsMemory(0, 1000)).Break();
        for (var i = 0; i < 10; i++) Upstream.Then(RegistryError.TooManyRequests(TimeSpan.FromSeconds(6)));

        _kit.Fetches.Join(PullKit.Of(Digest), null, Upstream);

        Assert.Equal(429, (await _kit.EndOf(Digest)).Error!.Status);
        Assert.Equal([0.1, 6, 6], _kit.Clock.Pauses.Select(pause => pause.TotalSeconds));
    }

    [Fact]
    public async Task Fill_UpstreamSaysLaterThanTheUsualStallTimeout_IsWaitedForWhereItsOwnIsLonger()
    {
        Upstream.Fetching = Upstream.Fetching with { StallTimeout = TimeSpan.FromSeconds(30) };
        Upstream.ThenBody(Size).Give(_content.AsMemory(0, 1000)).Break();
        Upstream.Then(RegistryError.TooManyRequests(TimeSpan.FromSeconds(29)));
        Upstream.ThenBody(Size).Give(_content.AsMemory(1000)).End();

        Assert.Equal(_content, await (await _kit.FollowAsync(Digest)).ReadAsync());
        Assert.Equal([0.1, 29], _kit.Clock.Pauses.Select(pause => pause.TotalSeconds));
    }

    [Fact]
    public async Task Fill_LimitedBeforeAnythingCame_IsToldAtOnce()
    {
        Upstream.Then(RegistryError.TooManyRequests(TimeSpan.FromSeconds(1)));

        _kit.Fetches.Join(PullKit.Of(Digest), null, Upstream);

        Assert.Equal(429, (await _kit.EndOf(Digest)).Error!.Status);
        Assert.Empty(_kit.Clock.Pauses);
    }

    [Fact]
    public async Task Fill_UpstreamSaysNoAfterACut_EndsAtOnce()
    {
        Upstream.ThenBody(Size).Give(_content.AsMemory(0, 1000)).Break();
        Upstream.Then(RegistryError.Denied);

        _kit.Fetches.Join(PullKit.Of(Digest), null, Upstream);

        Assert.Equal(403, (await _kit.EndOf(Digest)).Error!.Status);
        Assert.Equal(2, Upstream.Requests.Count);
    }

    [Fact]
    public async Task Fill_ManyCutsThatEachBringMuch_GoesOn()
    {
        for (var at = 0; at < Size; at += 70_000)
            Upstream.ThenBody(Size).Give(_content.AsMemory(at, Math.Min(70_000, Size - at))).Break();

        Assert.Equal(_content, await (await _kit.FollowAsync(Digest)).ReadAsync());
    }

    [Fact]
    public async Task Fill_UpstreamWithoutRanges_IsComparedAndNoByteIsWrittenTwice()
    {
        Upstream.ThenBody(Size).Give(_content.AsMemory(0, 200_000)).Break();
        var again = Upstream.ThenBody(Size, offset: 0);
        var blob = await _kit.FollowAsync(Digest);

        again.Give(_content.AsMemory(0, 150_000)).Give(_content.AsMemory(150_000)).End();

        Assert.Equal(_content, await blob.ReadAsync());
        Assert.Equal(Size, _kit.Store.Written);
        Assert.Equal(1, _kit.Store.Created);
    }

    [Fact]
    public async Task Fill_ComparisonIsCutShort_BytesBehindTheCutAreNotTrusted()
    {
        Upstream.ThenBody(Size).Give(_content.AsMemory(0, 200_000)).Break();
        Upstream.ThenBody(Size, offset: 0).Give(_content.AsMemory(0, 100_000)).Break();
        var third = Upstream.ThenBody(Size, offset: 0);
        var blob = await _kit.FollowAsync(Digest);

        var asked = new[] { await Upstream.AskedAsync(), await Upstream.AskedAsync(), await Upstream.AskedAsync() };
        Assert.Equal([0, 200_000, 0], asked.Select(one => one.Offset));
        third.Give(_content).End();

        Assert.Equal(_content, await blob.ReadAsync());
        Assert.Equal(Size, _kit.Store.Written);
    }

    // A reader so far ahead of a run has another one begun for him, usually.
    [Fact]
    public async Task Fill_AnotherPartThanAsked_IsComparedByOneRequestForAllWhoeverWaitsFarAhead()
    {
        const int far = 10 << 20;
        var content = Waiting.Bytes(far + 100_000);
        var size = content.Length;
        Upstream.Fetching = new() { ParallelRuns = 4 };
        var first = Upstream.ThenBody(size).Give(content.AsMemory(0, far));
        Upstream.ThenBody(size, offset: 5);
        Upstream.ThenBody(size, offset: 0).Give(content).End();
        await using var blob = await _kit.FollowAsync(Digest.Of(content));
        Assert.Equal(content[..far], await blob.ReadAsync(0, far));
        var rest = blob.ReadAsync(far);
        first.Break();

        Assert.Equal(content[far..], await rest);
        Assert.Equal(["GET blob 0-", $"GET blob {far}-", "GET blob 0-"], Upstream.Requests);
    }

    [Fact]
    public async Task Fill_BytesChanged_FailsWhoHasReadOnAndGivesTheOthersTheRightBytes()
    {
        var old = (byte[])_content.Clone();
        old[50_000] ^= 1;
        var first = Upstream.ThenBody(Size).Give(old.AsMemory(0, 100_000));
        var changed = Upstream.ThenBody(Size, offset: 0);
        var past = await _kit.FollowAsync(Digest);
        var before = await _kit.FollowAsync(Digest);

        Assert.Equal(old[..60_000], await past.ReadAsync(0, 60_000));
        Assert.Equal(old[..50_000], await before.ReadAsync(0, 50_000));
        first.Break();
        changed.Give(_content).End();

        await Assert.ThrowsAsync<FetchFailedException>(() => past.ReadAsync(60_000));
        Assert.Equal(_content[50_000..], await before.ReadAsync(50_000));
        await using (var late = (await _kit.BlobAsync(Digest)).Content!.Blob!) Assert.Equal(_content, await late.ReadAsync());   // followed, or stored by now
        Assert.Equal(2, _kit.Store.Created);
        await past.DisposeAsync();
        await before.DisposeAsync();
        await _kit.EndOf(Digest);
        Assert.Equal(0, _kit.Store.Partials);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    public async Task Fill_SizeChanged_FailsWhoWasToldTheOldOneAndServesTheNextAsItIs(int arrived)
    {
        var first = Upstream.ThenBody(Size + 5).Give(new byte[arrived]);
        var told = await _kit.FollowAsync(Digest);
        Upstream.ThenBody(Size, offset: 0).Give(_content).End();
        first.Break();

        await Assert.ThrowsAsync<FetchFailedException>(() => told.ReadAsync());
        Assert.Null((await _kit.EndOf(Digest)).Error);
        Assert.True(_kit.Store.Contains(Digest));
    }

    [Fact]
    public async Task Fill_ValidatorChangedOnTheRest_AsksForAllFromTheStart()
    {
        Upstream.ThenBody(Size, "\"v1\"").Give(_content.AsMemory(0, 1000)).Break();
        var rest = Upstream.ThenBody(Size, "\"v2\"");
        Upstream.ThenBody(Size, "\"v2\"").Give(_content).End();

        Assert.Equal(_content, await (await _kit.FollowAsync(Digest)).ReadAsync());

        await rest.Disposed.Soon();
        var asked = new[] { await Upstream.AskedAsync(), await Upstream.AskedAsync(), await Upstream.AskedAsync() };
        Assert.Equal([0, 1000, 0], asked.Select(one => one.Offset));
        Assert.Null(asked[2].Validator);
    }

    [Fact]
    public async Task Fill_OffsetThatWasNotAskedFor_IsNotUsed()
    {
        Upstream.ThenBody(Size).Give(_content.AsMemory(0, 1000)).Break();
        Upstream.ThenBody(Size, offset: 2000).Give(_content.AsMemory(2000)).End();
        Upstream.ThenBody(Size).Give(_content).End();

        Assert.Equal(_content, await (await _kit.FollowAsync(Digest)).ReadAsync());
    }

    [Fact]
    public async Task Fill_OffsetsAreAlwaysWrong_EndsInBadGateway()
    {
        for (var i = 0; i < 10; i++) Upstream.ThenBody(Size, offset: 7);

        _kit.Fetches.Join(PullKit.Of(Digest), null, Upstream);

        Assert.Equal(502, (await _kit.EndOf(Digest)).Error!.Status);
    }

    [Fact]
    public async Task Fill_BytesChangeAtEveryTry_Ends()
    {
        for (var i = 0; i < 20; i++) Upstream.ThenBody(Size, offset: 0).Give(Waiting.Bytes(150_000, seed: 100 + i)).Break();

        _kit.Fetches.Join(PullKit.Of(Digest), null, Upstream);

        Assert.NotNull((await _kit.EndOf(Digest)).Error);
        Assert.True(Upstream.Requests.Count < 20);
    }

    [Fact]
    public async Task Fill_SizeIsNotTold_IsKnownAtTheEnd()
    {
        var body = Upstream.ThenBody(null).Give(_content);
        var follow = _kit.Fetches.Join(PullKit.Of(Digest), null, Upstream).Fetch.FollowAsync(null, default);
        body.End();
        await follow.Soon();

        Assert.Null((await _kit.EndOf(Digest)).Error);
        Assert.True(_kit.Store.Contains(Digest));
    }

    [Fact]
    public async Task Fill_SizeToldLateIsBelowWhatHasArrived_BeginsAgain()
    {
        var shorter = _content[..1000];
        Upstream.ThenBody(null).Give(_content.AsMemory(0, 2000)).Break();
        Upstream.ThenBody(1000, offset: 0).Give(shorter).End();

        _kit.Fetches.Join(PullKit.Of(Digest.Of(shorter)), null, Upstream);

        Assert.Null((await _kit.EndOf(Digest.Of(shorter))).Error);
    }

    [Fact]
    public async Task Fill_MoreBytesThanAnnounced_AreLeftOut()
    {
        Upstream.ThenBody(Size).Give((byte[])[.. _content, 1, 2, 3]).End();

        Assert.Equal(_content, await (await _kit.FollowAsync(Digest)).ReadAsync());
        Assert.Equal(Size, _kit.Store.Written);
    }

    [Fact]
    public async Task Fill_AllBytesAreThereAndTheBodyDoesNotEnd_IsNotWaitedFor()
    {
        var body = Upstream.ThenBody(Size).Give(_content);

        Assert.Equal(_content, await (await _kit.FollowAsync(Digest)).ReadAsync());
        await body.Disposed.Soon();
    }

    [Fact]
    public async Task Fill_BodyFailsInAWayNobodyPromised_EndsLikeABrokenConnection()
    {
        Upstream.ThenBody(Size).Give(_content.AsMemory(0, 1000)).Break(new NotSupportedException("scripted"));
        Upstream.ThenBody(Size).Give(_content.AsMemory(1000)).End();

        Assert.Equal(_content, await (await _kit.FollowAsync(Digest)).ReadAsync());
    }

    [Fact]
    public async Task Fill_StoreRefusesToBegin_IsTheStoresFault()
    {
        _kit.Store.CreateFault = new IOException("no space left on device");

        var (fetch, _) = _kit.Fetches.Join(PullKit.Of(Digest), null, Upstream);

        Assert.Equal(FollowKind.StoreFailed, (await fetch.FollowAsync(null, default).Soon()).Kind);
        var end = await _kit.EndOf(Digest);
        Assert.True(end.StoreFailed);
        Assert.Same(_kit.Store.CreateFault, end.Fault);
        Assert.Empty(Upstream.Requests);
    }

    [Fact]
    public async Task Fill_StoreFailsMidway_FailsItsFollowersAndGivesTheConnectionBack()
    {
        (_kit.Store.WriteFault, _kit.Store.Room) = (new IOException("no space left on device"), 100_000);
        var body = Upstream.ThenBody(Size).Give(_content.AsMemory(0, 1000));
        var blob = await _kit.FollowAsync(Digest);
        Assert.Equal(_content[..1000], await blob.ReadAsync(0, 1000));

        body.Give(_content.AsMemory(1000));

        await Assert.ThrowsAsync<FetchFailedException>(() => blob.ReadAsync(1000));
        await body.Disposed.Soon();
        Assert.True((await _kit.EndOf(Digest)).StoreFailed);
    }

    [Fact]
    public async Task Commit_StoreFails_WhoFollowsGetsTheWholeVerifiedBlob()
    {
        _kit.Store.CommitFault = new IOException("no space left on device");
        var body = Upstream.ThenBody(Size);
        var blob = await _kit.FollowAsync(Digest);
        body.Give(_content).End();

        await _kit.EndOf(Digest);

        Assert.Equal(_content, await blob.ReadAsync());
        Assert.False(_kit.Store.Contains(Digest));
        await blob.DisposeAsync();
        Assert.Equal(0, _kit.Store.Partials);
    }
}
