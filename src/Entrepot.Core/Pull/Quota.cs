using System.Diagnostics;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Says what fits and, by its policy, who leaves. It deletes nothing: victims are handed out, the owner removes their files.</summary>
/// <remarks>
/// <para>Not safe for concurrent use; its owner holds a lock. All sizes are bytes on disk (see <see cref="OnDisk"/>), never negative.</para>
/// <para>It keeps invariant 4 by arithmetic: room is reserved before the first byte is written, so after every reservation that was granted
/// <c>Used + Reserved + Overhead ≤ Limit</c>. A victim counts as gone at once. One whose file cannot be removed is to be adopted again, and
/// a file that is still open takes its room until its last handle closes: some headroom beside the limit is for these.</para>
/// <para>Pinned blobs are not in the policy's order, so nobody can evict them: what does not fit beside them is refused. A digest may be pinned before
/// its blob is there.</para>
/// </remarks>
public sealed class Quota
{
    /// <summary>Bytes of a block, the unit in which file systems hand out room.</summary>
    public const long BlockSize = 4096;

    // 1 EiB, more than any file system holds: what is larger counts as this much, so that sums cannot overflow.
    private const long Most = 1L << 60;

    private const long Absent = -1;

    private readonly EvictionPolicy _policy;
    private readonly Dictionary<Digest, long> _pinned = [];   // bytes; Absent if the blob is not there
    private int _pinnedResidents;

    /// <summary>Begins with no residents and the file system's free room unknown.</summary>
    /// <param name="policy">The order in which residents leave; empty, and from here on this quota's alone.</param>
    /// <param name="limit">Most bytes that everything under the root may take.</param>
    public Quota(EvictionPolicy policy, long limit)
    {
        Debug.Assert(policy.Count == 0 && limit >= 0);
        (_policy, Limit) = (policy, Math.Min(limit, Most));
    }

    /// <summary>Most bytes that residents, reservations and overhead may take together.</summary>
    public long Limit { get; private set; }

    /// <summary>Bytes of the residents, pinned or not.</summary>
    public long Used { get; private set; }

    /// <summary>Of those, bytes of the pinned ones.</summary>
    public long Pinned { get; private set; }

    /// <summary>Bytes set aside for what is arriving.</summary>
    public long Reserved { get; private set; }

    /// <summary>Bytes of everything else under the root: index, records.</summary>
    public long Overhead { get; private set; }

    /// <summary>Bytes that the file system is to keep free. 0 unless set; takes effect with the next operation that may evict.</summary>
    public long MinFree { get; set => field = Math.Min(value, Most); }

    /// <summary>
    /// Bytes that the file system will have free when all that is reserved has been written and all victims are gone. Kept up between
    /// measurements. <see langword="null"/> until the first: then only the limit counts.
    /// </summary>
    public long? Free { get; private set; }

    /// <summary>Residents.</summary>
    public int Count => _policy.Count + _pinnedResidents;

    /// <summary>Bytes that a file of this size takes: whole blocks, since two files never share one. A manifest of 500 bytes takes 4096.</summary>
    public static long OnDisk(long size)
    {
        Debug.Assert(size >= 0);
        return size > Most ? size : (size + BlockSize - 1) / BlockSize * BlockSize;
    }

    /// <summary>Sets bytes aside before the first of them is written, or more of them if a reservation turns out too small.</summary>
    /// <param name="size">Bytes on disk.</param>
    /// <param name="victims">Receives those who have to leave; they are not resident any more.</param>
    /// <returns>
    /// <see langword="false"/>, with nothing changed and nobody evicted, if it cannot fit even with all residents gone but the pinned ones, in
    /// the limit or on the file system.
    /// </returns>
    public bool TryReserve(long size, ICollection<Victim> victims)
    {
        Debug.Assert(size >= 0);
        if (size > Limit - Reserved - Overhead - Pinned) return false;

        var shortOfSpace = ShortOfSpace(size);
        if (shortOfSpace > Used - Pinned) return false;

        Evict(Excess(size), shortOfSpace, victims);
        Reserved += size;
        Free -= size;
        Check();
        Debug.Assert(Used + Reserved + Overhead <= Limit);
        return true;
    }

    /// <summary>The most that <see cref="TryReserve"/> would grant now: under the limit, and on the file system as it was last measured. May be negative.</summary>
    public (long UnderLimit, long OnDisk) Room => (Limit - Reserved - Overhead - Pinned, Free is { } free ? free + Used - Pinned - MinFree : Most);

    /// <summary>Sets bytes aside that are on disk already: found at start, and not to become residents. It may exceed the limit.</summary>
    public void SetAside(long size)
    {
        Debug.Assert(size >= 0);
        Reserved += size;
        Check();
    }

    /// <summary>Gives a reservation, or a part of one, back: nothing of it is on disk any more.</summary>
    public void Release(long size)
    {
        Debug.Assert(size >= 0 && size <= Reserved);
        Reserved -= size;
        Free += size;
        Check();
    }

    /// <summary>Turns a reservation into a resident that was just used: what was arriving is committed. A resident of the same name is replaced.</summary>
    /// <param name="digest">The blob.</param>
    /// <param name="size">Bytes it takes, at most <paramref name="reserved"/>.</param>
    /// <param name="reserved">Bytes that were set aside for it in all; the rest is released.</param>
    public void Admit(Digest digest, long size, long reserved)
    {
        Debug.Assert(size >= 0 && size <= reserved);
        Release(reserved);
        if (TryFind(digest, out var before)) Free += before;
        Free -= size;
        Adopt(digest, size);
    }

    /// <summary>Turns a resident that is to grow again into a reservation, all of which is written. It need not be resident yet, where residents are still being found.</summary>
    /// <param name="digest">The blob.</param>
    /// <param name="size">Bytes it takes.</param>
    public void Wake(Digest digest, long size)
    {
        Debug.Assert(size >= 0);
        if (Remove(digest)) Free -= size;
        Reserved += size;
        Check();
    }

    /// <summary>Makes a file resident that is on disk already, without a reservation: one that was found at start. It may exceed the limit.</summary>
    /// <remarks>Whoever was used longest ago comes first; <see cref="Shrink"/> when all are in.</remarks>
    public void Adopt(Digest digest, long size)
    {
        Debug.Assert(size >= 0);
        var wasResident = TryFind(digest, out var before);
        Used += size - before;
        if (_pinned.ContainsKey(digest))
        {
            _pinned[digest] = size;
            Pinned += size - before;
            if (!wasResident) _pinnedResidents++;
        }
        else
        {
            _policy.Insert(digest, size);
        }

        Check();
    }

    /// <summary>Marks a resident as just used. An unknown digest is ignored: it may have been evicted meanwhile.</summary>
    public void Touch(Digest digest) => _policy.Touch(digest);

    /// <summary>Whether a blob is resident; this is no use of it.</summary>
    public bool Contains(Digest digest) => TryFind(digest, out _);

    /// <summary>Whether a digest is pinned, its blob resident or not.</summary>
    public bool IsPinned(Digest digest) => _pinned.ContainsKey(digest);

    /// <summary>From now on a blob is not evicted, also if it becomes resident only later. Pinning what is pinned changes nothing.</summary>
    public void Pin(Digest digest)
    {
        if (!_pinned.TryAdd(digest, Absent) || !_policy.Remove(digest, out var size)) return;
        _pinned[digest] = size;
        _pinnedResidents++;
        Pinned += size;
        Check();
    }

    /// <summary>From now on a blob can be evicted, as one that was just used. Unpinning what is not pinned changes nothing.</summary>
    public void Unpin(Digest digest)
    {
        if (!_pinned.Remove(digest, out var size) || size == Absent) return;
        _pinnedResidents--;
        Pinned -= size;
        _policy.Insert(digest, size);
        Check();
    }

    /// <summary>Takes out a resident whose file is removed for another reason than room. Its digest stays pinned, if it is.</summary>
    /// <returns>Whether it was resident.</returns>
    public bool Remove(Digest digest) => Remove(digest, out _);

    /// <summary>As <see cref="Remove(Digest)"/>, and tells the bytes that it took; 0 if it was not resident.</summary>
    public bool Remove(Digest digest, out long size)
    {
        if (!TryFind(digest, out size)) return false;
        if (!_policy.Remove(digest, out _))
        {
            _pinned[digest] = Absent;
            _pinnedResidents--;
            Pinned -= size;
        }

        Used -= size;
        Free += size;
        Check();
        return true;
    }

    /// <summary>Changes the limit, and evicts down to it.</summary>
    public void SetLimit(long limit, ICollection<Victim> victims)
    {
        Debug.Assert(limit >= 0);
        Limit = Math.Min(limit, Most);
        Shrink(victims);
    }

    /// <summary>Tells what index and records were measured to take, and evicts if they have grown into the residents' room.</summary>
    public void SetOverhead(long size, ICollection<Victim> victims)
    {
        Debug.Assert(size >= 0);
        Overhead = Math.Min(size, Most);
        Shrink(victims);
    }

    /// <summary>Tells what the file system was measured to have free. Evicts nobody: <see cref="Shrink"/> does.</summary>
    /// <param name="available">Bytes free, with those added of victims whose files are not gone yet.</param>
    /// <param name="written">Bytes on disk of what is arriving; 0 if that is not known, which counts them twice and so errs on the safe side.</param>
    public void SetFree(long available, long written)
    {
        Debug.Assert(available >= 0 && written >= 0);
        Free = Math.Min(available, Most) - Math.Max(0, Reserved - written);
    }

    /// <summary>Evicts until the limit holds, or nobody is left who is not pinned, and until the file system has its room, if eviction can reach that.</summary>
    /// <remarks>
    /// Reservations stay: with a limit below them, whoever sets it finds the limit kept when they have ended and this is called again. A
    /// file system that others have filled beyond reach costs no resident: emptying the cache would not help.
    /// </remarks>
    public void Shrink(ICollection<Victim> victims)
    {
        var shortOfSpace = ShortOfSpace(0);
        Evict(Excess(0), shortOfSpace > Used - Pinned ? 0 : shortOfSpace, victims);
        Check();
    }

    /// <summary>Whether the sums agree with the policy. For tests: it looks at every resident.</summary>
    internal bool IsConsistent() =>
        Used == _policy.InOrder().Sum(resident => resident.Size) + Pinned && Count == _policy.InOrder().Count() + _pinned.Values.Count(size => size != Absent)
        && Pinned == _pinned.Values.Where(size => size != Absent).Sum() && !_policy.InOrder().Any(resident => _pinned.ContainsKey(resident.Digest));

    private bool TryFind(Digest digest, out long size)
    {
        if (_policy.TryFind(digest, out size)) return true;
        if (_pinned.TryGetValue(digest, out size) && size != Absent) return true;
        size = 0;
        return false;
    }

    private long Excess(long size) => Used + Reserved + Overhead + size - Limit;

    private long ShortOfSpace(long size) => Free is { } free ? size + MinFree - free : 0;

    private void Evict(long excess, long shortOfSpace, ICollection<Victim> victims)
    {
        while ((excess > 0 || shortOfSpace > 0) && _policy.TryEvict(out var digest, out var size))
        {
            Used -= size;
            Free += size;
            victims.Add(new Victim(digest, size, excess > 0 ? EvictionReason.Quota : EvictionReason.Space));
            excess -= size;
            shortOfSpace -= size;
        }
    }

    [Conditional("DEBUG")]
    private void Check() => Debug.Assert(Pinned >= 0 && Used >= Pinned && Reserved >= 0 && (Used == 0 || Count > 0));
}

/// <summary>A blob that has to leave. An immutable value.</summary>
/// <param name="Digest">Its name.</param>
/// <param name="Size">Bytes on disk that its removal frees.</param>
/// <param name="Reason">Why.</param>
public readonly record struct Victim(Digest Digest, long Size, EvictionReason Reason);

/// <summary>Why a blob leaves.</summary>
public enum EvictionReason
{
    /// <summary>The root would exceed its limit.</summary>
    Quota,

    /// <summary>It was not what its name says.</summary>
    Corrupt,

    /// <summary>The limit holds, but the file system would have less free than it is to keep.</summary>
    Space,

    /// <summary>An administrator removed its image.</summary>
    Removed,

    /// <summary>It was left half-fetched, and nobody went on with it for long.</summary>
    Expired,
}
