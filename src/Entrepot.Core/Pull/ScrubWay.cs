using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>How a scrub goes about it. Immutable.</summary>
/// <param name="IsInOrder">Whether blobs come in the order of their digests, so that it can be gone on with.</param>
/// <param name="After">Only blobs that come after this one; <see langword="null"/> for all.</param>
/// <param name="Restores">Whether what was dropped is told, to be fetched again at once.</param>
/// <param name="Pause">So many bytes have been hashed: when it completes, the next may be read.</param>
internal sealed record ScrubWay(bool IsInOrder, Digest? After, bool Restores, Func<int, CancellationToken, ValueTask> Pause)
{
    /// <summary>All of it, as fast as the disk gives it; what was wrong comes again with the next pull.</summary>
    public static ScrubWay AtOnce { get; } = new(false, null, false, (_, _) => default);

    /// <summary>Whether a blob is to be looked at.</summary>
    public bool Comes(Digest digest) => After is not { } last || Digest.Compare(digest, last) > 0;
}
