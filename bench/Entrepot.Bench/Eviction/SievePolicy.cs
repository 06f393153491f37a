using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Bench;

/// <summary>SIEVE (Zhang et al., NSDI 2024): one queue in order of arrival, a mark for a use, a hand that goes from old to new, clears marks and evicts the first blob without one.</summary>
internal sealed class SievePolicy() : EvictionPolicy(lists: 1)
{
    private int _hand = BlobLists.None;

    public override IEnumerable<(Digest Digest, long Size)> InOrder()
    {
        var marked = new List<(Digest Digest, long Size)>();
        for (var pass = 0; pass < 2; pass++)
        {
            // From the hand to the newest, then from the oldest to the hand.
            for (var place = pass == 0 ? Start() : Blobs.Coldest(list: 0); place != BlobLists.None; place = Blobs.Newer(place))
            {
                if (pass == 1 && place == Start()) break;
                if (Blobs.Mark(place) == 0) yield return Blobs[place];
                else marked.Add(Blobs[place]);
            }
        }

        foreach (var blob in marked) yield return blob;
    }

    private protected override void Arrive(Digest digest, long size) => Blobs.Add(digest, size, list: 0);

    private protected override void Use(int place) => Blobs.Mark(place) = 1;

    private protected override int Choose()
    {
        var place = Start();
        while (Blobs.Mark(place) != 0)
        {
            Blobs.Mark(place) = 0;
            place = Blobs.Newer(place);
            if (place == BlobLists.None) place = Blobs.Coldest(list: 0);
        }

        return _hand = place;
    }

    private protected override void Leaving(int place)
    {
        if (_hand == place) _hand = Blobs.Newer(place);
    }

    private int Start() => _hand == BlobLists.None ? Blobs.Coldest(list: 0) : _hand;
}
