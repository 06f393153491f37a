using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Images;

public sealed class ScrubTests
{
    private readonly MemoryBlobStore _store = new();
    private readonly MemoryIndex _index = new();
    private readonly ConcurrentQueue<Digest> _unreadable = new();

    [Fact]
    public async Task Start_SomethingWrongAndSomethingGone_CountsTheWrongAlone()
    {
        var wrong = Put("right");
        _store.Spoil(wrong, "wrong"u8.ToArray());
        var gone = Put("gone");
        _store.Remove(gone);
        Put("kept");
        var scrub = NewScrub();

        var run = scrub.TryStart(default)!;
        await run.Ended.Soon();

        Assert.Equal(new ScrubProgress(3, 3, 9, 13, 0), run.Progress);
        Assert.Equal([wrong], run.Wrong(0));
        Assert.Empty(run.Wrong(1));
        Assert.Equal(1, scrub.Failures);
        Assert.False(_store.Contains(wrong));
    }

    [Fact]
    public async Task Start_WhileOneRuns_IsRefusedUntilThatEnds()
    {
        Put("a");
        var look = new TaskCompletionSource();
        _store.Look = look.Task;
        var scrub = NewScrub();
        using var leaving = new CancellationTokenSource();
        var first = scrub.TryStart(leaving.Token)!;

        Assert.Null(scrub.TryStart(default));

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.Ended.Soon());
        look.SetResult();
        await scrub.TryStart(default)!.Ended.Soon();
    }

    [Fact]
    public async Task Start_DiskRefuses_LeavesTheBlobAndTellsOfIt()
    {
        var digest = Put("a");
        _store.OpenFault = new IOException("scripted");
        var scrub = NewScrub();

        var run = scrub.TryStart(default)!;
        await run.Ended.Soon();

        Assert.Equal([digest], _unreadable);
        Assert.Equal(new ScrubProgress(1, 1, 0, 1, 1), run.Progress);
        Assert.Equal(0, scrub.Failures);
        Assert.True(_store.Contains(digest));
    }

    [Fact]
    public async Task Start_IndexListsABlobTwice_HashesItOnce()
    {
        Put("a");
        _index.IsMovingRows = true;

        var run = NewScrub().TryStart(default)!;
        await run.Ended.Soon();

        Assert.Equal(new ScrubProgress(1, 1, 1, 1, 0), run.Progress);
    }

    [Fact]
    public async Task Doubt_WrongOne_IsDroppedAndTold()
    {
        var wrong = Put("right");
        _store.Spoil(wrong, "wrong"u8.ToArray());
        var dropped = new TaskCompletionSource<Digest>();
        await using var scrub = NewScrub(dropped, new TaskCompletionSource(), works: false);

        scrub.Doubt(wrong);

        Assert.Equal(wrong, await dropped.Task.Soon());
        Assert.False(_store.Contains(wrong));
        Assert.Equal(1, scrub.Failures);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Doubt_DiskRefuses_IsDroppedIfTheDiskWorksOtherwise(bool works)
    {
        var (digest, next) = (Put("a"), Put("b"));
        _store.OpenFault = new IOException("scripted");
        var (dropped, asked) = (new TaskCompletionSource<Digest>(), new TaskCompletionSource());
        await using (var scrub = NewScrub(dropped, asked, works))
        {
            scrub.Doubt(digest);
            await asked.Task.Soon();
            if (works) Assert.Equal(digest, await dropped.Task.Soon());
        }

        Assert.Equal(!works, _store.Contains(digest));
        Assert.Contains(digest, _unreadable);
        Assert.True(_store.Contains(next));
    }

    private Scrub NewScrub(TaskCompletionSource<Digest> dropped, TaskCompletionSource asked, bool works) => new(_store, _index, (digest, _) => _unreadable.Enqueue(digest))
    {
        DiskWorks = () =>
        {
            asked.TrySetResult();
            return works;
        },
        Dropped = (digest, _) =>
        {
            dropped.TrySetResult(digest);
            return Task.CompletedTask;
        },
    };

    private Scrub NewScrub() => new(_store, _index, (digest, _) => _unreadable.Enqueue(digest));

    private Digest Put(string text)
    {
        var content = System.Text.Encoding.ASCII.GetBytes(text);
        _index.AddBlob(Digest.Of(content), new BlobRecord(content.Length, DateTimeOffset.UnixEpoch));
        return _store.Put(content);
    }
}
