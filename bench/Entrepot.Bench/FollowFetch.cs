using BenchmarkDotNet.Attributes;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Bench;

/// <summary>What does following a fetch cost, beside copying the same bytes from memory?</summary>
/// <remarks>
/// Upstream and store are in memory and the store does not hash (see <see cref="HashAndWrite"/>), so what is left is the fetch itself: its pipe,
/// its lock, its wake-ups. Every follower reads at most 64 KiB at a time, that is, the whole blob in 256 reads or more.
/// </remarks>
[MemoryDiagnoser]
public class FollowFetch
{
    private const int Size = 16 << 20;
    private const int Chunk = 64 << 10;

    private readonly byte[] _content = new byte[Size];
    private readonly MemoryStore _store = new(Size);
    private readonly Reference _reference = new("memory", "org/app", Digest.FromHash(new byte[32]));
    private byte[][] _buffers = [];

    /// <summary>Clients that want the blob at once.</summary>
    [Params(1, 100)]
    public int Followers { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        new Random(1).NextBytes(_content);
        _buffers = [.. Enumerable.Range(0, Followers).Select(_ => new byte[Chunk])];
    }

    [Benchmark]
    public async Task Follow()
    {
        // The bytes are held back until all follow, or the last would find them in the store.
        var upstream = new MemoryUpstream(_content);
        await using var fetches = new FetchTable(_store, TimeProvider.System, 1);
        var followed = await Task.WhenAll(_buffers.Select(_ => JoinAsync(fetches, upstream)));
        var reads = followed.Zip(_buffers, ReadAsync).ToArray();
        upstream.Send();
        await Task.WhenAll(reads);
    }

    [Benchmark(Baseline = true)]
    public Task Copy() => Task.WhenAll(_buffers.Select(buffer => Task.Run(() =>
    {
        for (var position = 0; position < Size; position += Chunk) _content.AsSpan(position, Chunk).CopyTo(buffer);
    })));

    private async Task<Blob> JoinAsync(FetchTable fetches, MemoryUpstream upstream)
    {
        var follow = await fetches.Join(_reference, null, upstream).Fetch.FollowAsync(null, CancellationToken.None);
        return follow.Blob ?? throw new InvalidOperationException($"{follow.Kind}: {follow.Error?.Detail}");
    }

    private static async Task ReadAsync(Blob opened, byte[] buffer)
    {
        await using var blob = opened;
        for (var position = 0L; position < blob.Size;)
            position += await blob.ReadAsync(buffer, position, CancellationToken.None);
    }
}
