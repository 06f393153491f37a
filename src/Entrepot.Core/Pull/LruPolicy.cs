using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>The blob that was used longest ago leaves first.</summary>
public sealed class LruPolicy() : EvictionPolicy(lists: 1)
{
    /// <inheritdoc/>
    public override IEnumerable<(Digest Digest, long Size)> InOrder() => Blobs.InOrder(list: 0);

    private protected override void Arrive(Digest digest, long size) => Blobs.Add(digest, size, list: 0);

    private protected override void Use(int place) => Blobs.Move(place, list: 0);

    private protected override int Choose() => Blobs.Coldest(list: 0);
}
