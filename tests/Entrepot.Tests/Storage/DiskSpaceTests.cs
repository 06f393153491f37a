using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Storage;

/// <summary>Room on a real disk: what is granted, who leaves for it, and what is left of a reservation after everything that can go wrong.</summary>
public sealed class DiskSpaceTests : IDisposable
{
    private const int Size = 10 * 4096;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-space-");
    private readonly StoreRoot _root;
    private readonly MemoryIndex _index = new();
    private readonly List<(int Blobs, long Bytes)> _evictions = [];

    public DiskSpaceTests() => _root = StoreRoot.Open(_directory.FullName);

    public void Dispose()
    {
        _root.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Reserve_NoRoomLeft_RemovesTheOldestFromDiskIndexAndSums()
    {
        var (space, store) = await StartAsync(blobs: 3);
        var blobs = new List<Digest>();
        for (var i = 0; i < 3; i++) blobs.Add(await PutAsync(store, i));
        store.Touch(blobs[0], DateTimeOffset.UnixEpoch);

        var fourth = await PutAsync(store, 3);

        Assert.Equal([blobs[0], blobs[2], fourth], OnDisk(blobs[0], blobs[1], blobs[2], fourth));
        Assert.Null(_index.FindBlob(blobs[1]));
        Assert.Null(await store.OpenAsync(blobs[1], default));
        Assert.Equal((1, Size), Assert.Single(_evictions));
        Assert.Equal((1, Size), (space.Evictions.Blobs(EvictionReason.Quota), space.Evictions.Bytes(EvictionReason.Quota)));
        Assert.Equal((3, 3 * Size, 0), (space.Usage.Blobs, space.Usage.Used, space.Usage.Reserved));
    }

    [Fact]
    public async Task Reserve_MoreThanTheLimit_EvictsNobody()
    {
        var (space, store) = await StartAsync(blobs: 3);
        var kept = await PutAsync(store, 1);
        await using var partial = await store.CreateAsync(Digest.Of("large"u8), FillMode.Complete, default);

        Assert.False(await partial.ReserveAsync(3 * Size + 1, default));

        Assert.Equal([kept], OnDisk(kept));
        Assert.Empty(_evictions);
        Assert.Equal(0, space.Usage.Reserved);
    }

    [Fact]
    public async Task Reserve_FileSystemAlmostFull_EvictsForSpaceOrRefuses()
    {
        var (_, store) = await StartAsync(blobs: 100);
        var kept = await PutAsync(store, 1);
        var space = New(100, minFree: _root.FreeBytes() + (1L << 40));
        await space.MeasureAsync(default);

        Assert.False(await space.TryReserveAsync(Size, default));

        Assert.Equal([kept], OnDisk(kept));
    }

    [Fact]
    public async Task SetLimit_Lower_EvictsTheOldestDownToIt()
    {
        var (space, store) = await StartAsync(blobs: 5);
        var blobs = new List<Digest>();
        for (var i = 0; i < 5; i++) blobs.Add(await PutAsync(store, i));

        await space.SetLimit(space.Usage.Overhead + 2 * Size, default).Soon();

        Assert.Equal(blobs[3..], OnDisk([.. blobs]));
        Assert.Equal(2 * Size, space.Usage.Used);
        Assert.Equal((3, 3 * Size), Assert.Single(_evictions));
    }

    [Fact]
    public async Task SetLimit_RemovingTakesLong_ReturnsAtOnceAndWhatIsCancelledStays()
    {
        var (space, store) = await StartAsync(blobs: 5);
        var blobs = new List<Digest>();
        for (var i = 0; i < 2; i++) blobs.Add(await PutAsync(store, i));
        using var stop = new CancellationTokenSource();
        using var removing = new ManualResetEventSlim();
        using var isHeld = new ManualResetEventSlim();
        _index.Removing = digest =>
        {
            removing.Set();
            isHeld.Wait(TimeSpan.FromSeconds(20));
        };

        var evicting = space.SetLimit(space.Usage.Overhead, stop.Token);

        Assert.Equal((false, space.Usage.Overhead), (evicting.IsCompleted, space.Usage.Limit));
        Assert.True(removing.Wait(TimeSpan.FromSeconds(20)));
        await stop.CancelAsync();
        isHeld.Set();
        await evicting.Soon();
        Assert.Equal([blobs[1]], OnDisk([.. blobs]));
        Assert.Equal((1, Size), (space.Usage.Blobs, space.Usage.Used));
        Assert.Equal((1, Size), Assert.Single(_evictions));
    }

    [Fact]
    public async Task SetLimit_FileSystemCannotBeMeasured_IsChangedAllTheSame()
    {
        var (space, store) = await StartAsync(blobs: 5);
        await PutAsync(store, 1);
        Directory.Move(_directory.FullName, _directory.FullName + ".aside");
        try
        {
            await space.SetLimit(space.Usage.Overhead + 10 * Size, default).Soon();
        }
        finally
        {
            Directory.Move(_directory.FullName + ".aside", _directory.FullName);
        }

        Assert.Equal(space.Usage.Overhead + 10 * Size, space.Usage.Limit);
    }

    [Fact]
    public async Task Measure_FilesOfAnEarlierProcess_LeaveInTheOrderOfTheirLastUse()
    {
        var (_, store) = await StartAsync(blobs: 5);
        var blobs = new List<Digest>();
        for (var i = 0; i < 4; i++) blobs.Add(await PutAsync(store, i));
        _index.Touch(blobs[2], DateTimeOffset.UnixEpoch.AddDays(1));
        _index.Touch(blobs[0], DateTimeOffset.UnixEpoch.AddDays(2));
        var space = New(4);
        await space.MeasureAsync(default);

        Assert.True(await space.TryReserveAsync(2 * Size, default));

        Assert.Equal([blobs[1], blobs[3]], OnDisk([.. blobs]));
    }

    [Fact]
    public async Task Measure_MoreThanTheLimit_EvictsDownToIt()
    {
        var (_, store) = await StartAsync(blobs: 5);
        for (var i = 0; i < 5; i++) await PutAsync(store, i);
        var space = New(2);

        await space.MeasureAsync(default);

        Assert.Equal(2, _root.Blobs().Count());
        Assert.Equal(2, space.Usage.Blobs);
    }

    [Fact]
    public async Task Reserve_BeforeTheMeasurement_WaitsForIt()
    {
        var space = New(5);
        var reserved = space.TryReserveAsync(Size, default).AsTask();
        Assert.False(reserved.IsCompleted);

        await space.MeasureAsync(default);

        Assert.True(await reserved.Soon());
    }

    [Fact]
    public async Task Reserve_MeasurementFailed_IsRefusedRatherThanWaitedForForEver()
    {
        var space = New(5);
        Directory.Delete(Path.Combine(_directory.FullName, "blobs"), recursive: true);
        var reserved = space.TryReserveAsync(Size, default).AsTask();

        await Assert.ThrowsAnyAsync<IOException>(() => space.MeasureAsync(default));

        Assert.False(await reserved.Soon());
    }

    [Fact]
    public async Task Reserve_FileThatCannotBeRemoved_StaysCounted()
    {
        var (space, store) = await StartAsync(blobs: 1);
        var stuck = await PutAsync(store, 1);
        var path = _root.BlobPath(stuck);
        File.Delete(path);
        Directory.CreateDirectory(path);   // what unlink refuses, also as root

        Assert.True(await space.TryReserveAsync(Size, default));

        Assert.Equal((1, Size), (space.Usage.Blobs, space.Usage.Used));
        Assert.Equal(0, space.Evictions.Blobs(EvictionReason.Quota));
        Directory.Delete(path);
    }

    [Fact]
    public async Task Partial_WhateverBecomesOfIt_LeavesNoReservation()
    {
        var (space, store) = await StartAsync(blobs: 5);
        var content = Content(1);
        var wrong = await store.CreateAsync(Digest.Of("something else"u8), FillMode.Complete, default);
        Assert.True(await wrong.ReserveAsync(content.Length, default));
        await wrong.WriteAsync(content, 0, default);
        Assert.False(await wrong.VerifyAsync(default));
        Assert.Equal(Size, space.Usage.Reserved);
        await wrong.DisposeAsync();
        Assert.Equal(0, space.Usage.Reserved);

        var unwritten = await store.CreateAsync(Digest.Of(content), FillMode.Complete, default);
        await unwritten.ReserveAsync(2 * Size, default);
        await unwritten.DisposeAsync();
        Assert.Equal(0, space.Usage.Reserved);

        var refused = await store.CreateAsync(Digest.Of(content), FillMode.Complete, default);
        await Assert.ThrowsAsync<IOException>(async () => await refused.WriteAsync(new byte[6 * Size], 0, default));
        await refused.DisposeAsync();
        Assert.Equal((0, 0), (space.Usage.Reserved, space.Usage.Used));
    }

    [Fact]
    public async Task Write_UnknownSizeNearTheLimit_NeedsNoMoreThanItsBytes()
    {
        var (space, store) = await StartAsync(blobs: 2);
        var content = Content(1);
        await using (var partial = await store.CreateAsync(Digest.Of(content), FillMode.Complete, default))
        {
            await partial.WriteAsync(content, 0, default);
            Assert.True(await partial.VerifyAsync(default));
            await partial.CommitAsync(default);
        }

        Assert.Equal((Size, 0), (space.Usage.Used, space.Usage.Reserved));
    }

    [Fact]
    public async Task Commit_TwoWritersOfOneBlob_CountOnce()
    {
        var (space, store) = await StartAsync(blobs: 5);
        var content = Content(1);
        var first = await WrittenAsync(store, content);
        var second = await WrittenAsync(store, content);
        Assert.Equal(2 * Size, space.Usage.Reserved);

        await first.CommitAsync(default);
        await second.CommitAsync(default);
        await first.DisposeAsync();
        await second.DisposeAsync();

        Assert.Equal((1, Size, 0), (space.Usage.Blobs, space.Usage.Used, space.Usage.Reserved));
    }

    [Fact]
    public async Task Commit_WhileTheSameBlobIsEvicted_NeverLeavesARecordWithoutAFileOrAFileWithoutRoom()
    {
        var (space, store) = await StartAsync(blobs: 3);
        var contents = Enumerable.Range(0, 4).Select(Content).ToList();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
        {
            var random = new Random(worker);
            for (var round = 0; round < 200; round++)
            {
                var content = contents[random.Next(contents.Count)];
                await using var partial = await store.CreateAsync(Digest.Of(content), FillMode.Complete, default);
                if (!await partial.ReserveAsync(content.Length, default)) continue;
                await partial.WriteAsync(content, 0, default);
                Assert.True(await partial.VerifyAsync(default));
                await partial.CommitAsync(default);
                if (await store.OpenAsync(Digest.Of(content), default) is { } blob) await blob.DisposeAsync();
            }
        }))).Soon();

        var files = _root.Blobs().Select(blob => blob.Digest).ToHashSet();
        Assert.Equal(contents.Select(content => Digest.Of(content)).Where(digest => _index.FindBlob(digest) is not null).ToHashSet(), files);
        Assert.Equal((files.Count, files.Count * (long)Size, 0), (space.Usage.Blobs, space.Usage.Used, space.Usage.Reserved));
    }

    [Fact]
    public async Task Reserve_WhileAFileIsRemoved_WaitsUntilItIsGone()
    {
        var (space, store) = await StartAsync(blobs: 1);
        var blob = await PutAsync(store, 0);
        Task<bool>? reserved = null;
        _index.Removing = _ =>
        {
            reserved = space.TryReserveAsync(Size, default).AsTask();
            Assert.False(reserved.IsCompleted);
        };

        Assert.Equal(Size, store.Remove(blob, DateTimeOffset.MaxValue));

        Assert.True(await reserved!.Soon());
        Assert.Equal((0, Size), (space.Usage.Used, space.Usage.Reserved));
    }

    [Fact]
    public async Task Remove_FolderThatSomebodyRemoved_GivesItsRoomBack()
    {
        var (space, store) = await StartAsync(blobs: 1);
        var blob = await PutAsync(store, 0);
        Directory.Delete(Path.GetDirectoryName(_root.BlobPath(blob))!, recursive: true);

        Assert.Equal(Size, store.Remove(blob, DateTimeOffset.MaxValue));

        Assert.Equal((0, 0), (space.Usage.Blobs, space.Usage.Used));
    }

    // The second of two victims is published anew while the first one's file is removed.
    [Fact]
    public async Task Commit_BetweenTheChoiceOfAVictimAndItsRemoval_Stays()
    {
        var (space, store) = await StartAsync(blobs: 3);
        var first = await PutAsync(store, 0);
        var second = await PutAsync(store, 1);
        await using var partial = await WrittenAsync(store, Content(1));
        _index.Removing = removed =>
        {
            if (removed == first) Commit(store, partial, second);
        };

        Assert.True(await space.TryReserveAsync(2 * Size, default));

        Assert.Equal([second], OnDisk(first, second));
        Assert.NotNull(_index.FindBlob(second));
        Assert.Equal((1, Size, 2 * Size), (space.Usage.Blobs, space.Usage.Used, space.Usage.Reserved));
        Assert.False(space.IsLeaving(second));
    }

    [Fact]
    public async Task Open_FileThatSomebodyRemoved_GivesItsRoomBack()
    {
        var (space, store) = await StartAsync(blobs: 5);
        var digest = await PutAsync(store, 1);
        File.Delete(_root.BlobPath(digest));

        Assert.Null(await store.OpenAsync(digest, default));

        Assert.Equal((0, 0), (space.Usage.Blobs, space.Usage.Used));
    }

    [Fact]
    public async Task Open_TruncatedFile_IsCountedAsCorrupt()
    {
        var (space, store) = await StartAsync(blobs: 5);
        var digest = await PutAsync(store, 1);
        await File.WriteAllBytesAsync(_root.BlobPath(digest), new byte[5]);

        Assert.Null(await store.OpenAsync(digest, default));

        Assert.Equal((0, 1), (space.Usage.Used, space.Evictions.Blobs(EvictionReason.Corrupt)));
    }

    private static void Commit(DiskBlobStore store, IPartialBlob partial, Digest digest) =>
        store.Commits.CommitAsync((DiskPartial)partial, digest, Size, reserved: Size).GetAwaiter().GetResult();

    private static byte[] Content(int seed) => Waiting.Bytes(Size, seed + 100);

    private static async Task<IPartialBlob> WrittenAsync(DiskBlobStore store, byte[] content)
    {
        var partial = await store.CreateAsync(Digest.Of(content), FillMode.Complete, default);
        Assert.True(await partial.ReserveAsync(content.Length, default));
        await partial.WriteAsync(content, 0, default);
        Assert.True(await partial.VerifyAsync(default));
        return partial;
    }

    private static async Task<Digest> PutAsync(DiskBlobStore store, int seed)
    {
        var content = Content(seed);
        await using var partial = await WrittenAsync(store, content);
        await partial.CommitAsync(default);
        return Digest.Of(content);
    }

    // With room for so many blobs of Size, beside what the rest takes.
    private DiskSpace New(int blobs, long minFree = 0) => new(_root, _index, new LruPolicy(), _root.MeasureOverhead() + blobs * (long)Size, minFree)
    {
        Evicted = (count, bytes) => _evictions.Add((count, bytes)),
    };

    private async Task<(DiskSpace Space, DiskBlobStore Store)> StartAsync(int blobs)
    {
        var space = New(blobs);
        await space.MeasureAsync(default);
        return (space, new DiskBlobStore(_root, _index, space, TimeProvider.System, digest => { }));
    }

    private List<Digest> OnDisk(params Digest[] among) => [.. among.Where(digest => File.Exists(_root.BlobPath(digest)))];
}
