using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Storage.Index;

public sealed class CheckpointTests
{
    private const string MediaType = "application/vnd.oci.image.index.v1+json";
    private static readonly DateTimeOffset Noon = new(2026, 1, 2, 12, 0, 0, TimeSpan.Zero);
    private static readonly Reference Tag = new("docker.io", "library/alpine", "3.20");

    [Fact]
    public async Task Open_IndexDeleted_FindsTagsMediaTypesAndRepositories()
    {
        await using var folder = new IndexFolder();
        var tag = await FillAsync(folder);

        await folder.ReopenAsync(() => Directory.Delete(folder.IndexPath, recursive: true));

        Assert.Null(folder.Index.Warning);
        Assert.Equal(tag, folder.Index.FindTag(Tag));
        Assert.Equal(MediaType, folder.Index.FindMediaType(tag.Digest));
        Assert.Equal([(Tag.Upstream, Tag.Repository)], folder.Index.Repositories());
        Assert.Empty(folder.Index.Blobs());
    }

    [Theory]
    [InlineData("seal", 0)]
    [InlineData("seal", 200)]
    [InlineData("blobs-*.table", 64)]
    [InlineData("blobs-*.log", 100)]
    [InlineData("references-*.table", 8)]
    [InlineData("references-*.log", 100)]
    public async Task Open_AByteIsWrong_StartsEmptyWithAWarning(string file, int at)
    {
        await using var folder = new IndexFolder();
        var tag = await FillAsync(folder);

        await folder.ReopenAsync(() => Spoil(folder, file, at));

        Assert.NotNull(folder.Index.Warning);
        Assert.Empty(folder.Index.Blobs());
        Assert.Equal(tag, folder.Index.FindTag(Tag));
        await CheckRecoversAsync(folder);
    }

    [Theory]
    [InlineData("seal")]
    [InlineData("blobs-*.table")]
    [InlineData("blobs-*.log")]
    public async Task Open_AFileIsTorn_StartsEmptyWithAWarning(string file)
    {
        await using var folder = new IndexFolder();
        var tag = await FillAsync(folder);

        await folder.ReopenAsync(() =>
        {
            using var torn = File.OpenHandle(Find(folder, file), access: FileAccess.Write);
            RandomAccess.SetLength(torn, RandomAccess.GetLength(torn) / 2);
        });

        Assert.NotNull(folder.Index.Warning);
        Assert.Equal(tag, folder.Index.FindTag(Tag));
        await CheckRecoversAsync(folder);
    }

    [Fact]
    public async Task Open_AFileIsMissing_StartsEmptyWithAWarning()
    {
        await using var folder = new IndexFolder();
        await FillAsync(folder);

        await folder.ReopenAsync(() => File.Delete(Find(folder, "blobs-*.log")));

        Assert.NotNull(folder.Index.Warning);
        await CheckRecoversAsync(folder);
    }

    [Fact]
    public async Task Open_IndexIsAFile_StartsWithAWarningAndGoesOn()
    {
        await using var folder = new IndexFolder();
        var tag = await FillAsync(folder);

        await folder.ReopenAsync(() =>
        {
            Directory.Delete(folder.IndexPath, recursive: true);
            File.WriteAllText(folder.IndexPath, "not a directory");
        });

        Assert.NotNull(folder.Index.Warning);
        Assert.Equal(tag, folder.Index.FindTag(Tag));
        folder.Index.AddBlob(IndexFolder.DigestOf(5), new BlobRecord(5, Noon));
        await Assert.ThrowsAnyAsync<IOException>(() => folder.Index.CheckpointAsync(default).AsTask());
        Assert.NotNull(folder.Index.FindBlob(IndexFolder.DigestOf(5)));
    }

    [Fact]
    public async Task Checkpoint_TheDirectoryWasGone_TheNextOneIsWhole()
    {
        await using var folder = new IndexFolder();
        await FillAsync(folder);
        Directory.Delete(folder.IndexPath, recursive: true);
        File.WriteAllText(folder.IndexPath, "in the way");
        await Assert.ThrowsAnyAsync<IOException>(() => folder.Index.CheckpointAsync(default).AsTask());
        File.Delete(folder.IndexPath);

        await folder.Index.CheckpointAsync(default);
        await folder.CrashAsync();

        Assert.Null(folder.Index.Warning);
        Assert.Equal(3, folder.Index.Blobs().Count());
    }

    [Fact]
    public async Task Checkpoint_CannotBeSealed_LeavesTheOneBefore()
    {
        await using var folder = new IndexFolder();
        await FillAsync(folder);
        await folder.Index.CheckpointAsync(default);
        var before = Directory.GetFiles(folder.IndexPath).Order();
        Directory.CreateDirectory(Path.Combine(folder.IndexPath, "seal.new"));

        await Assert.ThrowsAnyAsync<IOException>(() => folder.Index.CheckpointAsync(default).AsTask());

        Assert.Equal(before, Directory.GetFiles(folder.IndexPath).Order());
        await folder.CrashAsync();
        Assert.Null(folder.Index.Warning);
        Assert.Equal(3, folder.Index.Blobs().Count());
    }

    [Fact]
    public async Task Checkpoint_LeftoversOfACrash_AreRemovedAndForeignFilesAreNot()
    {
        await using var folder = new IndexFolder();
        await FillAsync(folder);

        await folder.ReopenAsync(() =>
        {
            File.WriteAllText(Path.Combine(folder.IndexPath, $"blobs-{Guid.NewGuid():N}.log"), "half");
            File.WriteAllText(Path.Combine(folder.IndexPath, "seal.new"), "half");
            File.WriteAllText(Path.Combine(folder.IndexPath, "note.txt"), "somebody's");
        });

        Assert.Null(folder.Index.Warning);
        Assert.Equal(6, Directory.GetFiles(folder.IndexPath).Length);   // the seal, two files a table, the note
    }

    [Fact]
    public async Task Checkpoint_TenRoundsOfTouches_StaysSmall()
    {
        await using var folder = new IndexFolder(new());
        const int Blobs = 100_000;
        const int RowBytes = 8 + 40 + 32;
        for (var i = 0; i < Blobs; i++) folder.Index.AddBlob(IndexFolder.DigestOf(i), new BlobRecord(i, Noon));

        for (var round = 1; round <= 10; round++)
        {
            var checkpoint = folder.Index.CheckpointAsync(default).AsTask();
            for (var i = 0; i < Blobs; i++) Assert.True(folder.Index.Touch(IndexFolder.DigestOf(i), Noon.AddMinutes(round)));
            await checkpoint;
            Assert.InRange(folder.IndexBytes, Blobs * RowBytes, 3 * Blobs * RowBytes + 4_000_000);
        }

        await folder.ReopenAsync();
        Assert.InRange(folder.IndexBytes, Blobs * RowBytes, 3 * Blobs * RowBytes + 4_000_000);
        Assert.Equal(Blobs, folder.Index.Blobs().Count(blob => blob.Value.LastAccess == Noon.AddMinutes(10)));
    }

    [Fact]
    public async Task Checkpoint_BlobsComeAndGo_StaysSmall()
    {
        await using var folder = new IndexFolder();
        const int Alive = 1_000;
        for (var i = 0; i < 50_000; i++)
        {
            folder.Index.AddBlob(IndexFolder.DigestOf(i), new BlobRecord(i, Noon));
            if (i >= Alive) folder.Index.RemoveBlob(IndexFolder.DigestOf(i - Alive));
            if (i % 5_000 == 0) await folder.Index.CheckpointAsync(default);
        }

        await folder.ReopenAsync();

        Assert.InRange(folder.IndexBytes, 1, 600_000);
        Assert.Equal(Alive, folder.Index.Blobs().Select(blob => blob.Key).Distinct().Count());
        Assert.Equal(Alive, folder.Index.Blobs().Count());
    }

    private static async Task<TagRecord> FillAsync(IndexFolder folder)
    {
        var tag = new TagRecord(IndexFolder.DigestOf(1), MediaType, 500, Noon);
        await folder.Index.SetTagAsync(Tag, tag, default);
        await folder.Index.AddManifestAsync(Tag.At(tag.Digest), MediaType, default);
        for (var i = 1; i <= 3; i++) folder.Index.AddBlob(IndexFolder.DigestOf(i), new BlobRecord(i, Noon));
        return tag;
    }

    // It must be as good as new: a blob that is added now is there after the next start.
    private static async Task CheckRecoversAsync(IndexFolder folder)
    {
        folder.Index.AddBlob(IndexFolder.DigestOf(9), new BlobRecord(9, Noon));
        await folder.ReopenAsync();
        Assert.Null(folder.Index.Warning);
        Assert.Equal([IndexFolder.DigestOf(9)], folder.Index.Blobs().Select(blob => blob.Key));
    }

    private static string Find(IndexFolder folder, string pattern) => Directory.EnumerateFiles(folder.IndexPath, pattern).Single();

    private static void Spoil(IndexFolder folder, string pattern, int at)
    {
        var path = Find(folder, pattern);
        var bytes = File.ReadAllBytes(path);
        bytes[at] ^= 1;
        File.WriteAllBytes(path, bytes);
    }
}
