using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Storage;

/// <summary>Blobs that get their names together.</summary>
public sealed class CommitsTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-commits-");
    private readonly StoreRoot _root;
    private readonly DiskSpace _space;
    private readonly DiskBlobStore _store;

    public CommitsTests()
    {
        _root = StoreRoot.Open(_directory.FullName);
        var index = new MemoryIndex();
        _space = DiskSpaces.Large(_root, index);
        _store = new DiskBlobStore(_root, index, _space, TimeProvider.System, _ => { });
    }

    public void Dispose()
    {
        _root.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Commit_ManySmallOnesWhileOneIsCommitted_AreOneGroup()
    {
        var first = await WrittenAsync(1000);
        var others = new List<IPartialBlob>();
        for (var i = 0; i < 20; i++) others.Add(await WrittenAsync(2000 + i));

        var commits = new List<Task>();
        await HeldUpAsync(1000, () =>
        {
            commits.Add(first.CommitAsync(default).AsTask());
            AwaitNaming();
            commits.AddRange(others.Select(one => one.CommitAsync(default).AsTask()));
            Assert.Equal(20, _store.Commits.Waiting);
            return Task.CompletedTask;
        });
        await Task.WhenAll(commits).Soon();

        Assert.Equal(2, _store.Commits.Groups);
        for (var i = 0; i < 20; i++) Assert.Equal(Content(2000 + i), await ReadAsync(2000 + i));
        foreach (var one in others.Prepend(first)) await one.DisposeAsync();
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(_directory.FullName, "partial")));
    }

    [Fact]
    public async Task Commit_LargeOneWhileSmallOnesAreCommitted_DoesNotWaitForThem()
    {
        await using var small = await WrittenAsync(1000);
        var size = (int)Commits.SmallBytes + 1;
        while (_space.NameOf(DigestOf(size)) == _space.NameOf(DigestOf(1000))) size++;   // names share locks
        await using var large = await WrittenAsync(size);
        var committing = Task.CompletedTask;
        await HeldUpAsync(1000, async () =>
        {
            committing = small.CommitAsync(default).AsTask();
            AwaitNaming();

            await large.CommitAsync(default).AsTask().Soon();

            Assert.False(committing.IsCompleted);
        });
        await committing.Soon();
    }

    [Fact]
    public async Task Commit_OneOfAGroupCannotBeNamed_TheOthersAre()
    {
        await using var first = await WrittenAsync(1000);
        await using var bad = await WrittenAsync(1001);
        await using var good = await WrittenAsync(1002);
        var (failing, going) = (Task.CompletedTask, Task.CompletedTask);
        await HeldUpAsync(1000, () =>
        {
            var committing = first.CommitAsync(default).AsTask();
            AwaitNaming();
            File.Delete(Path.Combine(_directory.FullName, "partial", DigestOf(1001).Hex));
            (failing, going) = (bad.CommitAsync(default).AsTask(), good.CommitAsync(default).AsTask());
            return Task.CompletedTask;
        });

        await Assert.ThrowsAsync<FileNotFoundException>(() => failing.Soon());
        await going.Soon();
        Assert.Null(await _store.OpenAsync(DigestOf(1001), default));
        Assert.Equal(Content(1002), await ReadAsync(1002));
    }

    [Fact]
    public async Task Open_WhileItGetsItsName_FindsNothing()
    {
        await using var partial = await WrittenAsync(1000);
        var committing = Task.CompletedTask;
        await HeldUpAsync(1000, async () =>
        {
            committing = partial.CommitAsync(default).AsTask();
            AwaitNaming();
            Assert.Null(await _store.OpenAsync(DigestOf(1000), default));
        });
        await committing.Soon();
        Assert.Equal(Content(1000), await ReadAsync(1000));
    }

    private static byte[] Content(int size) => Waiting.Bytes(size);

    private static Digest DigestOf(int size) => Digest.Of(Content(size));

    private async Task<IPartialBlob> WrittenAsync(int size)
    {
        var partial = await _store.CreateAsync(DigestOf(size), FillMode.Complete, default);
        await partial.WriteAsync(Content(size), 0, default);
        Assert.True(await partial.VerifyAsync(default));
        return partial;
    }

    private async Task<byte[]> ReadAsync(int size)
    {
        await using var blob = await _store.OpenAsync(DigestOf(size), default);
        var bytes = new byte[size];
        Assert.Equal(size, await blob!.ReadAsync(bytes, 0, default));
        return bytes;
    }

    private void AwaitNaming() => Assert.True(SpinWait.SpinUntil(() => _store.Commits.IsNaming(DigestOf(1000)), TimeSpan.FromSeconds(20)));

    // Whoever gives the blob its name waits as long as the act takes. The lock is a thread's own, which an act is not.
    private async Task HeldUpAsync(int size, Func<Task> act)
    {
        using var holds = new SemaphoreSlim(0);
        using var done = new SemaphoreSlim(0);
        var holder = new Thread(() =>
        {
            lock (_space.NameOf(DigestOf(size)))
            {
                holds.Release();
                done.Wait();
            }
        });
        holder.Start();
        await holds.WaitAsync();
        try
        {
            await act();
        }
        finally
        {
            done.Release();
            holder.Join();
        }
    }
}
