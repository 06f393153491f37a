using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Storage;

/// <summary>Blobs whose names the disk does not take, or does not keep: they are not found afterwards, and can be committed anew.</summary>
public sealed class CommitFaultTests : IDisposable
{
    private const int Small = 1000;
    private const int Large = (int)Commits.SmallBytes + 1;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-commits-");
    private readonly RefusingFiles _files = new();
    private readonly MemoryIndex _index = new();
    private readonly StoreRoot _root;
    private readonly DiskSpace _space;
    private readonly DiskBlobStore _store;

    public CommitFaultTests()
    {
        _root = StoreRoot.Open(_directory.FullName, _files);
        _space = DiskSpaces.Large(_root, _index);
        _store = new DiskBlobStore(_root, _index, _space, TimeProvider.System, _ => { });
    }

    public void Dispose()
    {
        _root.Dispose();
        _directory.Delete(recursive: true);
    }

    [Theory]
    [InlineData(Small)]
    [InlineData(Large)]
    public async Task Commit_CannotBeNamed_IsNotFoundAndLeavesNothing(int size)
    {
        _files.RefusesName = _ => true;

        await FailsAsync(size);

        await IsAbsentAsync(size);
        await IsCommittedAnewAsync(size);
    }

    [Theory]
    [InlineData(Small)]
    [InlineData(Large)]
    public async Task Commit_DirectoryCannotBeFlushed_IsNotFoundAndLeavesNothing(int size)
    {
        Directory.CreateDirectory(FolderOf(size));
        _files.RefusesDirectory = path => path == FolderOf(size);

        await FailsAsync(size);

        await IsAbsentAsync(size);
        await IsCommittedAnewAsync(size);
    }

    [Fact]
    public async Task Commit_DirectoryCannotBeFlushed_ReadersHaveTheBytesToTheEnd()
    {
        _files.RefusesDirectory = path => path == FolderOf(Small);
        await using var partial = await WrittenAsync(Small);
        await using var reader = partial.OpenReader(Small);

        await Assert.ThrowsAsync<IOException>(() => partial.CommitAsync(default).Soon());

        Assert.Equal(Waiting.Bytes(Small), await reader.ReadAsync());
    }

    [Fact]
    public async Task Commit_NewDirectoryIsNotDurable_FlushesItsNameBeforeTheNext()
    {
        var parent = Path.GetDirectoryName(FolderOf(Small))!;
        _files.RefusesDirectory = path => path == parent;
        await FailsAsync(Small);
        Assert.True(Directory.Exists(FolderOf(Small)));

        await FailsAsync(Small);   // though the directory is there now

        await IsAbsentAsync(Small);
        await IsCommittedAnewAsync(Small);
    }

    private static Digest DigestOf(int size) => Digest.Of(Waiting.Bytes(size));

    private string FolderOf(int size) => Path.GetDirectoryName(_root.BlobPath(DigestOf(size)))!;

    private async Task FailsAsync(int size)
    {
        await using var partial = await WrittenAsync(size);
        await Assert.ThrowsAsync<IOException>(() => partial.CommitAsync(default).Soon());
    }

    private async Task IsAbsentAsync(int size)
    {
        Assert.False(_store.Contains(DigestOf(size)));
        Assert.Null(await _store.OpenAsync(DigestOf(size), default));
        Assert.Null(_index.FindBlob(DigestOf(size)));
        Assert.False(_space.Contains(DigestOf(size)));
        Assert.Empty(_root.Blobs());
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(_directory.FullName, "partial")));
    }

    private async Task IsCommittedAnewAsync(int size)
    {
        (_files.RefusesName, _files.RefusesDirectory) = (_ => false, _ => false);
        await using (var partial = await WrittenAsync(size)) await partial.CommitAsync(default).Soon();
        await using var blob = await _store.OpenAsync(DigestOf(size), default);
        Assert.Equal(Waiting.Bytes(size), await blob!.ReadAsync());
        Assert.True(_space.Contains(DigestOf(size)));
    }

    private async Task<IPartialBlob> WrittenAsync(int size)
    {
        var partial = await _store.CreateAsync(DigestOf(size), FillMode.Complete, default);
        await partial.WriteAsync(Waiting.Bytes(size), 0, default);
        Assert.True(await partial.VerifyAsync(default));
        return partial;
    }
}
