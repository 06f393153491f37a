using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Bench;

/// <summary>
/// Size-aware W-TinyLFU (Einziger, Eytan, Friedman, Manes: Lightweight Robust Size Aware Cache Management, 2021), the variant of aggregated victims: what drops out
/// of a small window stays if it was asked for more often than all those together that would have to leave for it.
/// </summary>
/// <remarks>The window is a hundredth of the bytes, the main part a segmented list of which four fifths are protected. A sketch counts uses, also of who is gone.</remarks>
internal sealed class TinyLfuPolicy() : EvictionPolicy(lists: 3)
{
    private const int Window = 0;
    private const int Probation = 1;
    private const int Protected = 2;

    private readonly FrequencySketch _sketch = new();
    private long _most;   // bytes that there have been, which is what fits

    private long Total => Blobs.BytesOf(Window) + Blobs.BytesOf(Probation) + Blobs.BytesOf(Protected);

    // What the sketch would decide is left out.
    public override IEnumerable<(Digest Digest, long Size)> InOrder() => Blobs.InOrder(Window).Concat(Blobs.InOrder(Probation)).Concat(Blobs.InOrder(Protected));

    private protected override void Arrive(Digest digest, long size)
    {
        _sketch.Count(digest, Count);
        Blobs.Add(digest, size, Window);
    }

    private protected override void Use(int place)
    {
        _sketch.Count(Blobs[place].Digest, Count);
        Blobs.Move(place, Blobs.ListOf(place) == Window ? Window : Protected);
        while (Blobs.BytesOf(Protected) > Total / 5 * 4) Blobs.Move(Blobs.Coldest(Protected), Probation);
    }

    private protected override int Choose()
    {
        _most = Math.Max(_most, Total);
        while (Blobs.BytesOf(Window) > _most / 100)
        {
            var candidate = Blobs.Coldest(Window);
            if (Blobs.BytesOf(Probation) + Blobs.BytesOf(Protected) + Blobs[candidate].Size <= _most / 100 * 99)
            {
                Blobs.Move(candidate, Probation);
                continue;
            }

            if (!IsWorthIt(candidate)) return candidate;
            Blobs.Move(candidate, Probation);
            var victim = FirstVictim();
            if (victim != candidate) return victim;
        }

        return FirstVictim();
    }

    private int FirstVictim()
    {
        foreach (var list in new[] { Probation, Protected, Window })
            if (Blobs.Coldest(list) is not BlobLists.None and var place) return place;
        return BlobLists.None;
    }

    private bool IsWorthIt(int candidate)
    {
        var (digest, needed) = Blobs[candidate];
        var uses = _sketch.Estimate(digest);
        var worth = 0;
        foreach (var list in new[] { Probation, Protected })
        {
            for (var place = Blobs.Coldest(list); place != BlobLists.None && needed > 0; place = Blobs.Newer(place))
            {
                needed -= Blobs[place].Size;
                worth += _sketch.Estimate(Blobs[place].Digest);
                if (worth >= uses) return false;
            }
        }

        return needed <= 0;
    }
}
