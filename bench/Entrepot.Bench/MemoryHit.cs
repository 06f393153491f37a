using BenchmarkDotNet.Attributes;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;

namespace Entrepot.Bench;

/// <summary>What does a hit cost between the request's target and the response, from memory and from the disk? By digest, memory has to allocate nothing.</summary>
[MemoryDiagnoser]
public class MemoryHit : IAsyncDisposable
{
    private const int ManifestBytes = 1500;

    private readonly byte[] _content = new byte[ManifestBytes];
    private readonly MemoryUpstream _upstream = new([]);
    private string _path = "";
    private StoreRoot _root = null!;
    private FasterCacheIndex _index = null!;
    private FetchTable _fetches = null!;
    private PullThrough _remembers = null!;
    private PullThrough _forgets = null!;
    private Reference _tag;
    private Reference _digest;

    [GlobalSetup]
    public async Task Setup()
    {
        _path = Directory.CreateTempSubdirectory("entrepot-bench-").FullName;
        _root = StoreRoot.Open(_path);
        _index = new FasterCacheIndex(_root, TimeSpan.FromHours(1), TimeProvider.System, fault => throw fault);
        var space = new DiskSpace(_root, _index, new LruPolicy(), 1 << 30, 0);
        var store = new DiskBlobStore(_root, _index, space, TimeProvider.System, _ => { });
        await space.MeasureAsync(default);
        _fetches = new FetchTable(store, TimeProvider.System, 1);
        (_remembers, _forgets) = (Pulls(store, 1 << 20), Pulls(store, 0));

        var digest = Digest.Of(_content);
        _tag = new Reference(_upstream.Name, "library/alpine", "3.20");
        _digest = _tag.At(digest);
        await using (var partial = await store.CreateAsync(digest, FillMode.Complete, default))
        {
            await partial.ReserveAsync(ManifestBytes, default);
            await partial.WriteAsync(_content, 0, default);
            await partial.VerifyAsync(default);
            await partial.CommitAsync(default);
        }

        await _index.AddManifestAsync(_digest, MediaTypes.OciManifest, default);
        await _index.SetTagAsync(_tag, new TagRecord(digest, MediaTypes.OciManifest, ManifestBytes, TimeProvider.System.GetUtcNow()), default);
        await _remembers.GetManifestAsync(_tag, false, default);
    }

    [GlobalCleanup]
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _remembers.DisposeAsync();
        await _forgets.DisposeAsync();
        await _fetches.DisposeAsync();
        await _index.DisposeAsync();
        _root.Dispose();
        Directory.Delete(_path, recursive: true);
    }

    [Benchmark(Baseline = true)]
    public Task<Pulled<ManifestContent>> DiskByDigest() => _forgets.GetManifestAsync(_digest, false, default);

    [Benchmark]
    public bool ByDigest() => Is(_digest, false);

    [Benchmark]
    public bool ByTag() => Is(_tag, false);

    [Benchmark]
    public bool HeadByTag() => Is(_tag, true);

    private bool Is(Reference reference, bool headOnly) => _remembers.TryGetManifest(reference, headOnly, out _)
        ? true
        : throw new InvalidOperationException("it is not in memory");

    private PullThrough Pulls(DiskBlobStore store, long memory) =>
        new(store, _index, _fetches, new MemoryCache(memory), [_upstream], TimeProvider.System, (_, fault) => throw fault);
}
