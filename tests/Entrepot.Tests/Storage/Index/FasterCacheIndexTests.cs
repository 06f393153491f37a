using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Storage.Index;

public sealed class FasterCacheIndexTests
{
    private const string MediaType = "application/vnd.oci.image.manifest.v1+json";
    private static readonly DateTimeOffset Noon = new(2026, 1, 2, 12, 0, 0, TimeSpan.Zero);
    private static readonly Reference Tag = new("docker.io", "library/alpine", "3.20");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AddBlob_Reopened_IsKnownWithItsAccess(bool isLong)
    {
        await using var folder = new IndexFolder();
        var digest = IndexFolder.DigestOf(1, isLong);
        folder.Index.AddBlob(digest, new BlobRecord(7, Noon));
        folder.Index.Touch(digest, Noon.AddHours(1));

        await folder.ReopenAsync();

        Assert.Equal(new BlobRecord(7, Noon, Noon.AddHours(1)), folder.Index.FindBlob(digest));
        Assert.Equal([new(digest, new BlobRecord(7, Noon, Noon.AddHours(1)))], folder.Index.Blobs());
        Assert.Null(folder.Index.Warning);
        Assert.Empty(folder.Faults);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task SetReferrers_ClosedOrCrashed_AreKnownWithTheirManifest(bool isCrash)
    {
        await using var folder = new IndexFolder();
        var (subject, other) = (Tag.At(IndexFolder.DigestOf(1)), Tag.At(IndexFolder.DigestOf(2)));
        foreach (var one in (Reference[])[subject, other])
        {
            await folder.Index.AddManifestAsync(one, MediaType, default);
            await folder.Index.SetReferrersAsync(one, new ReferrersRecord(IndexFolder.DigestOf(8), Noon), default);
        }

        await folder.Index.SetReferrersAsync(subject, new ReferrersRecord(IndexFolder.DigestOf(9), Noon), default);
        await folder.Index.RemoveManifestAsync(other, isLast: true, default);
        if (isCrash) await folder.CrashAsync();
        else await folder.ReopenAsync();

        Assert.Equal(new ReferrersRecord(IndexFolder.DigestOf(9), Noon), folder.Index.FindReferrers(subject));
        Assert.Null(folder.Index.FindReferrers(other));
        Assert.Null(folder.Index.FindReferrers(subject with { Repository = "library/other" }));
        Assert.Equal([subject], folder.Index.References());
        Assert.Equal([("docker.io", "library/alpine")], folder.Index.Repositories());
    }

    [Fact]
    public async Task SetReferrers_TheSameList_WritesNothingButTheTime()
    {
        await using var folder = new IndexFolder();
        var subject = Tag.At(IndexFolder.DigestOf(1));
        await folder.Index.SetReferrersAsync(subject, new ReferrersRecord(IndexFolder.DigestOf(9), Noon), default);
        var length = new FileInfo(folder.LogPath).Length;

        await folder.Index.SetReferrersAsync(subject, new ReferrersRecord(IndexFolder.DigestOf(9), Noon.AddHours(1)), default);

        Assert.Equal(length, new FileInfo(folder.LogPath).Length);
        Assert.Equal(Noon.AddHours(1), folder.Index.FindReferrers(subject)!.ValidatedAt);
    }

    [Fact]
    public async Task Touch_Unknown_SaysNo()
    {
        await using var folder = new IndexFolder();
        var manifest = IndexFolder.DigestOf(2);
        await folder.Index.AddManifestAsync(Tag.At(manifest), MediaType, default);

        Assert.False(folder.Index.Touch(IndexFolder.DigestOf(1), Noon));
        Assert.False(folder.Index.Touch(manifest, Noon));
        Assert.Null(folder.Index.FindBlob(manifest));
        Assert.Empty(folder.Index.Blobs());
    }

    [Fact]
    public async Task Touch_EarlierThanTheLastAccess_LeavesThat()
    {
        await using var folder = new IndexFolder();
        folder.Index.AddBlob(IndexFolder.DigestOf(1), new BlobRecord(7, Noon));

        Assert.True(folder.Index.Touch(IndexFolder.DigestOf(1), Noon.AddHours(-1)));

        Assert.Equal(Noon, folder.Index.FindBlob(IndexFolder.DigestOf(1))!.Value.LastAccess);
    }

    [Fact]
    public async Task RemoveBlob_OfAManifest_LeavesItsMediaType()
    {
        await using var folder = new IndexFolder();
        var digest = IndexFolder.DigestOf(1);
        await folder.Index.AddManifestAsync(Tag.At(digest), MediaType, default);
        folder.Index.AddBlob(digest, new BlobRecord(7, Noon));

        folder.Index.RemoveBlob(digest);

        Assert.Null(folder.Index.FindBlob(digest));
        Assert.Equal(MediaType, folder.Index.FindMediaType(digest));
    }

    [Fact]
    public async Task AddManifest_TwoRepositories_BothAreListed()
    {
        await using var folder = new IndexFolder();
        var digest = IndexFolder.DigestOf(1);
        await folder.Index.AddManifestAsync(new Reference("docker.io", "library/alpine", digest), MediaType, default);
        await folder.Index.AddManifestAsync(new Reference("ghcr.io", "org/app", digest), MediaType, default);

        await folder.ReopenAsync();

        Assert.Equal([("docker.io", "library/alpine"), ("ghcr.io", "org/app")], folder.Index.Repositories().Order());
    }

    [Fact]
    public async Task AddManifest_ManyThatWereEvicted_TheLogForgetsThemAndKeepsTheRest()
    {
        await using var folder = new IndexFolder();
        var kept = IndexFolder.DigestOf(-1);
        Directory.CreateDirectory(Path.GetDirectoryName(folder.Root.BlobPath(kept))!);
        File.WriteAllText(folder.Root.BlobPath(kept), "its file is there");
        await folder.Index.AddManifestAsync(Tag.At(kept), MediaType, default);

        await Parallel.ForAsync(0, 8_000, async (i, cancel) => await folder.Index.AddManifestAsync(Tag.At(IndexFolder.DigestOf(i)), MediaType, cancel));

        Assert.InRange(new FileInfo(folder.LogPath).Length, 1, 1_200_000);
        Assert.Null(folder.Index.FindMediaType(IndexFolder.DigestOf(0)));
        Assert.Equal(MediaType, folder.Index.FindMediaType(kept));
        await folder.CrashAsync();
        Assert.Equal(MediaType, folder.Index.FindMediaType(kept));
        await folder.Index.AddManifestAsync(Tag.At(IndexFolder.DigestOf(0)), MediaType, default);
        Assert.Equal(MediaType, folder.Index.FindMediaType(IndexFolder.DigestOf(0)));
    }

    [Fact]
    public async Task SetTag_OnlyValidated_IsNotWrittenButKept()
    {
        await using var folder = new IndexFolder();
        var record = new TagRecord(IndexFolder.DigestOf(1), MediaType, 500, Noon);
        await folder.Index.SetTagAsync(Tag, record, default);
        var length = new FileInfo(folder.LogPath).Length;

        await folder.Index.SetTagAsync(Tag, record with { ValidatedAt = Noon.AddMinutes(5) }, default);
        await folder.ReopenAsync();

        Assert.Equal(length, new FileInfo(folder.LogPath).Length);
        Assert.Equal(record with { ValidatedAt = Noon.AddMinutes(5) }, folder.Index.FindTag(Tag));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task SetTag_Moved_TheLastOneCounts(bool isLong)
    {
        await using var folder = new IndexFolder();
        var moved = new TagRecord(IndexFolder.DigestOf(2, isLong), MediaType, 501, Noon.AddMinutes(1));
        await folder.Index.SetTagAsync(Tag, new TagRecord(IndexFolder.DigestOf(1), MediaType, 500, Noon), default);
        await folder.Index.SetTagAsync(Tag, moved, default);

        Assert.Equal(moved, folder.Index.FindTag(Tag));
        await folder.CrashAsync();
        Assert.Equal(moved, folder.Index.FindTag(Tag));
    }

    [Fact]
    public async Task RemoveTag_AfterACheckpoint_StaysRemoved()
    {
        await using var folder = new IndexFolder();
        await folder.Index.SetTagAsync(Tag, new TagRecord(IndexFolder.DigestOf(1), MediaType, 500, Noon), default);
        await folder.Index.CheckpointAsync(default);
        await folder.Index.RemoveTagAsync(Tag, default);

        await folder.CrashAsync();

        Assert.Null(folder.Index.FindTag(Tag));
    }

    [Fact]
    public async Task Open_TheLogForgotATag_TheCheckpointDoesNotBringItBack()
    {
        await using var folder = new IndexFolder();
        await folder.Index.SetTagAsync(Tag, new TagRecord(IndexFolder.DigestOf(1), MediaType, 500, Noon), default);

        await folder.ReopenAsync(() => File.Delete(folder.LogPath));

        Assert.Null(folder.Index.FindTag(Tag));
    }

    [Fact]
    public async Task Start_AMinuteLater_HasWrittenACheckpoint()
    {
        await using var folder = new IndexFolder();
        folder.Index.Start();
        folder.Index.AddBlob(IndexFolder.DigestOf(1), new BlobRecord(7, Noon));
        using var watcher = new FileSystemWatcher(folder.IndexPath, "seal") { EnableRaisingEvents = true };
        var written = new TaskCompletionSource();
        watcher.Renamed += (_, _) => written.TrySetResult();

        folder.Clock.Advance(TimeSpan.FromMinutes(1));
        await written.Task.WaitAsync(TimeSpan.FromSeconds(30));

        await folder.CrashAsync();
        Assert.NotNull(folder.Index.FindBlob(IndexFolder.DigestOf(1)));
    }
}
