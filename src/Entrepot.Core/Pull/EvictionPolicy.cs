using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>The order in which blobs leave. It holds digests and sizes, no bytes, and decides nothing but who is next.</summary>
/// <remarks>
/// Not safe for concurrent use; its owner holds a lock. Every operation but <see cref="InOrder"/> takes constant time, because it runs while pulls
/// wait for that lock. Sizes are bytes, never negative.
/// </remarks>
public abstract class EvictionPolicy
{
    /// <summary>Blobs in it.</summary>
    public abstract int Count { get; }

    /// <summary>Adds a blob as one that was just used. A known digest takes the new size and counts as used.</summary>
    /// <remarks>To rebuild the order at start, insert the blob first that was used longest ago.</remarks>
    public abstract void Insert(Digest digest, long size);

    /// <summary>Marks a blob as just used. An unknown digest is ignored: it may have been evicted meanwhile.</summary>
    public abstract void Touch(Digest digest);

    /// <summary>Takes a blob out, wherever it stands.</summary>
    /// <param name="digest">Its name.</param>
    /// <param name="size">The size it was inserted with; 0 if it is unknown.</param>
    /// <returns>Whether it was in.</returns>
    public abstract bool Remove(Digest digest, out long size);

    /// <summary>Looks a blob up; this is no use of it.</summary>
    /// <param name="digest">Its name.</param>
    /// <param name="size">The size it was inserted with; 0 if it is unknown.</param>
    /// <returns>Whether it is in.</returns>
    public abstract bool TryFind(Digest digest, out long size);

    /// <summary>The blob that leaves next; it stays in until it is removed.</summary>
    /// <returns><see langword="false"/> if there is none.</returns>
    public abstract bool TryPeek(out Digest digest, out long size);

    /// <summary>All blobs, the next to leave first. For checks and reports: it takes time for each; the policy must not change meanwhile.</summary>
    public abstract IEnumerable<(Digest Digest, long Size)> InOrder();
}
