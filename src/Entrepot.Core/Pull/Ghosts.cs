using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Which blobs were evicted of late, and how many bytes ago. They are gone; this only knows them again when they come back.</summary>
/// <remarks>
/// Not safe for concurrent use; every operation takes constant time, but for growth. It remembers 32 bits of a digest's hash, in as many places as there are blobs, and
/// forgets early where places are disputed: a policy learns from most of those who come back, and one in a million is taken for another.
/// 8 bytes a place, up to two places for a blob.
/// </remarks>
internal sealed class Ghosts
{
    private const int Ways = 4;   // places that a digest may take

    private Ghost[] _places = new Ghost[64];   // a power of two
    private uint _blocks;                      // that were evicted in all; it wraps around

    /// <summary>Remembers a blob that is evicted.</summary>
    /// <param name="digest">Its name.</param>
    /// <param name="kind">0 or 1, to be told when it comes back.</param>
    /// <param name="size">Its bytes.</param>
    /// <param name="residents">Blobs that are still there.</param>
    public void Add(Digest digest, int kind, long size, int residents)
    {
        if (residents > _places.Length) Grow();
        unchecked
        {
            _blocks += (uint)Math.Min(Quota.OnDisk(size) / Quota.BlockSize, 1 << 24);
            Put(new Ghost(NameOf(digest) & ~1u | (uint)kind, _blocks));
        }
    }

    /// <summary>Looks a blob up that came back, and forgets it.</summary>
    /// <param name="digest">Its name.</param>
    /// <param name="within">Bytes of evictions that may have come after it.</param>
    /// <param name="kind">What was remembered of it.</param>
    /// <returns>Whether it was evicted, no longer ago than that.</returns>
    public bool TryTake(Digest digest, long within, out int kind)
    {
        var name = NameOf(digest);
        kind = 0;
        foreach (ref var ghost in SetOf(name))
        {
            if ((ghost.Name ^ name) > 1) continue;
            kind = (int)(ghost.Name & 1);
            var ago = unchecked(_blocks - ghost.At) * Quota.BlockSize;
            ghost = default;
            return ago <= within;
        }

        return false;
    }

    // All but the lowest bit, which is for the kind; 0 is an empty place.
    private static uint NameOf(Digest digest) => Math.Max(2, unchecked((uint)digest.GetHashCode()));

    private Span<Ghost> SetOf(uint name) => _places.AsSpan((int)((name >> 1) % (uint)(_places.Length / Ways)) * Ways, Ways);

    private void Put(Ghost ghost)
    {
        var set = SetOf(ghost.Name);
        var oldest = 0;
        for (var way = 0; way < Ways; way++)
        {
            if (set[way].Name == 0 || (set[way].Name ^ ghost.Name) <= 1)
            {
                oldest = way;
                break;
            }

            if (unchecked(_blocks - set[way].At > _blocks - set[oldest].At)) oldest = way;
        }

        set[oldest] = ghost;
    }

    private void Grow()
    {
        var before = _places;
        _places = new Ghost[2 * before.Length];
        foreach (var ghost in before)
            if (ghost.Name != 0) Put(ghost);
    }

    private readonly record struct Ghost(uint Name, uint At);
}
