using System.Buffers.Binary;
using System.Security.Cryptography;
using Entrepot.Oci;
using Entrepot.Storage;
using Entrepot.Storage.Index;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Storage.Index;

/// <summary>A directory of its own with a store's index, opened and closed as a test likes; gone at the end.</summary>
internal sealed class IndexFolder : IAsyncDisposable
{
    /// <summary>Sizes at which everything happens early: growth, new pages, compaction.</summary>
    public static readonly IndexSizes Small = new() { TableBytes = 512, PageBytes = 1 << 14, LogBytes = 1 << 28, Sessions = 4 };

    private readonly string _path = Directory.CreateTempSubdirectory("entrepot-index-").FullName;
    private readonly IndexSizes _sizes;
    private StoreRoot? _root;

    public IndexFolder(IndexSizes? sizes = null)
    {
        _sizes = sizes ?? Small;
        Open();
    }

    public FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));

    public FasterCacheIndex Index { get; private set; } = null!;   // set by Open

    public List<Exception> Faults { get; } = [];

    public string IndexPath => Path.Combine(_path, "index");

    public string LogPath => Path.Combine(_path, "records", "log");

    public StoreRoot Root => _root!;

    public long IndexBytes => new DirectoryInfo(IndexPath).EnumerateFiles().Sum(file => file.Length);

    /// <summary>A digest that no other number has.</summary>
    public static Digest DigestOf(int number, bool isLong = false)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        return Digest.FromHash(isLong ? SHA512.HashData(bytes) : SHA256.HashData(bytes));
    }

    /// <summary>Ends in order and starts again.</summary>
    public async Task ReopenAsync(Action? between = null)
    {
        await CloseAsync();
        between?.Invoke();
        Open();
    }

    /// <summary>Starts again from what is on disk now, as after a kill.</summary>
    public async Task CrashAsync()
    {
        var copy = Directory.CreateTempSubdirectory("entrepot-crash-").FullName;
        foreach (var folder in (string[])["index", "records"])
        {
            Directory.CreateDirectory(Path.Combine(copy, folder));
            foreach (var file in Directory.EnumerateFiles(Path.Combine(_path, folder)))
                File.Copy(file, Path.Combine(copy, folder, Path.GetFileName(file)));
        }

        await CloseAsync();
        foreach (var folder in (string[])["index", "records"])
        {
            Directory.Delete(Path.Combine(_path, folder), recursive: true);
            Directory.Move(Path.Combine(copy, folder), Path.Combine(_path, folder));
        }

        Directory.Delete(copy);
        Open();
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        Directory.Delete(_path, recursive: true);
    }

    private void Open()
    {
        _root = StoreRoot.Open(_path);
        Index = new FasterCacheIndex(_root, TimeSpan.FromMinutes(1), Clock, Faults.Add, _sizes);
    }

    private async Task CloseAsync()
    {
        await Index.DisposeAsync();
        _root!.Dispose();
    }
}
