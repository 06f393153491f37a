using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

/// <summary>One fetch as its followers see it, the upstream driven by hand.</summary>
public sealed class FetchTests : IAsyncLifetime
{
    private const int Tail = (int)FetchPlan.HeldTail;

    private readonly PullKit _kit = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _kit.EndAsync();

    [Fact]
    public async Task Join_ManyAtOnce_OpenOneUpstreamRequest()
    {
        var content = Waiting.Bytes(3 * Tail);
        var body = _kit.Upstream.ThenBody(content.Length);
        var digest = Digest.Of(content);

        var joined = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() => _kit.FollowAsync(digest)))).Soon();
        body.Give(content).End();
        var received = await Task.WhenAll(joined.Select(blob => blob.ReadAsync())).Soon();

        Assert.All(received, bytes => Assert.Equal(content, bytes));
        Assert.Single(_kit.Upstream.Requests);
        Assert.Equal(content.Length, _kit.Store.Written);
    }

    [Fact]
    public async Task Read_BytesHaveArrived_GivesThemBeforeTheRest()
    {
        var content = Waiting.Bytes(3 * Tail);
        var body = _kit.Upstream.ThenBody(content.Length).Give(content.AsMemory(0, 1000));
        var blob = await _kit.FollowAsync(Digest.Of(content));

        Assert.Equal(content[..1000], await blob.ReadAsync(0, 1000));
        var waiting = blob.ReadAsync(new byte[10], 1000, default);
        Assert.False(waiting.IsCompleted);
        body.Give(content.AsMemory(1000, 10));
        Assert.Equal(10, await waiting.Soon());
    }

    [Fact]
    public async Task Read_WholeBlob_HoldsTheTailUntilItIsVerified()
    {
        var content = Waiting.Bytes(3 * Tail);
        var body = _kit.Upstream.ThenBody(content.Length).Give(content.AsMemory(0, content.Length - 1));
        var blob = await _kit.FollowAsync(Digest.Of(content));

        await blob.ReadAsync(0, content.Length - Tail);
        var tail = blob.ReadAsync(new byte[Tail], content.Length - Tail, default);
        var unheld = await _kit.FollowAsync(Digest.Of(content), new RangeRequest(1, null));
        Assert.Equal(content[^100..^1], await unheld.ReadAsync(content.Length - 100, 99));   // so they have arrived

        Assert.False(tail.IsCompleted);
        body.Give(content.AsMemory(content.Length - 1));
        Assert.Equal(Tail, await tail.Soon());
    }

    [Fact]
    public async Task Read_TailOfWrongBytes_IsNeverGiven()
    {
        var content = Waiting.Bytes(3 * Tail);
        var digest = Digest.Of(content);
        content[7] ^= 1;
        var body = _kit.Upstream.ThenBody(content.Length).Give(content.AsMemory(0, content.Length - 1));
        _kit.Upstream.ThenBody(content.Length).Give(content).End();
        var blob = await _kit.FollowAsync(digest);

        await blob.ReadAsync(0, content.Length - Tail);
        body.Give(content.AsMemory(content.Length - 1)).End();
        var failure = await Assert.ThrowsAsync<FetchFailedException>(() => blob.ReadAsync(new byte[1], content.Length - Tail, default).Soon());

        Assert.Equal(502, failure.Error.Status);
        Assert.Equal(2, _kit.Upstream.Requests.Count);   // spoilt on the way is worth one more look
        await EndedAsync(digest);
        Assert.Equal(2, _kit.Fetches.VerifyFailures);
        Assert.False(_kit.Store.Contains(digest));
    }

    [Fact]
    public async Task Verify_BytesSpoiltOnceOnTheWay_AreRightAtTheSecondLook()
    {
        var content = Waiting.Bytes(3 * Tail);
        var spoilt = (byte[])content.Clone();
        spoilt[^1] ^= 1;
        _kit.Upstream.ThenBody(content.Length).Give(spoilt).End();
        _kit.Upstream.ThenBody(content.Length).Give(content).End();

        var blob = await _kit.FollowAsync(Digest.Of(content));

        Assert.Equal(content, await blob.ReadAsync());
        await EndedAsync(Digest.Of(content));
        Assert.Equal(1, _kit.Fetches.VerifyFailures);
        Assert.True(_kit.Store.Contains(Digest.Of(content)));
    }

    [Fact]
    public async Task Follow_EmptyBlob_WaitsForVerification()
    {
        var right = _kit.Upstream.ThenBody(0);
        var follow = _kit.Fetches.Join(PullKit.Of(Digest.Of([])), null, _kit.Upstream).Fetch.FollowAsync(null, default);
        right.End();
        var result = await follow.Soon();
        Assert.True(result.Kind is FollowKind.Stored || await result.Blob!.ReadAsync() is []);

        var notEmpty = PullKit.Of(Digest.Of("something"u8));
        var gate = new TaskCompletionSource<Answer<UpstreamBlob>>();
        _kit.Upstream.ThenBody(0).End();
        _kit.Upstream.Then((_, _) => gate.Task);
        var (fetch, _) = _kit.Fetches.Join(notEmpty, null, _kit.Upstream);
        while ((await _kit.Upstream.AskedAsync()).Reference != notEmpty) { }
        await _kit.Upstream.AskedAsync();   // the second look, so the size is known
        var waiting = fetch.FollowAsync(null, default);
        Assert.False(waiting.IsCompleted);
        gate.SetResult(new UpstreamBlob { Content = Stream.Null, Offset = 0, Size = 0 });
        var refused = await waiting.Soon();
        Assert.Equal((FollowKind.Failed, 502), (refused.Kind, refused.Error!.Status));
    }

    [Fact]
    public async Task Read_CancelledByItsFollower_EndsOnlyItsOwnWait()
    {
        var content = Waiting.Bytes(3 * Tail);
        var body = _kit.Upstream.ThenBody(content.Length);
        var leaver = await _kit.FollowAsync(Digest.Of(content));
        var other = await _kit.FollowAsync(Digest.Of(content));
        using var cancel = new CancellationTokenSource();

        var read = leaver.ReadAsync(new byte[10], 0, cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read.Soon());
        await leaver.DisposeAsync();
        body.Give(content).End();

        Assert.Equal(content, await other.ReadAsync());
        Assert.Null((await EndedAsync(Digest.Of(content))).Error);
    }

    [Fact]
    public async Task Leave_LastFollowerGoesFirst_FetchIsKeptAllTheSame()
    {
        var content = Waiting.Bytes(3 * Tail);
        var body = _kit.Upstream.ThenBody(content.Length);
        var blob = await _kit.FollowAsync(Digest.Of(content));
        var fetch = _kit.Fetches.Find(Digest.Of(content))!;

        await blob.DisposeAsync();
        Assert.Equal(0, fetch.Followers);
        body.Give(content).End();

        await EndedAsync(Digest.Of(content));
        Assert.True(_kit.Store.Contains(Digest.Of(content)));
        Assert.Equal(0, _kit.Store.Partials);
    }

    [Fact]
    public async Task Read_FetchFailsMidway_FailsAndNeverEndsEarly()
    {
        var content = Waiting.Bytes(3 * Tail);
        _kit.Upstream.ThenBody(content.Length).Give(content.AsMemory(0, 1000)).Break();
        for (var i = 0; i < 10; i++) _kit.Upstream.Then(RegistryError.Down("scripted"));
        var blob = await _kit.FollowAsync(Digest.Of(content));

        var failure = await Assert.ThrowsAsync<FetchFailedException>(() => blob.ReadAsync());

        Assert.Equal(503, failure.Error.Status);
        await blob.DisposeAsync();
        await EndedAsync(Digest.Of(content));
        Assert.Equal(0, _kit.Store.Partials);
        Assert.Equal(0, _kit.Fetches.VerifyFailures);
    }

    [Fact]
    public async Task Find_FetchHasEnded_NothingRuns()
    {
        var content = Waiting.Bytes(1000);
        var body = _kit.Upstream.ThenBody(content.Length);
        var (fetch, started) = _kit.Fetches.Join(PullKit.Of(Digest.Of(content)), null, _kit.Upstream);
        Assert.True(started);
        Assert.Equal(1, _kit.Fetches.Count);
        Assert.Same(fetch, _kit.Fetches.Find(Digest.Of(content)));

        body.Give(content).End();
        await EndedAsync(Digest.Of(content));

        Assert.Equal(0, _kit.Fetches.Count);
        Assert.True(fetch.IsVerified);
        Assert.Equal(FollowKind.Stored, (await fetch.FollowAsync(null, default).Soon()).Kind);
    }

    [Fact]
    public async Task Join_BlobCameIntoTheStoreMeanwhile_IsNotFetchedAgain()
    {
        var digest = _kit.Store.Put(Waiting.Bytes(1000));

        var (fetch, _) = _kit.Fetches.Join(PullKit.Of(digest), null, _kit.Upstream);

        Assert.Equal(FollowKind.Stored, (await fetch.FollowAsync(null, default).Soon()).Kind);
        Assert.Empty(_kit.Upstream.Requests);
    }

    [Fact]
    public async Task DisposeAsync_AllBytesAreThereAndNotVerified_AreGoneOnWithByTheNextOne()
    {
        var kit = new PullKit();
        var content = Waiting.Bytes(3 * Tail);
        kit.Store.Hash = new TaskCompletionSource().Task;
        kit.Upstream.ThenBody(content.Length).Give(content).End();
        var blob = await kit.FollowAsync(Digest.Of(content));
        await blob.ReadAsync(0, content.Length - Tail);

        // A part does not wait for verification.
        await using var rest = (await kit.Fetches.Find(Digest.Of(content))!.FollowAsync(new RangeRequest(1, null), default).Soon()).Blob!;
        await rest.ReadAsync(1, content.Length - 1);

        await kit.Fetches.DisposeAsync().Soon();
        await blob.DisposeAsync();
        await rest.DisposeAsync();

        Assert.Equal(content.Length, kit.Store.Resting[Digest.Of(content)].State.Written.Total);
        Assert.Equal(0, kit.Store.Partials);
    }

    [Fact]
    public async Task DisposeAsync_AReaderOfAPartStands_Ends()
    {
        var kit = new PullKit();
        var content = Waiting.Bytes(3 * Tail);
        kit.Upstream.Fetching = new FetchRules { ParallelRuns = 1, Fill = FillMode.Touched };
        kit.Upstream.ThenBody(content.Length).Give(content).End();
        await using var blob = await kit.FollowAsync(Digest.Of(content), new RangeRequest(0, 9));
        await blob.ReadAsync(0, 10);

        await kit.Fetches.DisposeAsync().Soon();
    }

    [Fact]
    public async Task DisposeAsync_FetchesRun_EndsThemAndItsFollowers()
    {
        var kit = new PullKit();
        var content = Waiting.Bytes(3 * Tail);
        var body = kit.Upstream.ThenBody(content.Length).Give(content.AsMemory(0, 10));
        kit.Upstream.Then(async (_, cancel) =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
            return RegistryError.Down("not reached");
        });
        var blob = await kit.FollowAsync(Digest.Of(content));
        var (opening, _) = kit.Fetches.Join(PullKit.Of(Digest.Of("other"u8)), null, kit.Upstream);
        var read = blob.ReadAsync(new byte[10], 10, default);

        await kit.Fetches.DisposeAsync().Soon();

        await Assert.ThrowsAsync<FetchFailedException>(() => read.Soon());
        Assert.Equal(503, (await opening.FollowAsync(null, default).Soon()).Error!.Status);
        await body.Disposed.Soon();
        Assert.Throws<ObjectDisposedException>(() => kit.Fetches.Join(PullKit.Of(Digest.Of("third"u8)), null, kit.Upstream));
        await blob.DisposeAsync();
        Assert.Equal(0, kit.Store.Partials);
    }

    private Task<FetchEnd> EndedAsync(Digest digest) => _kit.EndOf(digest);
}
