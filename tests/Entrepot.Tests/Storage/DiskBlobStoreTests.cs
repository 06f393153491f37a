using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Storage;

public sealed class DiskBlobStoreTests : BlobStoreContract, IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-store-");
    private readonly StoreRoot _root;
    private readonly MemoryIndex _index = new();
    private readonly ConcurrentQueue<Digest> _false = new();

    public DiskBlobStoreTests()
    {
        _root = StoreRoot.Open(_directory.FullName);
        Store = DiskSpaces.Store(_root, _index, _false.Enqueue);
    }

    protected override IBlobStore Store { get; }

    public void Dispose()
    {
        _root.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Commit_Blob_LiesUnderItsName()
    {
        var digest = await PutAsync(Content);

        Assert.Equal(Content, await File.ReadAllBytesAsync(Path.Combine(_directory.FullName, "blobs", "sha256", digest.Hex[..2], digest.Hex)));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(_directory.FullName, "partial")));
        Assert.Equal(Content.Length, _index.FindBlob(digest)?.Size);
        Assert.Equal(Content.Length, Assert.Single(_root.Blobs()).Size);
    }

    [Theory]
    [InlineData("tampered")]
    [InlineData("")]
    public async Task Open_FalseFile_IsRefusedRemovedAndReported(string planted)
    {
        var digest = Plant(Digest.Of("expected"u8), System.Text.Encoding.ASCII.GetBytes(planted));

        Assert.Null(await Store.OpenAsync(digest, default));

        Assert.False(File.Exists(_root.BlobPath(digest)));
        Assert.Equal([digest], _false);
        Assert.Null(_index.FindBlob(digest));
        await PutAsync("expected"u8.ToArray());
        Assert.Equal("expected"u8.ToArray(), await ContentOfAsync(digest));
    }

    [Fact]
    public async Task Open_FalseFileAndManyAskers_IsAbsentForAllAndReportedOnce()
    {
        for (var round = 0; round < 20; round++)
        {
            var digest = Plant(Digest.Of(BitConverter.GetBytes(round)), Content);

            var opened = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(async () => await Store.OpenAsync(digest, default)))).Soon();

            Assert.All(opened, Assert.Null);
            Assert.Equal(round + 1, _false.Count);
        }
    }

    [Fact]
    public async Task Open_RightFileThatTheIndexDoesNotKnow_IsServedAndRemembered()
    {
        var digest = Plant(Digest.Of(Content), Content);
        Assert.True(Store.Contains(digest));

        var opened = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(async () => await Store.OpenAsync(digest, default)))).Soon();

        foreach (var blob in opened) Assert.Equal(Content, await blob!.ReadAsync());
        foreach (var blob in opened) await blob!.DisposeAsync();
        Assert.Equal(Content.Length, _index.FindBlob(digest)?.Size);
    }

    [Fact]
    public async Task Open_FileCutShortUnderTheIndex_IsRefusedAndReported()
    {
        var digest = await PutAsync(Content);
        await File.WriteAllBytesAsync(_root.BlobPath(digest), Content[..^1]);

        Assert.Null(await Store.OpenAsync(digest, default));

        Assert.Equal([digest], _false);
        Assert.False(Store.Contains(digest));
    }

    [Fact]
    public async Task Open_FileRemovedUnderTheIndex_IsAbsent()
    {
        var digest = await PutAsync(Content);
        await using var before = await Store.OpenAsync(digest, default);
        File.Delete(_root.BlobPath(digest));

        Assert.Null(await Store.OpenAsync(digest, default));
        Assert.False(Store.Contains(digest));
        Assert.Equal(Content, await before!.ReadAsync());
        Assert.Empty(_false);
    }

    [Fact]
    public async Task Open_LinkToNowhere_IsAbsent()
    {
        var digest = Digest.Of(Content);
        Directory.CreateDirectory(Path.GetDirectoryName(_root.BlobPath(digest))!);
        File.CreateSymbolicLink(_root.BlobPath(digest), Path.Combine(_directory.FullName, "nowhere"));

        Assert.Null(await Store.OpenAsync(digest, default));
    }

    [Fact]
    public async Task Open_Cancelled_EndsTheWaitAndNotTheCheck()
    {
        var digest = Plant(Digest.Of(Content), Content);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.OpenAsync(digest, new CancellationToken(true)).AsTask());

        Assert.Equal(Content, await ContentOfAsync(digest));
    }

    [Fact]
    public async Task Open_FileHasItsNameAndItsCommitHasNotEnded_IsAbsentAtOnce()
    {
        Task<Blob?>? during = null;
        var (hadName, wasAtOnce) = (false, false);
        _index.Adding = name =>
        {
            hadName = File.Exists(_root.BlobPath(name));
            during = Store.OpenAsync(name, default).AsTask();
            wasAtOnce = during.IsCompleted;
        };

        var digest = await PutAsync(Content);

        Assert.True(hadName && wasAtOnce);
        Assert.Null(await during!.Soon());
        Assert.Equal(Content, await ContentOfAsync(digest));
    }

    [Fact]
    public async Task Commit_NamedFolderCannotBeMade_FailsAndLeavesNothing()
    {
        var digest = Digest.Of(Content);
        await File.WriteAllTextAsync(Path.GetDirectoryName(_root.BlobPath(digest))!, "in the way");
        await using (var partial = await Store.CreateAsync(digest, FillMode.Complete, default))
        {
            await partial.WriteAsync(Content, 0, default);
            await partial.VerifyAsync(default);
            await Assert.ThrowsAnyAsync<IOException>(() => partial.CommitAsync(default).AsTask());
        }

        Assert.Null(await Store.OpenAsync(digest, default));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(_directory.FullName, "partial")));
    }

    [Fact]
    public async Task Create_NameIsTakenByAFolder_FailsAndTheNextWriterCanCommit()
    {
        var folder = Directory.CreateDirectory(Path.Combine(_directory.FullName, "partial", Digest.Of(Content).Hex));

        await Assert.ThrowsAnyAsync<SystemException>(() => Store.CreateAsync(Digest.Of(Content), FillMode.Complete, default).AsTask());
        folder.Delete();

        Assert.Equal(Content, await ContentOfAsync(await PutAsync(Content)));
    }

    [Fact]
    public async Task Measure_ForeignFiles_AreNotCountedAndLeftAlone()
    {
        await PutAsync(Content);
        var foreign = Path.Combine(_directory.FullName, "blobs", "sha256", "README");
        await File.WriteAllTextAsync(foreign, "not ours");

        Assert.Equal(Content.Length, Assert.Single(_root.Blobs()).Size);
        Assert.True(File.Exists(foreign));
    }

    private Digest Plant(Digest digest, byte[] content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_root.BlobPath(digest))!);
        File.WriteAllBytes(_root.BlobPath(digest), content);
        return digest;
    }
}
