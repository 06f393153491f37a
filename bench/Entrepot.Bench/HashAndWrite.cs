using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;

namespace Entrepot.Bench;

/// <summary>What does storing a blob cost beside hashing it, and what does making it durable add?</summary>
/// <remarks>The store is in the system's folder for temporary files, so the disk (or memory) under that decides.</remarks>
[MemoryDiagnoser]
public class HashAndWrite : IAsyncDisposable
{
    private const int Size = 64 << 20;
    private const int Chunk = 64 << 10;

    private readonly byte[] _content = new byte[Size];
    private Digest _digest;
    private DirectoryInfo _folder = null!;   // set by Setup, like all below
    private StoreRoot _root = null!;
    private FasterCacheIndex _index = null!;
    private DiskBlobStore _store = null!;

    [GlobalSetup]
    public void Setup()
    {
        new Random(1).NextBytes(_content);
        _digest = Digest.Of(_content);
        _folder = Directory.CreateTempSubdirectory("entrepot-bench-");
        _root = StoreRoot.Open(_folder.FullName);
        _index = new FasterCacheIndex(_root, TimeSpan.FromHours(1), TimeProvider.System, _ => { });
        var space = new DiskSpace(_root, _index, new LruPolicy(), limit: 1L << 40, minFree: 0);
        space.MeasureAsync(default).GetAwaiter().GetResult();
        _store = new DiskBlobStore(_root, _index, space, TimeProvider.System, digest => throw new InvalidDataException($"the file of {digest} is false"));
    }

    [GlobalCleanup]
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _index.DisposeAsync();
        _root.Dispose();
        _folder.Delete(recursive: true);
    }

    [Benchmark(Baseline = true, Description = "SHA256.HashData")]
    public byte[] Hash() => SHA256.HashData(_content);

    [Benchmark(Description = "Write and verify")]
    public async Task WriteAndVerify()
    {
        await using var partial = await WriteAsync();
    }

    [Benchmark(Description = "Write, verify and commit")]
    public async Task WriteVerifyAndCommit()
    {
        await using var partial = await WriteAsync();
        await partial.CommitAsync(CancellationToken.None);
    }

    private async Task<IPartialBlob> WriteAsync()
    {
        var partial = await _store.CreateAsync(_digest, FillMode.Complete, CancellationToken.None);
        for (var position = 0; position < Size; position += Chunk)
            await partial.WriteAsync(_content.AsMemory(position, Chunk), position, CancellationToken.None);
        return await partial.VerifyAsync(CancellationToken.None) ? partial : throw new InvalidDataException("what was written is not what was given");
    }
}
