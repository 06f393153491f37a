using System.Text;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;
using Entrepot.Tests.Kit;
using Entrepot.Tests.Storage;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Tests.Pull;

/// <summary>How much is read of a disk to mark what a manifest names, whoever wrote that manifest.</summary>
public sealed class RecencyBoundsTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-recency-");
    private readonly CountedFiles _files = new();
    private readonly MemoryIndex _index = new();
    private readonly InstantClock _clock = new();
    private readonly StoreRoot _root;
    private readonly DiskBlobStore _store;

    public RecencyBoundsTests()
    {
        _root = StoreRoot.Open(_directory.FullName, _files);
        _store = DiskSpaces.Store(_root, _index, _ => { });
    }

    public void Dispose()
    {
        _root.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Pulled_IndexesThatNameTheSameManifests_ReadsEachOnce()
    {
        var images = await StoreAsync(60, i => Manifest(i, []));
        var indexes = await StoreAsync(60, i => Index(i, images));
        var root = Assert.Single(await StoreAsync(1, _ => Index(-1, indexes)));

        var opened = await OpenedByAsync(root);

        Assert.InRange(opened, 1, 1 + 60 + 60);
        Assert.All(images.Concat(indexes).Append(root), one => Assert.Equal(_clock.Now, _index.FindBlob(one)!.Value.LastAccess));
    }

    [Fact]
    public async Task Pulled_IndexesThatNameMoreThanAnImageHas_StopsThere()
    {
        const int Each = 5000;
        var indexes = await StoreAsync(30, i => Index(i, [.. Enumerable.Range(0, Each).Select(child => Digest.Of(BitConverter.GetBytes(i * Each + child)))]));
        var root = Assert.Single(await StoreAsync(1, _ => Index(-1, indexes)));

        Assert.InRange(await OpenedByAsync(root), 1, 2 + (ImageParts.Most / Each));
    }

    private static string Index(int number, IReadOnlyList<Digest> children) =>
        $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","annotations":{"number":"{{number}}"},"manifests":[{{string.Join(',', children.Select(Point))}}]}""";

    private static string Manifest(int number, IReadOnlyList<Digest> layers) =>
        $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","annotations":{"number":"{{number}}"},"layers":[{{string.Join(',', layers.Select(Point))}}]}""";

    private static string Point(Digest digest) => $$"""{"mediaType":"{{MediaTypes.OciManifest}}","digest":"{{digest}}","size":2}""";

    private async Task<int> OpenedByAsync(Digest pulled)
    {
        var before = _files.Opened;
        _clock.Now += TimeSpan.FromHours(1);
        var recency = new Recency(_store, _clock, default);
        recency.Pulled(pulled);
        await recency.EndedAsync().Soon();
        return _files.Opened - before;
    }

    private async Task<List<Digest>> StoreAsync(int count, Func<int, string> content)
    {
        var stored = new List<Digest>();
        for (var i = 0; i < count; i++)
        {
            var bytes = Encoding.UTF8.GetBytes(content(i));
            var digest = Digest.Of(bytes);
            var path = _root.BlobPath(digest);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllBytesAsync(path, bytes);
            _index.AddBlob(digest, new BlobRecord(bytes.Length, File.GetLastWriteTimeUtc(path), _clock.Now));
            stored.Add(digest);
        }

        return stored;
    }

    private sealed class CountedFiles : FileCalls
    {
        private int _opened;

        public int Opened => Volatile.Read(ref _opened);

        public override SafeFileHandle Open(string path, FileMode mode = FileMode.Open, FileAccess access = FileAccess.Read, FileOptions options = FileOptions.None)
        {
            Interlocked.Increment(ref _opened);
            return base.Open(path, mode, access, options);
        }
    }
}
