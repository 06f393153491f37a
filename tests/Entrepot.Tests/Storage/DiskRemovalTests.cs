using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;
using Entrepot.Tests.Kit;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Storage;

/// <summary>What administrators do to blobs on a real disk: remove, pin, verify.</summary>
public sealed class DiskRemovalTests : IDisposable
{
    private const int Size = 10 * 4096;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-removal-");
    private readonly StoreRoot _root;
    private readonly MemoryIndex _index = new();
    private readonly FakeTimeProvider _clock = new(DateTimeOffset.UnixEpoch.AddYears(60));
    private readonly List<Digest> _false = [];
    private readonly DiskSpace _space;
    private readonly DiskBlobStore _store;

    public DiskRemovalTests()
    {
        _root = StoreRoot.Open(_directory.FullName);
        _space = DiskSpaces.Large(_root, _index);
        _store = new DiskBlobStore(_root, _index, _space, _clock, _false.Add);
    }

    public void Dispose()
    {
        _root.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Remove_Blob_IsGoneFromDiskIndexAndSumsAndReadableToItsReader()
    {
        var (digest, content) = await PutAsync(1);
        await using var reader = await _store.OpenAsync(digest, default);

        Assert.Equal(Size, _store.Remove(digest, Later()));

        Assert.False(File.Exists(_root.BlobPath(digest)));
        Assert.Null(_index.FindBlob(digest));
        Assert.Null(await _store.OpenAsync(digest, default));
        Assert.Equal((0, 0), (_space.Usage.Blobs, _space.Usage.Used));
        Assert.Equal((1, Size), (_space.Evictions.Blobs(EvictionReason.Removed), _space.Evictions.Bytes(EvictionReason.Removed)));
        Assert.Equal(content, await reader!.ReadAsync());
        Assert.Equal(0, _store.Remove(digest, Later()));
    }

    [Fact]
    public async Task Remove_PinnedOrUsedSince_Stays()
    {
        var (pinned, _) = await PutAsync(1);
        var (used, _) = await PutAsync(2);
        Assert.True(_store.Pin(pinned));
        var began = Later();
        _store.Touch(used, began.AddTicks(1));

        Assert.Equal((0, 0), (_store.Remove(pinned, began), _store.Remove(used, began)));

        Assert.True(_store.Contains(pinned) && _store.Contains(used));
        _store.Unpin(pinned);
        Assert.Equal((Size, Size), (_store.Remove(pinned, began), _store.Remove(used, Later())));
    }

    [Fact]
    public async Task Remove_AndPutAgainAtOnce_NeverLeavesAFileWithoutItsRecord()
    {
        var content = Waiting.Bytes(Size, seed: 1);
        var digest = Digest.Of(content);
        var puts = Task.Run(async () =>
        {
            for (var i = 0; i < 200; i++) await PutAsync(content);
        });
        while (!puts.IsCompleted) _store.Remove(digest, DateTimeOffset.MaxValue);

        await puts;

        var isThere = File.Exists(_root.BlobPath(digest));
        Assert.Equal((isThere, isThere ? 1 : 0), (_index.FindBlob(digest) is not null, _space.Usage.Blobs));
        Assert.Equal(0, _space.Usage.Reserved);
    }

    [Fact]
    public async Task Pin_BlobUnderAQuota_NeverLeavesAndIsCounted()
    {
        var (pinned, _) = await PutAsync(1);
        var (other, _) = await PutAsync(2);
        _store.Pin(pinned);
        var awaited = Waiting.Bytes(Size, seed: 3);
        Assert.False(_store.Pin(Digest.Of(awaited)));
        await PutAsync(awaited);

        await _space.SetLimit(1, default).Soon();

        Assert.Equal((true, false, true), (_store.Contains(pinned), _store.Contains(other), _store.Contains(Digest.Of(awaited))));
        Assert.Equal((2 * Size, 2 * Size), (_space.Usage.Pinned, _space.Usage.Used));
        Assert.Equal(_space.Usage.Overhead + Size - 1, _store.ShortOf(Size));
    }

    [Fact]
    public async Task Verify_RightOrWrongOrAbsent_SaysWhich()
    {
        var (right, _) = await PutAsync(1);
        var (wrong, _) = await PutAsync(2);
        await File.WriteAllBytesAsync(_root.BlobPath(wrong), Waiting.Bytes(Size, seed: 9));
        var hashed = 0L;

        Assert.True(await _store.VerifyAsync(right, Count, default));
        Assert.False(await _store.VerifyAsync(wrong, Count, default));
        Assert.Null(await _store.VerifyAsync(wrong, Count, default));

        Assert.Equal(2 * Size, hashed);
        Assert.Equal([wrong], _false);
        Assert.Equal((false, 1), (_store.Contains(wrong), _space.Evictions.Blobs(EvictionReason.Corrupt)));

        ValueTask Count(int bytes)
        {
            hashed += bytes;
            return default;
        }
    }

    [Fact]
    public async Task Verify_WrongFileIsReplacedMeanwhile_LeavesTheRightOne()
    {
        var (digest, content) = await PutAsync(1);
        await File.WriteAllBytesAsync(_root.BlobPath(digest), Waiting.Bytes(Size, seed: 9));
        var path = _root.BlobPath(digest);

        var outcome = await _store.VerifyAsync(
            digest,
            _ =>
            {
                File.WriteAllBytes(path + ".new", content);
                File.SetLastWriteTimeUtc(path + ".new", DateTime.UnixEpoch);
                File.Move(path + ".new", path, overwrite: true);
                return default;
            },
            default);

        Assert.Null(outcome);
        Assert.Equal(content, await File.ReadAllBytesAsync(path));
        Assert.Empty(_false);
    }

    [Fact]
    public async Task Verify_Cancelled_EndsEarly()
    {
        var (digest, _) = await PutAsync(1);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _store.VerifyAsync(digest, _ => default, new CancellationToken(canceled: true)));

        Assert.True(_store.Contains(digest));
    }

    private DateTimeOffset Later()
    {
        _clock.Advance(TimeSpan.FromSeconds(1));
        return _clock.GetUtcNow();
    }

    private async Task<(Digest Digest, byte[] Content)> PutAsync(int seed)
    {
        var content = Waiting.Bytes(Size, seed);
        await PutAsync(content);
        return (Digest.Of(content), content);
    }

    private async Task PutAsync(byte[] content)
    {
        await using var partial = await _store.CreateAsync(Digest.Of(content), FillMode.Complete, default);
        Assert.True(await partial.ReserveAsync(content.Length, default));
        await partial.WriteAsync(content, 0, default);
        Assert.True(await partial.VerifyAsync(default));
        await partial.CommitAsync(default);
    }
}
