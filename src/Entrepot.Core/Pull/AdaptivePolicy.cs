using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>The least recently used leaves first, but what was used only once grows old faster, by as much as has turned out well.</summary>
/// <remarks>
/// <list type="number">
/// <item>A blob that came begins in the list of those used once; its next use takes it to the list of those used often. Uses at the moment in which it came are part of
/// its coming: the pull of an image touches everything several times.</item>
/// <item>The coldest blob of either list is a candidate. The age of the one used once is multiplied, by 1 to 16; the older one is chosen. By 1, this is LRU.</item>
/// <item>Whoever comes back soon after it was chosen shows that its list aged too fast, by its share of all bytes: that moves the factor.</item>
/// <item>A small blob that is chosen is spared: it stays, while all of these take less than a 64th of the bytes, and is used often if it is used again. Manifests,
/// configurations and small layers are many requests for little room.</item>
/// </list>
/// <para>Where LRU is right, this turns into LRU with a 64th less room for what is not small; measured in <c>bench/results/eviction.md</c>. Age is counted in bytes
/// that came, not in time.</para>
/// <para>Memory: that of the lists, and at most 16 bytes a blob for those that have gone. After a start everything counts as used once, in the order of its last use.</para>
/// </remarks>
public sealed class AdaptivePolicy() : EvictionPolicy(lists: 3)
{
    private const int Once = 0;
    private const int Often = 1;
    private const int Spared = 2;

    private const int Turnover = 1024;          // ticks in which as many bytes come as there are; 64 of them fit a mark
    private const double MostHaste = 4;
    private const double Learning = 32;         // 1/32 of the bytes coming back to one list doubles or halves the factor
    private const long SmallSize = 64 << 10;
    private const int SparedShare = 64;

    private readonly Ghosts _ghosts = new();
    private double _haste = 1;                  // the logarithm, to the base of 2, of the factor
    private double _factor = 2;
    private ushort _now;                        // in ticks; it wraps around
    private long _untold;                       // bytes that came since the last tick

    private long Bytes => Blobs.BytesOf(Once) + Blobs.BytesOf(Often) + Blobs.BytesOf(Spared);

    /// <inheritdoc/>
    public override IEnumerable<(Digest Digest, long Size)> InOrder()
    {
        foreach (var blob in Blobs.InOrder(Spared)) yield return blob;
        var (once, often) = (Blobs.Coldest(Once), Blobs.Coldest(Often));
        while (once != BlobLists.None || often != BlobLists.None)
        {
            var place = Older(once, often);
            yield return Blobs[place];
            if (place == once) once = Blobs.Newer(once);
            else often = Blobs.Newer(often);
        }
    }

    private protected override void Arrive(Digest digest, long size)
    {
        var list = Once;
        var before = Bytes;
        if (_ghosts.TryTake(digest, within: before / 4 * 3, out var gone))
        {
            Learn(gone, size, before);
            list = Often;
        }

        Tick(size, before + size);
        Blobs.Mark(Blobs.Add(digest, size, list)) = _now;
    }

    private protected override void Use(int place)
    {
        var list = Blobs.ListOf(place) == Once && AgeOf(place) == 0 ? Once : Often;
        Blobs.Mark(place) = _now;
        Blobs.Move(place, list);
    }

    private protected override int Choose()
    {
        while (true)
        {
            var (once, often) = (Blobs.Coldest(Once), Blobs.Coldest(Often));
            if (once == BlobLists.None && often == BlobLists.None) return Blobs.Coldest(Spared);

            var place = Older(once, often);
            if (Blobs[place].Size > SmallSize) return place;
            Blobs.Move(place, Spared);
            if (Blobs.BytesOf(Spared) > Bytes / SparedShare) return Blobs.Coldest(Spared);
        }
    }

    private protected override void Evicting(int place)
    {
        var (digest, size) = Blobs[place];
        if (Blobs.ListOf(place) != Spared) _ghosts.Add(digest, Blobs.ListOf(place), size, Count);
    }

    private int Older(int once, int often) =>
        often == BlobLists.None || (once != BlobLists.None && AgeOf(once) * _factor >= AgeOf(often)) ? once : often;

    private int AgeOf(int place) => unchecked((ushort)(_now - Blobs.Mark(place)));

    private void Learn(int list, long size, long bytes)
    {
        var share = (double)size / Math.Max(1, bytes) * Learning;
        _haste = Math.Clamp(list == Once ? _haste - share : _haste + share, 0, MostHaste);
        _factor = Math.Pow(2, _haste);
    }

    private void Tick(long size, long bytes)
    {
        var tick = Math.Max(1, bytes / Turnover);
        _untold += size;
        _now = unchecked((ushort)(_now + Math.Min(Turnover, _untold / tick)));
        _untold %= tick;
    }
}
