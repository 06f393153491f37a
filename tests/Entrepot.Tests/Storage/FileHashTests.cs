using Entrepot.Oci;
using Entrepot.Storage;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Storage;

/// <summary>Hashing a file again leaves memory as it was.</summary>
public sealed class FileHashTests : IDisposable
{
    private const int Piece = 1 << 20;

    private readonly string _path = Path.Combine(Directory.CreateTempSubdirectory("entrepot-hash-").FullName, "file");
    private readonly byte[] _content = Waiting.Bytes(4 * Piece);

    public FileHashTests()
    {
        using var file = File.OpenHandle(_path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite);
        RandomAccess.Write(file, _content, 0);
        RandomAccess.FlushToDisk(file);
    }

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_path)!, recursive: true);

    [Fact]
    public async Task Of_PartlyInMemory_KeepsThatAndBringsNoMoreThere()
    {
        using var file = File.OpenHandle(_path, options: FileOptions.RandomAccess);
        PageCache.Forget(file, 0, _content.Length);
        if (PageCache.Held(file, 2 * Piece, Piece) == Piece) return;   // a file system that is memory
        RandomAccess.Read(file, new byte[Piece], Piece);
        var hashed = 0L;

        var (name, size) = await FileHash.OfAsync(new FileCalls(), file, Digest.Of([]), Count, default);

        Assert.Equal((Digest.Of(_content), _content.Length, _content.Length), (name, size, hashed));
        Assert.Equal(Piece, PageCache.Held(file, Piece, Piece));
        Assert.Null(PageCache.TryRead(file, new byte[1], Piece / 2));
        Assert.Null(PageCache.TryRead(file, new byte[1], 3 * Piece + Piece / 2));

        ValueTask Count(int count)
        {
            hashed += count;
            return default;
        }
    }
}
