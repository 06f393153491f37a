using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

/// <summary>Pulls of blobs: what is answered, and what was asked of whom for it.</summary>
public sealed class BlobPullTests : IAsyncLifetime
{
    private const int Size = 300_000;

    private readonly PullKit _kit = new();
    private readonly byte[] _content = Waiting.Bytes(Size);

    private Digest Digest => Digest.Of(_content);

    private ScriptedUpstream Upstream => _kit.Upstream;

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _kit.EndAsync();

    [Fact]
    public async Task Get_Miss_IsFetchedThenAHit()
    {
        Upstream.Put(_content);

        var miss = await _kit.BlobAsync(Digest);
        Assert.Equal((PullSource.Fetched, true), (miss.Source, miss.Stored));
        Assert.Equal(_content, await ReadAsync(miss));
        await _kit.EndOf(Digest);
        var hit = await _kit.BlobAsync(Digest);

        Assert.Equal(PullSource.Hit, hit.Source);
        Assert.Equal(_content, await ReadAsync(hit));
        Assert.Equal(["GET blob 0-"], Upstream.Requests);
    }

    [Fact]
    public async Task Get_FetchRuns_JoinsItAndIsAHitOnceItIsVerified()
    {
        var flush = new TaskCompletionSource();
        _kit.Store.Flush = flush.Task;
        var body = Upstream.ThenBody(Size).Give(_content.AsMemory(0, 10));
        var leader = await _kit.BlobAsync(Digest);

        var joined = await _kit.BlobAsync(Digest, repository: "library/other");
        body.Give(_content.AsMemory(10));
        Assert.Equal(_content, await ReadAsync(leader));
        var verified = await _kit.BlobAsync(Digest);
        Assert.Equal(_content, await ReadAsync(verified));

        Assert.Equal((PullSource.Joined, PullSource.Hit), (joined.Source, verified.Source));
        Assert.Equal(_content, await ReadAsync(joined));
        Assert.Single(Upstream.Requests);
        flush.SetResult();
    }

    [Fact]
    public async Task Get_UpstreamHasNoSuchBlob_IsMissing()
    {
        var pulled = await _kit.BlobAsync(Digest);

        Assert.Equal((PullSource.Missing, RegistryError.BlobUnknown), (pulled.Source, pulled.Error));
    }

    [Fact]
    public async Task Get_OtherRepositoryWasRefused_AsksForItself()
    {
        var gate = new TaskCompletionSource<Answer<UpstreamBlob>>();
        Upstream.Then((_, _) => gate.Task);
        var refused = _kit.BlobAsync(Digest, repository: "private/image");
        await Upstream.AskedAsync();
        var joined = _kit.BlobAsync(Digest, repository: "library/alpine");
        var same = _kit.BlobAsync(Digest, repository: "private/image");
        Upstream.Put(_content);
        gate.SetResult(RegistryError.Denied);

        Assert.Equal(PullSource.Denied, (await refused).Source);
        Assert.Equal(_content, await ReadAsync(await joined));
        Assert.Equal(PullSource.Denied, (await same).Source);
    }

    [Fact]
    public async Task Get_OutageOfTheLeader_IsToldToAllWhoJoined()
    {
        var gate = new TaskCompletionSource<Answer<UpstreamBlob>>();
        Upstream.Then((_, _) => gate.Task);
        var leader = _kit.BlobAsync(Digest);
        await Upstream.AskedAsync();
        var fetch = _kit.Fetches.Find(Digest)!;
        var joined = fetch.FollowAsync(null, default);
        gate.SetResult(RegistryError.Silent("scripted"));

        Assert.Equal((PullSource.Failed, 504), ((await leader).Source, (await leader).Error!.Status));
        Assert.Equal(504, (await joined.Soon()).Error!.Status);
    }

    [Fact]
    public async Task Get_ClientLeavesWhileItWaits_FetchGoesOn()
    {
        var gate = new TaskCompletionSource<Answer<UpstreamBlob>>();
        Upstream.Then((_, _) => gate.Task);
        using var cancel = new CancellationTokenSource();
        var left = _kit.BlobAsync(Digest, cancel: cancel.Token);
        await Upstream.AskedAsync();

        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        gate.SetResult(new UpstreamBlob { Content = new MemoryStream(_content), Offset = 0, Size = Size });

        Assert.Null((await _kit.EndOf(Digest)).Error);
        Assert.True(_kit.Store.Contains(Digest));
    }

    [Theory]
    [InlineData(0L, 99L, 0, 100)]
    [InlineData(1000L, null, 1000, Size)]
    [InlineData(null, 10L, Size - 10, Size)]
    [InlineData(5L, 9_999_999L, 5, Size)]
    public async Task Get_Range_IsThatPart(long? first, long? last, int from, int to)
    {
        _kit.Store.Put(_content);

        var pulled = await _kit.BlobAsync(Digest, new RangeRequest(first, last));

        Assert.Equal((PullSource.Hit, true, new ByteSpan(from, to)), (pulled.Source, pulled.Content!.IsPart, pulled.Content.Span));
        Assert.Equal(_content[from..to], await ReadAsync(pulled));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Get_RangeBehindTheEnd_HasNoSpan(bool stored)
    {
        if (stored) _kit.Store.Put(_content);
        else Upstream.Put(_content);

        var pulled = await _kit.BlobAsync(Digest, new RangeRequest(Size, null));

        Assert.True(pulled.Content!.IsPart);
        Assert.Null(pulled.Content.Span);
        Assert.Equal(Size, pulled.Content.Size);
        await pulled.Content.DisposeAsync();
    }

    [Fact]
    public async Task Get_RangeNotFromTheStart_IsNotHeldForVerification()
    {
        Upstream.ThenBody(Size).Give(_content.AsMemory(Size - 100, 99));

        var pulled = await _kit.BlobAsync(Digest, new RangeRequest(Size - 100, null));

        Assert.Equal(_content[^100..^1], await pulled.Content!.Blob!.ReadAsync(Size - 100, 99));
    }

    [Fact]
    public async Task Get_FarRangeOfARunningFetch_GetsARunOfItsOwnAndIsKept()
    {
        var large = Waiting.Bytes((int)FetchPlan.Patience + Size);
        Upstream.Fetching = new FetchRules { ParallelRuns = 2 };
        var body = Upstream.ThenBody(large.Length).Give(large.AsMemory(0, 10));
        Upstream.Put(large);
        var first = await _kit.BlobAsync(Digest.Of(large));
        var from = large.Length - 1000;

        var far = await _kit.BlobAsync(Digest.Of(large), new RangeRequest(from, from + 9));

        Assert.Equal((PullSource.Joined, true), (far.Source, far.Stored));
        Assert.Equal(large[from..(from + 10)], await ReadAsync(far));
        Assert.Equal(["GET blob 0-", $"GET blob {from}-"], Upstream.Requests);
        body.Give(large.AsMemory(10, from - 10));
        Assert.Equal(large, await ReadAsync(first));
        Assert.Null((await _kit.EndOf(Digest.Of(large))).Error);
        Assert.Equal(large.Length, _kit.Store.Written);
        Assert.Equal(0, _kit.Store.Partials);
    }

    [Fact]
    public async Task Get_FarRangeOfABlobWhoseUpstreamIgnoresRanges_WaitsForTheOneRun()
    {
        var large = Waiting.Bytes((int)FetchPlan.Patience + Size);
        Upstream.Fetching = new FetchRules { ParallelRuns = 2 };
        var body = Upstream.ThenBody(large.Length, offset: 0);
        var first = await _kit.BlobAsync(Digest.Of(large));

        var far = await _kit.BlobAsync(Digest.Of(large), new RangeRequest(large.Length - 10, null));
        var read = ReadAsync(far);
        body.Give(large).End();

        Assert.Equal(large[^10..], await read.Soon());
        Assert.Equal(large, await ReadAsync(first));
        Assert.Equal(large.Length, _kit.Store.Written);
    }

    [Theory]
    [InlineData("open")]
    [InlineData("create")]
    public async Task Get_StoreFails_IsPassedThrough(string step)
    {
        if (step == "open") _kit.Store.OpenFault = new IOException("input/output error");
        else _kit.Store.CreateFault = new UnauthorizedAccessException("read-only file system");
        Upstream.Put(_content);

        var pulled = await _kit.BlobAsync(Digest);

        Assert.Equal((PullSource.Bypass, "bypass", false), (pulled.Source, pulled.Detail, pulled.Stored));
        Assert.Equal(_content, await ReadAsync(pulled));
        Assert.True((await _kit.EndOf(Digest)).StoreFailed);
    }

    [Theory]
    [InlineData(Size, 0L, 99L)]
    [InlineData(1000, 0L, 99L)]       // all of it is within the held tail
    [InlineData(Size, 0L, Size - 2L)]
    [InlineData(Size, 0L, Size - 1L)]
    [InlineData(Size, 100L, 199L)]
    [InlineData(Size, null, 10L)]
    public async Task Get_StoreFailsAndARangeIsWanted_IsExactlyThatRange(int size, long? first, long? last)
    {
        _kit.Store.CreateFault = new IOException("no space left on device");
        var content = _content[..size];
        Upstream.Put(content);

        var pulled = await _kit.BlobAsync(Digest.Of(content), new RangeRequest(first, last));

        Assert.Equal(PullSource.Bypass, pulled.Source);
        var span = pulled.Content!.Span!.Value;
        Assert.Equal(content[(int)span.From..(int)span.To], await ReadAsync(pulled));
        Assert.Equal($"GET blob {span.From}-{span.To}", Upstream.Requests.Last());
    }

    [Fact]
    public async Task Get_StoreFailsAndTheRangeIsNotThere_HasNoSpan()
    {
        _kit.Store.CreateFault = new IOException("no space left on device");
        Upstream.Put(_content);

        var pulled = await _kit.BlobAsync(Digest, new RangeRequest(Size, null));

        Assert.Null(pulled.Content!.Span);
        Assert.Equal(Size, pulled.Content.Size);
    }

    [Fact]
    public async Task Get_StoreFailsAndTheEmptyAnswerIsWrong_IsRefused()
    {
        _kit.Store.CreateFault = new IOException("no space left on device");
        Upstream.ThenBody(0).End();
        Upstream.ThenBody(0).End();

        Assert.Equal(502, (await _kit.BlobAsync(Digest)).Error!.Status);
        var empty = await _kit.BlobAsync(Digest.Of([]));
        Assert.Empty(await ReadAsync(empty));
    }

    [Fact]
    public async Task Get_CommitFailed_TheNextRequestTriesTheStoreAgain()
    {
        _kit.Store.CommitFault = new IOException("no space left on device");
        Upstream.Put(_content);
        Assert.Equal(_content, await ReadAsync(await _kit.BlobAsync(Digest)));
        await _kit.EndOf(Digest);
        _kit.Store.CommitFault = null;

        var second = await _kit.BlobAsync(Digest);

        Assert.Equal(PullSource.Fetched, second.Source);
        Assert.Equal(_content, await ReadAsync(second));
    }

    [Fact]
    public async Task Head_Unknown_IsAskedOnceForAllWhoWait()
    {
        var gate = new TaskCompletionSource<Answer<BlobInfo>>();
        Upstream.HeadBlob = (_, _) => gate.Task;
        var heads = Enumerable.Range(0, 10).Select(_ => _kit.Pulls.HeadBlobAsync(PullKit.Of(Digest), default)).ToList();
        gate.SetResult(new BlobInfo(Size));

        var answers = await Task.WhenAll(heads).Soon();

        Assert.All(answers, answer => Assert.Equal((Size, null), (answer.Content!.Size, answer.Content.Blob)));
        Assert.Single(answers, answer => answer.Source is PullSource.Fetched);
        Assert.Equal(9, answers.Count(answer => answer.Source is PullSource.Joined));
        Assert.Equal(["HEAD blob"], Upstream.Requests);
    }

    [Fact]
    public async Task Head_StoredOrOnItsWay_AsksNobody()
    {
        var stored = _kit.Store.Put(Waiting.Bytes(10));
        Upstream.ThenBody(Size);
        await _kit.FollowAsync(Digest);

        var hit = await _kit.Pulls.HeadBlobAsync(PullKit.Of(stored), default).Soon();
        var joined = await _kit.Pulls.HeadBlobAsync(PullKit.Of(Digest), default).Soon();

        Assert.Equal((PullSource.Hit, 10), (hit.Source, hit.Content!.Size));
        Assert.Equal((PullSource.Joined, Size), (joined.Source, joined.Content!.Size));
        Assert.DoesNotContain("HEAD blob", Upstream.Requests);
    }

    [Fact]
    public async Task Head_StoreFails_AsksTheUpstream()
    {
        _kit.Store.OpenFault = new IOException("input/output error");
        Upstream.Put(_content);

        var head = await _kit.Pulls.HeadBlobAsync(PullKit.Of(Digest), default).Soon();

        Assert.Equal((PullSource.Fetched, Size), (head.Source, head.Content!.Size));
        Assert.Equal(404, (await _kit.Pulls.HeadBlobAsync(PullKit.Of(Digest.Of("no"u8)), default).Soon()).Error!.Status);
    }

    private static async Task<byte[]> ReadAsync(Pulled<BlobContent> pulled)
    {
        await using var content = pulled.Content!;
        var span = content.Span!.Value;
        return await content.Blob!.ReadAsync(span.From, span.Length);
    }
}
