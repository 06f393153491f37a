using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Bench;

/// <summary>GreedyDual-Size-Frequency (Cherkasova, HP Labs 1998): a blob's worth is its uses for its size, on top of the worth of whoever left last; the least leaves.</summary>
/// <param name="exponent">Of the size that uses are divided by: 1 is GDSF; 0 is LFU with dynamic aging, which does not look at sizes.</param>
internal sealed class GdsfPolicy(double exponent) : EvictionPolicy(lists: 1)
{
    private readonly List<int> _heap = [];        // places; the least worth first
    private readonly List<Worth> _worths = [];    // by place
    private double _age;

    public override IEnumerable<(Digest Digest, long Size)> InOrder() => _heap.OrderBy(place => _worths[place].Value).Select(place => Blobs[place]);

    private protected override void Arrive(Digest digest, long size)
    {
        var place = Blobs.Add(digest, size, list: 0);
        while (_worths.Count <= place) _worths.Add(default);
        _worths[place] = new Worth(ValueOf(size, 1), 1, _heap.Count);
        _heap.Add(place);
        Rise(_heap.Count - 1);
    }

    private protected override void Use(int place)
    {
        var worth = _worths[place];
        _worths[place] = worth with { Value = ValueOf(Blobs[place].Size, worth.Uses + 1), Uses = worth.Uses + 1 };
        Sink(worth.At);
        Rise(_worths[place].At);
    }

    private protected override int Choose() => _heap[0];

    private protected override void Evicting(int place) => _age = _worths[place].Value;

    private protected override void Leaving(int place)
    {
        var at = _worths[place].At;
        var last = _heap[^1];
        _heap.RemoveAt(_heap.Count - 1);
        if (last == place) return;
        Set(at, last);
        Sink(at);
        Rise(_worths[last].At);
    }

    private double ValueOf(long size, long uses) => _age + uses / Math.Pow(Math.Max(1, size), exponent);

    private void Rise(int at)
    {
        var place = _heap[at];
        while (at > 0 && _worths[_heap[(at - 1) / 2]].Value > _worths[place].Value)
        {
            Set(at, _heap[(at - 1) / 2]);
            at = (at - 1) / 2;
        }

        Set(at, place);
    }

    private void Sink(int at)
    {
        var place = _heap[at];
        while (2 * at + 1 < _heap.Count)
        {
            var child = 2 * at + 1;
            if (child + 1 < _heap.Count && _worths[_heap[child + 1]].Value < _worths[_heap[child]].Value) child++;
            if (_worths[_heap[child]].Value >= _worths[place].Value) break;
            Set(at, _heap[child]);
            at = child;
        }

        Set(at, place);
    }

    private void Set(int at, int place)
    {
        _heap[at] = place;
        _worths[place] = _worths[place] with { At = at };
    }

    private readonly record struct Worth(double Value, long Uses, int At);
}
