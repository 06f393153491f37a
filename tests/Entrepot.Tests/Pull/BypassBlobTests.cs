using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

public sealed class BypassBlobTests : IAsyncLifetime
{
    private const int Tail = (int)FetchPlan.HeldTail;
    private const int Size = 3 * PassingPartial.WindowBytes;

    private readonly PullKit _kit = new();
    private readonly byte[] _content = Waiting.Bytes(Size);
    private readonly Digest _digest;

    public BypassBlobTests()
    {
        _kit.Store.IsFull = true;
        _digest = _kit.Upstream.Put(_content);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _kit.EndAsync();

    [Fact]
    public async Task GetBlob_NoRoom_PassesItThroughAndKeepsNothing()
    {
        var pulled = await _kit.BlobAsync(_digest);
        await using (pulled.Content!.Blob) Assert.Equal(_content, await pulled.Content.Blob!.ReadAsync());

        Assert.Equal((PullSource.Bypass, "bypass"), (pulled.Source, pulled.Detail));
        Assert.Null((await _kit.EndOf(_digest)).Error);
        Assert.Equal((0, 0), (_kit.Store.Written, _kit.Store.Partials));
        Assert.Single(_kit.Upstream.Requests);
    }

    [Fact]
    public async Task GetBlob_NoRoomAndTwoTogether_ShareOneRequest()
    {
        var body = _kit.Upstream.ThenBody(Size);
        var one = (await _kit.BlobAsync(_digest)).Content!.Blob!;
        var other = (await _kit.BlobAsync(_digest)).Content!.Blob!;

        for (var at = 0; at < Size; at += Size / 6)
        {
            body.Give(_content.AsMemory(at, Size / 6));
            var count = at + Size / 6 == Size ? Size / 6 - Tail : Size / 6;
            var start = at;
            foreach (var blob in new[] { one, other }) Assert.Equal(_content[start..(start + count)], await blob.ReadAsync(start, count));
        }

        body.End();
        Assert.Equal(_content[^Tail..], await one.ReadAsync(Size - Tail));
        Assert.Equal(_content[^Tail..], await other.ReadAsync(Size - Tail));
        Assert.Single(_kit.Upstream.Requests);
        await one.DisposeAsync();
        await other.DisposeAsync();
    }

    [Fact]
    public async Task GetBlob_NoRoomAndOneIsSlow_GoesOnAloneAndHoldsNobodyUp()
    {
        var fast = (await _kit.BlobAsync(_digest)).Content!.Blob!;
        var slow = (await _kit.BlobAsync(_digest)).Content!.Blob!;
        Assert.Equal(_content[..100], await slow.ReadAsync(0, 100));
        Assert.Equal(_content, await fast.ReadAsync());
        await fast.DisposeAsync();

        Assert.Equal(_content[100..], await slow.ReadAsync(100));

        await slow.DisposeAsync();
        Assert.Equal(["GET blob 0-", "GET blob 100-"], _kit.Upstream.Requests);
    }

    [Fact]
    public async Task GetBlob_NoRoomFastOneLeaves_SharedRunEndsWhenTheSlowOneFallsOut()
    {
        var fast = (await _kit.BlobAsync(_digest)).Content!.Blob!;
        var slow = (await _kit.BlobAsync(_digest)).Content!.Blob!;
        await fast.ReadAsync(0, PassingPartial.WindowBytes + 500_000);
        await fast.DisposeAsync();

        await slow.ReadAsync(0, 1);

        Assert.NotNull((await _kit.EndOf(_digest)).Error);   // nobody reads it, though the slow one is still there
        Assert.Equal(_content[1..], await slow.ReadAsync(1));
        await slow.DisposeAsync();
    }

    [Fact]
    public async Task GetBlob_NoRoomAndTheClientLeavesBeforeItBegins_EndsTheFetch()
    {
        var answer = new TaskCompletionSource<Answer<UpstreamBlob>>();
        _kit.Upstream.Then((_, _) => answer.Task);
        using var leave = new CancellationTokenSource();
        var pulled = _kit.BlobAsync(_digest, cancel: leave.Token);
        await _kit.Upstream.AskedAsync();
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pulled);

        answer.SetResult(new UpstreamBlob { Content = new MemoryStream(_content), Offset = 0, Size = Size });

        Assert.NotNull((await _kit.EndOf(_digest)).Error);
    }

    [Fact]
    public async Task Follow_WhatEverybodyHasLeftJustNow_BeginsAnew()
    {
        var blob = (await _kit.BlobAsync(_digest)).Content!.Blob!;
        var met = _kit.Fetches.Find(_digest)!;
        await blob.DisposeAsync();
        Assert.True((await _kit.EndOf(_digest)).IsDeserted);

        Assert.Equal(FollowKind.Rested, (await met.FollowAsync(null, default).Soon()).Kind);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(Size - 100)]
    public async Task GetBlob_NoRoomAndWrongBytes_NeverEndsCleanly(int spoilt)
    {
        var wrong = _content.ToArray();
        wrong[spoilt] ^= 1;
        foreach (var _ in Enumerable.Range(0, 5)) _kit.Upstream.Then(ask => new UpstreamBlob { Content = new MemoryStream(wrong[(int)ask.Offset..]), Offset = ask.Offset, Size = Size });
        var blob = (await _kit.BlobAsync(_digest)).Content!.Blob!;

        await blob.ReadAsync(0, Size - Tail);

        await Assert.ThrowsAnyAsync<IOException>(() => blob.ReadAsync(Size - Tail));
        await Assert.ThrowsAnyAsync<IOException>(() => blob.ReadAsync(Size - Tail));
        await blob.DisposeAsync();
        Assert.Equal(1, _kit.Fetches.VerifyFailures);
    }

    [Fact]
    public async Task GetBlob_NoRoomAndTheSharedRunBreaks_GoesOnAndIsRight()
    {
        var body = _kit.Upstream.ThenBody(Size);
        body.Give(_content.AsMemory(0, 1000));
        var blob = (await _kit.BlobAsync(_digest)).Content!.Blob!;
        Assert.Equal(_content[..1000], await blob.ReadAsync(0, 1000));

        body.Break();

        Assert.Equal(_content[1000..], await blob.ReadAsync(1000));
        await blob.DisposeAsync();
    }
}
