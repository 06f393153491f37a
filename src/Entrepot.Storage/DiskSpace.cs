using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>The room under the root: who may take how much of it, and who leaves for that (invariant 4).</summary>
/// <remarks>
/// Safe for concurrent use. The quota is under one lock, held for arithmetic only: files are removed after it was let go, by the one who
/// needs the room and before he takes it. Whoever is granted room that others are still clearing waits for them, too. A name under <c>blobs/</c> and what
/// index and quota say of it change together, under the lock of that name: a blob may be committed anew while the old one is leaving.
/// </remarks>
public sealed class DiskSpace
{
    // Unlinking a large file may take tens of milliseconds; so few commits should wait for it.
    private const int NameLocks = 64;   // a power of two

    private const int ManyBlobs = 100_000;

    private readonly Lock _gate = new();
    private readonly Quota _quota;                                          // guarded by _gate
    private readonly Dictionary<Digest, Departure> _leaving = [];           // guarded by _gate
    private readonly Lock[] _names = [.. Enumerable.Range(0, NameLocks).Select(_ => new Lock())];
    private readonly TaskCompletionSource<bool> _measured = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly StoreRoot _root;
    private readonly ICacheIndex _index;
    private readonly EvictionCounters _evicted = new();
    private long _written;   // of what is reserved
    private long _going;     // bytes of victims whose files are not gone yet; guarded by _gate

    /// <summary>Room under a root, of which nothing is known before <see cref="MeasureAsync"/>.</summary>
    /// <param name="root">The directory.</param>
    /// <param name="index">What forgets a blob that leaves.</param>
    /// <param name="policy">Who leaves first; empty, and from here on this room's alone.</param>
    /// <param name="limit">Bytes that everything under the root may occupy.</param>
    /// <param name="minFree">Bytes to be kept free on the file system.</param>
    public DiskSpace(StoreRoot root, ICacheIndex index, EvictionPolicy policy, long limit, long minFree)
    {
        (_root, _index) = (root, index);
        _quota = new Quota(policy, limit) { MinFree = minFree };
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
            lock (_gate) return new SpaceUsage(_quota.Count, _quota.Used, _quota.Pinned, _quota.Reserved, _quota.Overhead, _quota.Limit);
        }
    }

    /// <summary>Ends when it is known what is there; with <see langword="false"/> if that could not be found out, and nothing fits.</summary>
    public Task<bool> Measured => _measured.Task;

    /// <summary>Finds out what is there: blobs become residents in the order of their last use. Reservations wait for this, hits do not.</summary>
    /// <param name="cancel">Ends it; nothing fits then.</param>
    /// <exception cref="IOException">The directory cannot be read; nothing fits then.</exception>
    public async Task MeasureAsync(CancellationToken cancel)
    {
        try
        {
            await Task.Run(AdoptAll, cancel);

            // What sorting a million blobs took is given back once; without that it stays with the process, which never needs so much again.
            if (Usage.Blobs >= ManyBlobs) GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive);
            MeasureOverhead();
            _measured.TrySetResult(true);
        }
        finally
        {
            _measured.TrySetResult(false);
        }
    }

    /// <summary>Finds out what index, records and directories take and what the file system has free; evicts if that leaves too little.</summary>
    public void MeasureOverhead()
    {
        var overhead = _root.MeasureOverhead();
        Settle(victims => _quota.SetOverhead(overhead, victims));
    }

    /// <summary>Changes the limit, at once and without asking a disk. Who has to leave for it is removed beside everything else.</summary>
    /// <param name="limit">Bytes that everything under the root may occupy from now on.</param>
    /// <param name="cancel">Ends the removing; who has not been removed by then stays, until the next one who needs room.</param>
    /// <returns>Ends when they have left.</returns>
    public Task SetLimit(long limit, CancellationToken cancel)
    {
        var victims = new List<Victim>();
        lock (_gate)
        {
            _quota.SetLimit(limit, victims);
            foreach (var victim in victims) DepartLocked(victim.Digest, victim.Size);
        }

        return victims.Count == 0 ? Task.CompletedTask : Task.Run(() => Evict(victims, cancel), CancellationToken.None);
    }

    /// <summary>Sets room aside. When it answers, whoever had to leave has left.</summary>
    /// <param name="size">Bytes on disk.</param>
    /// <param name="cancel">Ends waiting for the first measurement.</param>
    /// <returns><see langword="false"/>, with nothing changed, if it cannot fit.</returns>
    public async ValueTask<bool> TryReserveAsync(long size, CancellationToken cancel)
    {
        if (!await _measured.Task.WaitAsync(cancel)) return false;
        var fits = false;
        var others = Settle(victims => fits = _quota.TryReserve(size, victims));
        if (fits) await others;   // not cancelled: the room is taken, and they are about to go
        return fits;
    }

    /// <summary>Part of a reservation is on disk now.</summary>
    internal void Wrote(long size) => Interlocked.Add(ref _written, size);

    /// <summary>Gives a reservation back, whose file is gone.</summary>
    /// <param name="reserved">Bytes that were reserved.</param>
    /// <param name="written">Bytes of them that had been written.</param>
    internal void Release(long reserved, long written)
    {
        Interlocked.Add(ref _written, -written);
        lock (_gate) _quota.Release(reserved);
    }

    /// <summary>A reservation became a blob.</summary>
    internal void Admit(Digest digest, long size, long reserved)
    {
        Interlocked.Add(ref _written, -size);
        lock (_gate) _quota.Admit(digest, Quota.OnDisk(size), reserved);
    }

    /// <summary>A file turned out to be a blob that was there before.</summary>
    /// <returns><see langword="false"/> if it is leaving.</returns>
    internal bool TryAdopt(Digest digest, long size)
    {
        lock (_gate)
        {
            if (_leaving.ContainsKey(digest)) return false;
            if (!_quota.Contains(digest)) _quota.Adopt(digest, Quota.OnDisk(size));
            return true;
        }
    }

    /// <summary>Whether a blob is resident.</summary>
    internal bool Contains(Digest digest)
    {
        lock (_gate) return _quota.Contains(digest);
    }

    /// <summary>Held while a name under <c>blobs/</c> is given or taken, together with what index and quota say of it.</summary>
    internal Lock NameOf(Digest digest) => _names[digest.GetHashCode() & (NameLocks - 1)];

    /// <summary>A blob was used.</summary>
    internal void Touch(Digest digest)
    {
        lock (_gate) _quota.Touch(digest);
    }

    /// <summary>A blob does not leave to make room any more.</summary>
    /// <returns>Whether it is resident.</returns>
    internal bool Pin(Digest digest)
    {
        lock (_gate)
        {
            _quota.Pin(digest);
            return _quota.Contains(digest);
        }
    }

    /// <summary>A blob may leave again.</summary>
    internal void Unpin(Digest digest)
    {
        lock (_gate) _quota.Unpin(digest);
    }

    /// <summary>Bytes that are missing if so many are to be pinned.</summary>
    internal long ShortOf(long bytes)
    {
        lock (_gate) return Math.Max(0, bytes - (_quota.Limit - _quota.Overhead));
    }

    /// <summary>Takes out a blob whose file is about to be removed by whoever holds its name. One that is pinned, or has to leave anyway, stays as it is.</summary>
    /// <param name="digest">The blob.</param>
    /// <param name="size">Bytes on disk that it takes.</param>
    /// <returns>Whether the file may be removed.</returns>
    internal bool TryTake(Digest digest, out long size)
    {
        size = 0;
        lock (_gate)
        {
            if (_quota.IsPinned(digest) || !_quota.Remove(digest, out size)) return false;
            DepartLocked(digest, size);
            return true;
        }
    }

    /// <summary>What <see cref="TryTake"/> took is gone, or still there after all.</summary>
    internal void Took(Digest digest, long size, bool isGone)
    {
        if (isGone) _evicted.Count(EvictionReason.Removed, size);
        lock (_gate)
        {
            if (!isGone) _quota.Adopt(digest, size);
            HasLeftLocked(digest, size);
        }
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

    /// <summary>Whether a blob's file is about to be removed to make room.</summary>
    internal bool IsLeaving(Digest digest)
    {
        lock (_gate) return _leaving.ContainsKey(digest);
    }

    private void AdoptAll()
    {
        var found = _root.Blobs().Select(blob => (blob.Digest, blob.Size, LastUse: _index.FindBlob(blob.Digest)?.LastAccess ?? blob.WrittenAt)).ToList();
        found.Sort((one, other) => one.LastUse.CompareTo(other.LastUse));
        lock (_gate)
        {
            // What was committed while this looked is newer than all that it found.
            foreach (var (digest, size, _) in found.Where(blob => !_quota.Contains(blob.Digest))) _quota.Adopt(digest, Quota.OnDisk(size));
        }
    }

    // Does arithmetic under the lock, then removes the files of those who have to leave. The result ends when others have made the room that this found free.
    private Task Settle(Action<ICollection<Victim>> arithmetic)
    {
        var victims = new List<Victim>();
        var others = Task.CompletedTask;
        var free = _root.FreeBytes();
        lock (_gate)
        {
            _quota.SetFree(free + _going, Math.Max(0, Interlocked.Read(ref _written)));
            arithmetic(victims);
            if (_quota.Used + _quota.Reserved + _quota.Overhead + _going > _quota.Limit) others = Task.WhenAll(_leaving.Values.Select(one => one.Left.Task));
            foreach (var victim in victims) DepartLocked(victim.Digest, victim.Size);
        }

        if (victims.Count > 0) Evict(victims, CancellationToken.None);
        return others;
    }

    private void Evict(List<Victim> victims, CancellationToken cancel)
    {
        var (blobs, bytes) = (0, 0L);
        foreach (var victim in victims)
        {
            if (!TryEvict(victim, cancel)) continue;
            blobs++;
            bytes += victim.Size;
        }

        if (blobs > 0) Evicted?.Invoke(blobs, bytes);
    }

    private bool TryEvict(Victim victim, CancellationToken cancel)
    {
        lock (NameOf(victim.Digest))
        {
            // Committed anew meanwhile: that has replaced the file, and stays.
            var isGone = Contains(victim.Digest) || (!cancel.IsCancellationRequested && TryDelete(victim));
            lock (_gate)
            {
                // What cannot be removed still takes its room; the next reservation tries again.
                if (!isGone) _quota.Adopt(victim.Digest, victim.Size);
                HasLeftLocked(victim.Digest, victim.Size);
            }

            return isGone;
        }
    }

    // Until its file is gone, whoever is granted its room waits for it.
    private void DepartLocked(Digest digest, long size)
    {
        if (!_leaving.TryGetValue(digest, out var departure)) _leaving.Add(digest, departure = new Departure());
        departure.Files++;
        _going += size;
    }

    private void HasLeftLocked(Digest digest, long size)
    {
        _going -= size;
        var departure = _leaving[digest];
        if (--departure.Files > 0) return;
        _leaving.Remove(digest);
        departure.Left.SetResult();
    }

    private bool TryDelete(Victim victim)
    {
        // Forgotten first: whoever still finds the record finds the file, or neither.
        _index.RemoveBlob(victim.Digest);
        try
        {
            File.Delete(_root.BlobPath(victim.Digest));
            _evicted.Count(victim.Reason, victim.Size);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    // A blob on its way out; twice, if it came back and had to leave again before the first file was gone.
    private sealed class Departure
    {
        public int Files { get; set; }

        public TaskCompletionSource Left { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>How the room under the root is used. Bytes on disk.</summary>
/// <param name="Blobs">Blobs.</param>
/// <param name="Used">Bytes of the blobs.</param>
/// <param name="Pinned">Of those, bytes of blobs that never leave to make room.</param>
/// <param name="Reserved">Bytes set aside for what is arriving.</param>
/// <param name="Overhead">Bytes of index, records and directories.</param>
/// <param name="Limit">Bytes that all of that may take.</param>
public sealed record SpaceUsage(int Blobs, long Used, long Pinned, long Reserved, long Overhead, long Limit);

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
