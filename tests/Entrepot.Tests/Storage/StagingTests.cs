using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;
using Entrepot.Tests.Kit;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Tests.Storage;

/// <summary>Blobs of imports on a real disk, before and after they get their names.</summary>
public sealed class StagingTests : IAsyncLifetime, IAsyncDisposable
{
    private const int Size = 10 * 4096;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-staging-");
    private readonly FlushCalls _files = new();
    private readonly StoreRoot _root;
    private readonly MemoryIndex _index = new();
    private readonly List<Digest> _false = [];
    private DiskSpace _space = null!;   // these three: set by Start
    private DiskBlobStore _store = null!;
    private Staging _staging = null!;

    public StagingTests()
    {
        _root = StoreRoot.Open(_directory.FullName, _files);
        Start();
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _staging.DisposeAsync();
        _root.Dispose();
        _directory.Delete(recursive: true);
    }

    Task IAsyncLifetime.DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task Write_RightBytes_AreThereUnderNoName()
    {
        var (digest, content) = Blob(1);

        Assert.Equal((true, true), await WriteAsync(digest, content));

        Assert.True(_staging.Has(digest));
        Assert.False(_store.Contains(digest));
        Assert.Null(await _store.OpenAsync(digest, default));
        Assert.Equal(content, (await _staging.ReadAsync(digest, default)).ToArray());
        Assert.Equal((0, Size), (_space.Usage.Blobs, _space.Usage.Reserved));
    }

    [Fact]
    public async Task Place_AfterWriting_IsABlobWithTheSameRoom()
    {
        var (digest, content) = Blob(1);
        await WriteAsync(digest, content);

        await _staging.PlaceAsync([digest]);

        Assert.False(_staging.Has(digest));
        await using var blob = await _store.OpenAsync(digest, default);
        Assert.Equal(content, await blob!.ReadAsync());
        Assert.Equal((1, Size, 0), (_space.Usage.Blobs, _space.Usage.Used, _space.Usage.Reserved));
        Assert.Empty(Directory.EnumerateFiles(_root.Staging));
    }

    [Fact]
    public async Task Write_WrongBytes_LeavesNothingAndTheRoomToTheCaller()
    {
        var (digest, content) = Blob(1);
        content[5] ^= 1;

        Assert.Equal((false, false), await WriteAsync(digest, content));

        Assert.False(_staging.Has(digest));
        Assert.Empty(Directory.EnumerateFiles(_root.Staging));
        Assert.Equal(Size, _space.Usage.Reserved);
        _staging.Release(Size);
        Assert.Equal(0, _space.Usage.Reserved);
    }

    [Fact]
    public async Task Write_EndsTooEarly_LeavesNothing()
    {
        var (digest, content) = Blob(1);

        await Assert.ThrowsAsync<EndOfStreamException>(() => WriteAsync(digest, content[..100]));

        Assert.Empty(Directory.EnumerateFiles(_root.Staging));
    }

    [Fact]
    public async Task Write_Twice_IsThereOnceAndSaysSo()
    {
        var (digest, content) = Blob(1);
        await WriteAsync(digest, content);

        Assert.Equal((true, false), await WriteAsync(digest, content));
        await _staging.DropAsync(digest);

        Assert.Empty(Directory.EnumerateFiles(_root.Staging));
        Assert.Equal(Size, _space.Usage.Reserved);   // of the second, which was not used up
    }

    [Fact]
    public async Task Drop_AfterAFlushThatFailed_LeavesNoFileAndNoRoom()
    {
        var (digest, content) = Blob(1);
        _files.IsRefusing = true;
        await WriteAsync(digest, content);

        await Assert.ThrowsAsync<IOException>(() => _staging.PlaceAsync([digest]));
        await _staging.DropAsync(digest);

        Assert.Empty(Directory.EnumerateFiles(_root.Staging));
        Assert.Equal(0, _space.Usage.Reserved);
    }

    [Fact]
    public async Task Verify_AfterAFlushThatFailed_LetsItBeWrittenAgain()
    {
        var (digest, content) = Blob(1);
        _files.IsRefusing = true;
        await WriteAsync(digest, content);
        await Assert.ThrowsAsync<IOException>(() => _staging.PlaceAsync([digest]));
        _files.IsRefusing = false;

        Assert.False(await _staging.VerifyAsync(digest, default));
        Assert.Equal((true, true), await WriteAsync(digest, content));
        Assert.True(await _staging.VerifyAsync(digest, default));
        await _staging.PlaceAsync([digest]);

        Assert.True(_store.Contains(digest));
        Assert.Equal(0, _space.Usage.Reserved);
    }

    [Fact]
    public async Task Place_BesideAPartThatRests_TakesItsPlace()
    {
        var (digest, content) = Blob(1);
        await using (var partial = await _store.CreateAsync(digest, FillMode.Complete, default))
        {
            partial.Describe(Size, null);
            await partial.WriteAsync(content.AsMemory(0, 100), 0, default);
            Assert.True(await partial.RestAsync(default));
        }

        await WriteAsync(digest, content);
        await _staging.PlaceAsync([digest]);

        Assert.Empty(Directory.EnumerateFiles(_root.Partial));
        Assert.Equal((1, 0, Size, 0), (_space.Usage.Blobs, _space.Usage.Partials, _space.Usage.Used, _space.Usage.Reserved));
    }

    [Fact]
    public async Task Start_WithLeftovers_KeepsWholeOnesWithTheirRoomAndBelievesThemWhenHashed()
    {
        var (right, content) = Blob(1);
        var (wrong, _) = Blob(2);
        await WriteAsync(right, content);
        await _staging.DisposeAsync();
        await File.WriteAllBytesAsync(_root.StagedPath(wrong), new byte[Size]);

        Start();

        Assert.Equal(new[] { _root.StagedPath(right), _root.StagedPath(wrong) }.Order(), Directory.EnumerateFiles(_root.Staging).Order());
        Assert.Equal(2 * Size, _space.Usage.Reserved);
        Assert.False(_staging.Has(right));
        Assert.True(await _staging.VerifyAsync(right, default));
        Assert.False(await _staging.VerifyAsync(wrong, default));
        Assert.Equal(Size, _space.Usage.Reserved);
        await _staging.PlaceAsync([right]);
        Assert.True(_store.Contains(right));
    }

    [Fact]
    public async Task Room_Overhead_LeavesStagedBlobsOut()
    {
        var before = _root.MeasureOverhead();
        var (digest, content) = Blob(1);
        await WriteAsync(digest, content);
        _ = await _staging.ReadAsync(digest, default);

        Assert.Equal(before, _root.MeasureOverhead());
        Assert.Equal(_space.Usage.Limit - _space.Usage.Overhead - Size, _staging.Room.UnderLimit);
    }

    private void Start()
    {
        _space = DiskSpaces.Large(_root, _index);
        _store = new DiskBlobStore(_root, _index, _space, TimeProvider.System, _false.Add);
        _staging = new Staging(_root, _store, _space, TimeProvider.System);
    }

    private async Task<(bool, bool)> WriteAsync(Digest digest, byte[] content)
    {
        Assert.True(await _staging.TryReserveAsync(Size, default));
        return await _staging.WriteAsync(digest, Size, new MemoryStream(content), default);
    }

    private static (Digest Digest, byte[] Content) Blob(int seed)
    {
        var content = new byte[Size];
        new Random(seed).NextBytes(content);
        return (Digest.Of(content), content);
    }

    private sealed class FlushCalls : FileCalls
    {
        public bool IsRefusing { get; set; }

        public override void Flush(SafeFileHandle file)
        {
            if (IsRefusing) throw new IOException("scripted");
            base.Flush(file);
        }
    }
}
