using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Bench;

/// <summary>S3-FIFO (Yang et al., SOSP 2023), with bytes where the paper counts objects: a small queue of a tenth for what is new, a main queue for what was used in it or comes back.</summary>
internal sealed class S3FifoPolicy() : EvictionPolicy(lists: 2)
{
    private const int Small = 0;
    private const int Main = 1;
    private const int MostUses = 3;

    private readonly Ghosts _ghosts = new();

    // As good as exact: what a second chance would reorder is left out.
    public override IEnumerable<(Digest Digest, long Size)> InOrder() => Blobs.InOrder(Small).Concat(Blobs.InOrder(Main));

    private protected override void Arrive(Digest digest, long size) =>
        Blobs.Add(digest, size, _ghosts.TryTake(digest, within: Blobs.BytesOf(Main), out _) ? Main : Small);

    private protected override void Use(int place)
    {
        ref var uses = ref Blobs.Mark(place);
        if (uses < MostUses) uses++;
    }

    private protected override int Choose()
    {
        while (true)
        {
            var isSmall = Blobs.Coldest(Main) == BlobLists.None
                || (Blobs.Coldest(Small) != BlobLists.None && Blobs.BytesOf(Small) >= (Blobs.BytesOf(Small) + Blobs.BytesOf(Main)) / 10);
            var place = Blobs.Coldest(isSmall ? Small : Main);
            ref var uses = ref Blobs.Mark(place);

            // The paper's code asks for two uses in the small queue; pulls touch everything an image has, so one is as good here.
            if (uses == 0) return place;
            uses = (ushort)(isSmall ? 0 : uses - 1);
            Blobs.Move(place, Main);
        }
    }

    private protected override void Evicting(int place)
    {
        if (Blobs.ListOf(place) == Small) _ghosts.Add(Blobs[place].Digest, Small, Blobs[place].Size, Count);
    }
}
