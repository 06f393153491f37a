using System.Diagnostics;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>The order in which blobs leave. It holds digests and sizes, no bytes, and decides nothing but who is next.</summary>
/// <remarks>
/// Not safe for concurrent use; its owner holds a lock. No operation but <see cref="InOrder"/> takes time that grows with the number of blobs, beyond its
/// logarithm, on average, because it runs while pulls wait for that lock. Sizes are bytes, never negative.
/// </remarks>
public abstract class EvictionPolicy
{
    private protected EvictionPolicy(int lists) => Blobs = new BlobLists(lists);

    /// <summary>Blobs in it.</summary>
    public int Count => Blobs.Count;

    /// <summary>Where the blobs are kept, in the lists that the policy needs.</summary>
    private protected BlobLists Blobs { get; }

    /// <summary>Adds a blob as one that was just used. A known digest takes the new size and counts as used.</summary>
    /// <remarks>To rebuild the order at start, insert the blob first that was used longest ago.</remarks>
    public void Insert(Digest digest, long size)
    {
        Debug.Assert(size >= 0);
        var place = Blobs.Find(digest);
        if (place == BlobLists.None)
        {
            Arrive(digest, size);
            return;
        }

        Blobs.Resize(place, size);
        Use(place);
    }

    /// <summary>Marks a blob as just used. An unknown digest is ignored: it may have been evicted meanwhile.</summary>
    public void Touch(Digest digest)
    {
        var place = Blobs.Find(digest);
        if (place != BlobLists.None) Use(place);
    }

    /// <summary>Takes a blob out, wherever it stands.</summary>
    /// <param name="digest">Its name.</param>
    /// <param name="size">The size it was inserted with; 0 if it is unknown.</param>
    /// <returns>Whether it was in.</returns>
    public bool Remove(Digest digest, out long size)
    {
        var place = Blobs.Find(digest);
        size = 0;
        if (place == BlobLists.None) return false;
        (_, size) = Take(place);
        return true;
    }

    /// <summary>Looks a blob up; this is no use of it.</summary>
    /// <param name="digest">Its name.</param>
    /// <param name="size">The size it was inserted with; 0 if it is unknown.</param>
    /// <returns>Whether it is in.</returns>
    public bool TryFind(Digest digest, out long size)
    {
        var place = Blobs.Find(digest);
        size = place == BlobLists.None ? 0 : Blobs[place].Size;
        return place != BlobLists.None;
    }

    /// <summary>Takes out the blob that has to leave to make room. Who comes back soon tells a policy that it chose badly; what <see cref="Remove"/> takes out does not.</summary>
    /// <param name="digest">Its name.</param>
    /// <param name="size">The size it was inserted with.</param>
    /// <returns><see langword="false"/> if there is none.</returns>
    public bool TryEvict(out Digest digest, out long size)
    {
        (digest, size) = (default, 0);
        if (Count == 0) return false;
        var place = Choose();
        Evicting(place);
        (digest, size) = Take(place);
        return true;
    }

    /// <summary>All blobs, about in the order in which they would leave if nothing came or was used meanwhile.</summary>
    /// <remarks>For checks and reports: it takes time for each; the policy must not change meanwhile.</remarks>
    public abstract IEnumerable<(Digest Digest, long Size)> InOrder();

    /// <summary>Puts a blob that is not in into one of the lists.</summary>
    private protected abstract void Arrive(Digest digest, long size);

    /// <summary>A blob was used.</summary>
    private protected abstract void Use(int place);

    /// <summary>Who leaves. There is somebody.</summary>
    private protected abstract int Choose();

    /// <summary>Whoever was chosen is about to be taken out.</summary>
    private protected virtual void Evicting(int place)
    {
    }

    /// <summary>A blob is about to be taken out, for whatever reason.</summary>
    private protected virtual void Leaving(int place)
    {
    }

    private (Digest Digest, long Size) Take(int place)
    {
        Leaving(place);
        var blob = Blobs[place];
        Blobs.Remove(place);
        return blob;
    }
}
