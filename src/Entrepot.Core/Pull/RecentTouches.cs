using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Which manifests have marked their blobs as used a moment ago, so that a thousand pulls of one image do it once.</summary>
/// <remarks>
/// Safe for concurrent use.
/// Two generations: the younger one takes what comes, and when <see cref="Interval"/> has passed it becomes the older one, whose entries
/// have all had their time. A crowd of more than <see cref="Capacity"/> / 2 manifests within that time is forgotten early: its blobs are marked more
/// often than they need be, which costs time and is never wrong.
/// </remarks>
public sealed class RecentTouches
{
    /// <summary>Most manifests remembered, about 1 MB.</summary>
    public const int Capacity = 10_000;

    /// <summary>
    /// How long a manifest's touch is good for: short against the time in which a quota's worth of blobs comes in, long against the burst in
    /// which a cluster pulls one image.
    /// </summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private Dictionary<Digest, DateTimeOffset> _younger = [];   // guarded by _gate, like all below
    private Dictionary<Digest, DateTimeOffset> _older = [];
    private DateTimeOffset _began = DateTimeOffset.MinValue;

    /// <summary>Whether a pull of this manifest is to touch what it references: who is told so does it, and for a while nobody else.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <param name="now">The time. One that was set back makes everything due at once, rather than nothing for as long.</param>
    public bool ShouldTouch(Digest manifest, DateTimeOffset now)
    {
        lock (_gate)
        {
            if (_younger.TryGetValue(manifest, out var last) || _older.TryGetValue(manifest, out last))
                if (IsRecent(last, now)) return false;

            if (_younger.Count >= Capacity / 2 || !IsRecent(_began, now)) TurnLocked(now);
            _younger[manifest] = now;
            return true;
        }
    }

    private void TurnLocked(DateTimeOffset now)
    {
        (_younger, _older, _began) = (_older, _younger, now);
        _younger.Clear();
    }

    private static bool IsRecent(DateTimeOffset then, DateTimeOffset now) => now >= then && now - then < Interval;
}
