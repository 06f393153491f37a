using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Bench;

/// <summary>prototype</summary>
internal sealed class ArcPolicy() : EvictionPolicy(lists: 2)
{
    private const int Once = 0;
    private const int Often = 1;

    private readonly Ghosts _once = new();
    private readonly Ghosts _often = new();
    private double _target;   // bytes of Once that are worth keeping

    private long Total => Blobs.BytesOf(Once) + Blobs.BytesOf(Often);

    /// <inheritdoc/>
    public override IEnumerable<(Digest Digest, long Size)> InOrder() => Blobs.InOrder(Once).Concat(Blobs.InOrder(Often));

    private protected override void Arrive(Digest digest, long size)
    {
        var total = Total + size;
        if (_once.TryTake(digest, total - Blobs.BytesOf(Once), out _))
        {
            _target = Math.Min(total, _target + size);
            Blobs.Add(digest, size, Often);
        }
        else if (_often.TryTake(digest, total, out _))
        {
            _target = Math.Max(0, _target - size);
            Blobs.Add(digest, size, Often);
        }
        else
        {
            Blobs.Add(digest, size, Once);
        }
    }

    private protected override void Use(int place) => Blobs.Move(place, Often);

    private protected override int Choose()
    {
        var fromOnce = Blobs.Coldest(Often) == BlobLists.None || (Blobs.Coldest(Once) != BlobLists.None && Blobs.BytesOf(Once) > _target);
        return Blobs.Coldest(fromOnce ? Once : Often);
    }

    private protected override void Evicting(int place)
    {
        var (digest, size) = Blobs[place];
        (Blobs.ListOf(place) == Once ? _once : _often).Add(digest, 0, size, Count);
    }
}
