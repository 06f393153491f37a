using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;

namespace Entrepot.Bench;

/// <summary>What does a lookup with a touch cost? It has to take less than 2 µs and allocate nothing. The baseline is a dictionary that remembers nothing.</summary>
[MemoryDiagnoser]
public class IndexLookup : IAsyncDisposable
{
    private const int Asked = 1 << 16;

    private readonly ConcurrentDictionary<Digest, BlobRecord> _dictionary = new();
    private Digest[] _digests = [];
    private string _path = "";
    private StoreRoot _root = null!;
    private FasterCacheIndex _index = null!;
    private int _next;

    [Params(100_000, 1_000_000)]
    public int Blobs { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        _path = Directory.CreateTempSubdirectory("entrepot-bench-").FullName;
        _root = StoreRoot.Open(_path);
        _index = new FasterCacheIndex(_root, TimeSpan.FromHours(1), TimeProvider.System, fault => throw fault);
        var random = new Random(1);
        _digests = new Digest[Asked];
        for (var i = 0; i < Blobs; i++)
        {
            var record = new BlobRecord(i, DateTimeOffset.UnixEpoch);
            _index.AddBlob(DigestOf(i), record);
            _dictionary[DigestOf(i)] = record;
        }

        for (var i = 0; i < Asked; i++) _digests[i] = DigestOf(random.Next(Blobs));
    }

    [GlobalCleanup]
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _index.DisposeAsync();
        _root.Dispose();
        Directory.Delete(_path, recursive: true);
    }

    [Benchmark(Baseline = true)]
    public bool DictionaryLookup() => _dictionary.TryGetValue(_digests[_next++ % Asked], out _);

    [Benchmark]
    public bool Lookup() => _index.FindBlob(_digests[_next++ % Asked]) is not null;

    [Benchmark]
    public bool LookupAndTouch()
    {
        var digest = _digests[_next++ % Asked];
        return _index.FindBlob(digest) is not null && _index.Touch(digest, DateTimeOffset.UnixEpoch.AddTicks(_next));
    }

    internal static Digest DigestOf(int number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        return Digest.FromHash(SHA256.HashData(bytes));
    }
}
