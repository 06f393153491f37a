using System.Diagnostics;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>The room under the root: who may take how much of it, and who leaves for that (invariant 4).</summary>
/// <remarks>
/// Safe for concurrent use. The quota is under one lock, held for arithmetic only: files are removed after it was let go, by the one who
/// needs the room and before he takes it. Until then the room that others find free is still the sum of what is on disk, since a reservation that waits for
/// its victims has not written anything yet. A blob that is leaving is not begun anew before its file is gone.
/// </remarks>
public sealed class DiskSpace
{
    private readonly Lock _gate = new();
    private readonly Quota _quota;                                          // guarded by _gate
    private readonly Dictionary<Digest, TaskCompletionSource> _leaving = [];   // guarded by _gate
    private readonly TaskCompletionSource _measured = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly StoreRoot _root;
    private readonly ICacheIndex _index;
    private readonly EvictionCounters _evicted = new();
    private long _written;   // of what is reserved
    private long _going;     // bytes of victims whose files are not gone yet; guarded by _gate

    /// <summary>Room under a root, of which nothing is known before <see cref="MeasureAsync"/>.</summary>
    /// <param name="root">The directory.</param>
    /// <param name="index">What forgets a blob that leaves.</param>
    /// <param name="limit">Bytes that everything under the root may occupy.</param>
    /// <param name="minFree">Bytes to be kept free on the file system.</param>
    public DiskSpace(StoreRoot root, ICacheIndex index, long limit, long minFree)
    {
        (_root, _index) = (root, index);
        _quota = new Quota(new LruPolicy(), limit) { MinFree = minFree };
    }

    /// <summary>Told of blobs that left to make room: how many, and their bytes; must return at once.</summary>
    public Action<int, long>? Evicted { get; init; }

    /// <summary>Who left and why, since the start.</summary>
    public EvictionCounters Evictions => _evicted;

    /// <summary>Blobs and bytes that are resident, bytes that are reserved, bytes of everything else, and the limit, all at one moment.</summary>
    public SpaceUsage Usage
    {
        get
        {
            lock (_gate) return new SpaceUsage(_quota.Count, _quota.Used, _quota.Reserved, _quota.Overhead, _quota.Limit);
        }
    }

    /// <summary>Finds out what is there: blobs become residents in the order of their last use. Reservations wait for this, hits do not.</summary>
    /// <param name="cancel">Ends it; reservations then wait until the process ends.</param>
    /// <exception cref="IOException">The directory cannot be read.</exception>
    public async Task MeasureAsync(CancellationToken cancel)
    {
        var found = await Task.Run(
            () => _root.Blobs().Select(blob => (blob.Digest, blob.Size, LastUse: _index.FindBlob(blob.Digest)?.LastAccess ?? blob.WrittenAt)).ToList(), cancel);
        found.Sort((one, other) => one.LastUse.CompareTo(other.LastUse));
        lock (_gate)
        {
            // What was committed while this looked is newer than all that it found.
            foreach (var (digest, size, _) in found.Where(blob => !_quota.Contains(blob.Digest))) _quota.Adopt(digest, Quota.OnDisk(size));
        }

        MeasureOverhead();
        _measured.TrySetResult();
    }

    /// <summary>Finds out what index, records and directories take and what the file system has free; evicts if that leaves too little.</summary>
    public void MeasureOverhead()
    {
        var overhead = _root.MeasureOverhead();
        Settle(victims => _quota.SetOverhead(overhead, victims));
    }

    /// <summary>Changes the limit, and evicts down to it.</summary>
    public void SetLimit(long limit) => Settle(victims => _quota.SetLimit(limit, victims));

    /// <summary>Sets room aside. When it answers, whoever had to leave has left.</summary>
    /// <param name="size">Bytes on disk.</param>
    /// <param name="cancel">Ends waiting for the first measurement.</param>
    /// <returns><see langword="false"/>, with nothing changed, if it cannot fit.</returns>
    public async ValueTask<bool> TryReserveAsync(long size, CancellationToken cancel)
    {
        await _measured.Task.WaitAsync(cancel);
        var fits = false;
        Settle(victims => fits = _quota.TryReserve(size, victims));
        return fits;
    }

    /// <summary>Part of a reservation is on disk now.</summary>
    internal void Wrote(long size) => Interlocked.Add(ref _written, size);

    /// <summary>Gives a reservation back, whose file is gone.</summary>
    /// <param name="reserved">Bytes that were reserved.</param>
    /// <param name="written">Bytes of them that had been written.</param>
    internal void Release(long reserved, long written)
    {
        lock (_gate) _quota.Release(reserved);
        Interlocked.Add(ref _written, -written);
    }

    /// <summary>A reservation became a blob.</summary>
    internal void Admit(Digest digest, long size, long reserved)
    {
        lock (_gate) _quota.Admit(digest, Quota.OnDisk(size), reserved);
        Interlocked.Add(ref _written, -size);
    }

    /// <summary>A file turned out to be a blob that was there before.</summary>
    internal void Adopt(Digest digest, long size)
    {
        lock (_gate)
        {
            if (!_quota.Contains(digest)) _quota.Adopt(digest, Quota.OnDisk(size));
        }
    }

    /// <summary>A blob was used.</summary>
    internal void Touch(Digest digest)
    {
        lock (_gate) _quota.Touch(digest);
    }

    /// <summary>A blob's file is gone for another reason than room.</summary>
    /// <param name="digest">The blob.</param>
    /// <param name="reason">Why, if it was removed; <see langword="null"/> if somebody else had removed it.</param>
    /// <param name="size">Bytes that it had.</param>
    internal void Remove(Digest digest, EvictionReason? reason = null, long size = 0)
    {
        lock (_gate) _quota.Remove(digest);
        if (reason is { } why) _evicted.Count(why, Quota.OnDisk(size));
    }

    /// <summary>Ends when a blob that is leaving has left; <see langword="null"/> if it is not leaving.</summary>
    internal Task? Leaving(Digest digest)
    {
        lock (_gate) return _leaving.TryGetValue(digest, out var left) ? left.Task : null;
    }

    // Does arithmetic under the lock, then removes the files of those who have to leave.
    private void Settle(Action<ICollection<Victim>> arithmetic)
    {
        var victims = new List<Victim>();
        var free = _root.FreeBytes();
        lock (_gate)
        {
            _quota.SetFree(free + _going, Math.Max(0, Interlocked.Read(ref _written)));
            arithmetic(victims);
            foreach (var victim in victims)
            {
                _leaving[victim.Digest] = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _going += victim.Size;
            }
        }

        if (victims.Count == 0) return;
        foreach (var victim in victims) Evict(victim);
        Evicted?.Invoke(victims.Count, victims.Sum(victim => victim.Size));
    }

    private void Evict(Victim victim)
    {
        // Forgotten first: whoever still finds the record finds the file, or neither.
        _index.RemoveBlob(victim.Digest);
        var isGone = true;
        try
        {
            File.Delete(_root.BlobPath(victim.Digest));
            _evicted.Count(victim.Reason, victim.Size);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            isGone = false;
        }

        TaskCompletionSource? left;
        lock (_gate)
        {
            // What cannot be removed still takes its room; the next reservation tries again.
            if (!isGone) _quota.Adopt(victim.Digest, victim.Size);
            _going -= victim.Size;
            _leaving.Remove(victim.Digest, out left);
        }

        Debug.Assert(left is not null);
        left.SetResult();
    }
}

/// <summary>How the room under the root is used. Bytes on disk.</summary>
/// <param name="Blobs">Blobs.</param>
/// <param name="Used">Bytes of the blobs.</param>
/// <param name="Reserved">Bytes set aside for what is arriving.</param>
/// <param name="Overhead">Bytes of index, records and directories.</param>
/// <param name="Limit">Bytes that all of that may take.</param>
public sealed record SpaceUsage(int Blobs, long Used, long Reserved, long Overhead, long Limit);

/// <summary>Blobs that left, and their bytes, by reason, since the start. Safe for concurrent use.</summary>
public sealed class EvictionCounters
{
    private readonly long[] _blobs = new long[Enum.GetValues<EvictionReason>().Length];
    private readonly long[] _bytes = new long[Enum.GetValues<EvictionReason>().Length];

    /// <summary>How many left for a reason.</summary>
    public long Blobs(EvictionReason reason) => Interlocked.Read(ref _blobs[(int)reason]);

    /// <summary>How many bytes on disk that freed.</summary>
    public long Bytes(EvictionReason reason) => Interlocked.Read(ref _bytes[(int)reason]);

    internal void Count(EvictionReason reason, long bytes)
    {
        Interlocked.Increment(ref _blobs[(int)reason]);
        Interlocked.Add(ref _bytes[(int)reason], bytes);
    }
}
