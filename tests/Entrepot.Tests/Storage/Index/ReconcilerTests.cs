using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;

namespace Entrepot.Tests.Storage.Index;

public sealed class ReconcilerTests
{
    private static readonly byte[] Content = "what a blob holds"u8.ToArray();
    private static readonly Digest Name = Digest.Of(Content);

    [Fact]
    public async Task Run_UnknownFile_IsVerifiedAndKnown()
    {
        await using var scene = new Scene();
        scene.Plant(Name, Content);

        await scene.Reconciler.RunAsync(default);

        Assert.Equal(new ReconcileProgress(1, 1, 0, 0, 0, 0, true), scene.Reconciler.Progress);
        Assert.Equal(Content.Length, scene.Index.FindBlob(Name)!.Value.Size);
        Assert.Empty(scene.Foreign);
    }

    [Fact]
    public async Task Run_FalseFile_IsRemoved()
    {
        await using var scene = new Scene();
        scene.Plant(Name, Content.AsSpan(1));

        await scene.Reconciler.RunAsync(default);

        Assert.Equal(new ReconcileProgress(1, 0, 1, 0, 0, 0, true), scene.Reconciler.Progress);
        Assert.Null(scene.Index.FindBlob(Name));
        Assert.False(File.Exists(scene.Root.BlobPath(Name)));
        Assert.Equal([Name], scene.False);
    }

    [Fact]
    public async Task Run_RecordWithoutAFile_IsForgotten()
    {
        await using var scene = new Scene();
        scene.Index.AddBlob(Name, new BlobRecord(Content.Length, DateTimeOffset.UnixEpoch));

        await scene.Reconciler.RunAsync(default);

        Assert.Equal(new ReconcileProgress(0, 0, 0, 0, 0, 1, true), scene.Reconciler.Progress);
        Assert.Null(scene.Index.FindBlob(Name));
    }

    [Fact]
    public async Task Run_KnownFile_IsNotReadAgain()
    {
        await using var scene = new Scene();
        scene.Plant(Name, new byte[Content.Length]);   // false, so reading it would remove it
        scene.Index.AddBlob(Name, new BlobRecord(Content.Length, DateTimeOffset.UnixEpoch));

        await scene.Reconciler.RunAsync(default);

        Assert.Equal(new ReconcileProgress(1, 0, 0, 0, 0, 0, true), scene.Reconciler.Progress);
        Assert.True(File.Exists(scene.Root.BlobPath(Name)));
    }

    [Fact]
    public async Task Run_ForeignFiles_AreToldOnceAndLeftAlone()
    {
        await using var scene = new Scene();
        string[] foreign =
        [
            Path.Combine(scene.Root.Path, "blobs", "note.txt"),
            Path.Combine(scene.Root.Path, "blobs", "sha256", Name.Hex),
            Path.Combine(scene.Root.Path, "blobs", "sha256", Name.Hex[..2], $"{Name.Hex}.bak"),
        ];
        Directory.CreateDirectory(Path.GetDirectoryName(foreign[2])!);
        foreach (var path in foreign) await File.WriteAllBytesAsync(path, Content);

        await scene.Reconciler.RunAsync(default);

        Assert.Equal(new ReconcileProgress(3, 0, 0, 0, 3, 0, true), scene.Reconciler.Progress);
        Assert.Equal(3, Assert.Single(scene.Foreign).Count);
        Assert.Contains(scene.Foreign[0].Path, foreign);
        Assert.All(foreign, path => Assert.True(File.Exists(path)));
    }

    [Fact]
    public async Task Run_Unreadable_GoesOnWithTheRest()
    {
        await using var scene = new Scene();
        Directory.CreateDirectory(Path.GetDirectoryName(scene.Root.BlobPath(Name))!);
        File.CreateSymbolicLink(scene.Root.BlobPath(Name), scene.Root.BlobPath(Name));   // leads nowhere, so opening it fails
        scene.Plant(Digest.Of("another"u8), "another"u8);

        await scene.Reconciler.RunAsync(default);

        Assert.Equal(2, scene.Reconciler.Progress.Files);
        Assert.Equal(1, scene.Reconciler.Progress.Verified);
        Assert.True(scene.Reconciler.Progress.IsDone);
    }

    [Fact]
    public async Task Run_Cancelled_EndsBeforeTheNextFile()
    {
        await using var scene = new Scene();
        scene.Plant(Name, Content);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => scene.Reconciler.RunAsync(new CancellationToken(canceled: true)));

        Assert.False(scene.Reconciler.Progress.IsDone);
        Assert.Null(scene.Index.FindBlob(Name));
    }

    /// <summary>A store with its index, and a reconciliation of it.</summary>
    private sealed class Scene : IAsyncDisposable
    {
        public Scene()
        {
            Root = StoreRoot.Open(Directory.CreateTempSubdirectory("entrepot-reconcile-").FullName);
            Index = new FasterCacheIndex(Root, TimeSpan.FromMinutes(1), TimeProvider.System, _ => { }, IndexFolder.Small);
            Reconciler = new Reconciler(Root, DiskSpaces.Store(Root, Index, False.Add), Index, (count, path) => Foreign.Add((count, path)));
        }

        public StoreRoot Root { get; }

        public FasterCacheIndex Index { get; }

        public Reconciler Reconciler { get; }

        public List<Digest> False { get; } = [];

        public List<(int Count, string Path)> Foreign { get; } = [];

        public void Plant(Digest digest, ReadOnlySpan<byte> content)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Root.BlobPath(digest))!);
            File.WriteAllBytes(Root.BlobPath(digest), content);
        }

        public async ValueTask DisposeAsync()
        {
            await Index.DisposeAsync();
            Root.Dispose();
            Directory.Delete(Root.Path, recursive: true);
        }
    }
}
