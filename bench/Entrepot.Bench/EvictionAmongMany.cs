using BenchmarkDotNet.Attributes;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Bench;

/// <summary>Does it take longer to evict, or to mark a blob as used, when there are more of them?</summary>
/// <remarks>
/// The quota is full: each reservation of one blob evicts one, which is then admitted again, so that the number of residents stays.
/// Their order has nothing to do with their places in memory, as after some days of pulls: among a million, each step misses the processor's
/// caches, which is what the rows differ by. The baseline is the dictionary of list nodes of the textbooks, which does half of what an eviction does.
/// </remarks>
[MemoryDiagnoser]
public class EvictionAmongMany
{
    private readonly List<Victim> _victims = new(1);
    private readonly LinkedList<Digest> _list = [];
    private readonly Dictionary<Digest, LinkedListNode<Digest>> _nodes = [];
    private Digest[] _digests = [];
    private Quota _quota = null!;
    private int _next;

    [Params(10_000, 1_000_000)]
    public int Residents { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        var random = new Random(1);
        var hash = new byte[32];
        _digests = new Digest[Residents];
        _quota = new Quota(new LruPolicy(), Residents * Quota.BlockSize);
        for (var i = 0; i < Residents; i++)
        {
            random.NextBytes(hash);
            _digests[i] = Digest.FromHash(hash);
            _quota.Adopt(_digests[i], Quota.BlockSize);
            _nodes[_digests[i]] = _list.AddLast(_digests[i]);
        }

        random.Shuffle(_digests);
        foreach (var digest in _digests)
        {
            _quota.Touch(digest);
            MoveToEnd(digest);
        }

        random.Shuffle(_digests);
    }

    [Benchmark]
    public void EvictOne()
    {
        _victims.Clear();
        _quota.TryReserve(Quota.BlockSize, _victims);
        _quota.Admit(_victims[0].Digest, Quota.BlockSize, Quota.BlockSize);
    }

    [Benchmark]
    public void Touch() => _quota.Touch(Next());

    [Benchmark(Baseline = true)]
    public void TouchOfDictionaryAndLinkedList() => MoveToEnd(Next());

    private void MoveToEnd(Digest digest)
    {
        var node = _nodes[digest];
        _list.Remove(node);
        _list.AddLast(node);
    }

    private Digest Next()
    {
        if (++_next == _digests.Length) _next = 0;
        return _digests[_next];
    }
}
