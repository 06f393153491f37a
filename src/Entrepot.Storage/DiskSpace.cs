using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>The room under the root: who may take how much of it, and who leaves for that (invariant 4).</summary>
/// <remarks>
/// Safe for concurrent use. The quota is under one lock, held for arithmetic only: files are removed after it was let go, by the one who
/// needs the room and before he takes it. Whoever is granted room that others are still clearing waits for them, too. A name under <c>blobs/</c> and what
/// index and quota say of it change together, under the lock of that name: a blob may be committed anew while the old one is leaving.
/// </remarks>
public sealed partial class DiskSpace
{
    // Unlinking a large file may take tens of milliseconds; so few commits should wait for it.
    private const int NameLocks = 64;   // a power of two

    private const int ManyBlobs = 100_000;

    // Of the limit: an upstream that sends without end has three quarters of the cache stay, however many blobs it does that with.
    private const int UnannouncedPart = 4;

    private readonly Lock _gate = new();
    private readonly Quota _quota;                                          // guarded by _gate
    private readonly Dictionary<Digest, Departure> _leaving = [];           // guarded by _gate
    private readonly Dictionary<Digest, Resting> _resting = [];             // guarded by _gate
    private readonly Lock[] _names = [.. Enumerable.Range(0, NameLocks).Select(_ => new Lock())];
    private readonly StoreRoot _root;
    private readonly ICacheIndex _index;
    private readonly EvictionCounters _evicted = new();
    private long _written;   // of what is reserved
    private volatile TaskCompletionSource<bool> _measured = new(TaskCreationOptions.RunContinuationsAsynchronously);   // another one for each try
    private volatile bool _isMeasured;
    private long _unannounced;   // bytes set aside for blobs whose sizes nobody has said; guarded by _gate
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
        _quota.SetAside(root.LeftBytes);
        foreach (var (digest, resting) in root.Resting()) _resting.Add(digest, resting);
    }

    /// <summary>Told of blobs that left to make room: how many, and their bytes; must return at once.</summary>
    public Action<int, long>? Evicted { get; init; }

    /// <summary>Who left and why, since the start.</summary>
    public EvictionCounters Evictions => _evicted;

    /// <summary>Blobs and bytes that are resident, how much of that are parts of blobs, bytes that are reserved, bytes of everything else, and the limit, all at one moment.</summary>
    public SpaceUsage Usage
    {
        get
        {
            lock (_gate)
            {
                var (whole, parts) = (_quota.Count - _resting.Keys.Count(_quota.Contains), _resting.Values.Sum(one => one.Size));
                return new SpaceUsage(whole, _resting.Count, parts, _quota.Used, _quota.Pinned, _quota.Reserved, _quota.Overhead, _quota.Limit);
            }
        }
    }

    /// <summary>Ends when it is known what is there; with <see langword="false"/> if that could not be found out, and nothing fits until the next try succeeds.</summary>
    public Task<bool> Measured => _measured.Task;

    /// <summary>Bytes that are missing of what the file system is to keep free, and would be with an empty cache; 0 if none are, or it is not known yet what is there.</summary>
    /// <exception cref="IOException">The file system cannot be measured.</exception>
    public long MissingSpace()
    {
        var free = _root.FreeBytes();
        lock (_gate) return _isMeasured && _quota.MinFree - free is > 0 and var missing && missing > _quota.Used - _quota.Pinned ? missing : 0;
    }

    /// <summary>Finds out what is there: blobs become residents in the order of their last use. Reservations wait for this, hits do not. May be tried again, not beside itself.</summary>
    /// <param name="cancel">Ends it; nothing fits then.</param>
    /// <exception cref="IOException">The directory cannot be read; nothing fits then.</exception>
    public async Task MeasureAsync(CancellationToken cancel)
    {
        if (_measured.Task.IsCompleted) _measured = new(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            await Task.Run(AdoptAll, cancel);

            // What sorting a million blobs took is given back once; without that it stays with the process, which never needs so much again.
            if (Usage.Blobs >= ManyBlobs) GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive);
            MeasureOverhead();
            _isMeasured = true;
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
        List<Leaver> leavers;
        lock (_gate)
        {
            _quota.SetLimit(limit, victims);
            leavers = DepartLocked(victims);
        }

        return victims.Count == 0 ? Task.CompletedTask : Task.Run(() => Evict(leavers, cancel), CancellationToken.None);
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

    /// <summary>Counts bytes that are about to be set aside for a blob whose size nobody has said: all such blobs get a quarter of the limit together.</summary>
    /// <param name="least">Bytes that it needs.</param>
    /// <param name="most">Bytes that it would take.</param>
    /// <returns>Bytes that it may set aside, between the two.</returns>
    /// <exception cref="UnannouncedException">It may not have what it needs.</exception>
    internal long ClaimUnannounced(long least, long most)
    {
        lock (_gate)
        {
            var all = _quota.Limit / UnannouncedPart;
            if (all - _unannounced < least) throw new UnannouncedException($"blobs whose length is not announced may take {all} bytes together, a quarter of storage.quota, and this one goes on");
            var claimed = Math.Min(most, Math.Max(least, (all - _unannounced) / 2));   // some is left for others
            _unannounced += claimed;
            return claimed;
        }
    }

    /// <summary>The size of such a blob has been said, or the blob has gone.</summary>
    internal void GiveBackUnannounced(long size)
    {
        lock (_gate) _unannounced -= size;
    }

    /// <summary>The most that could be set aside now, if everything left that is not pinned: under the limit, and on the file system.</summary>
    internal (long UnderLimit, long OnDisk) Room()
    {
        var free = _root.FreeBytes();
        lock (_gate)
        {
            _quota.SetFree(free + _going, Math.Max(0, Interlocked.Read(ref _written)));
            return _quota.Room;
        }
    }

    /// <summary>Sets room aside for what is on disk already, whether it fits or not.</summary>
    internal void Found(long size)
    {
        Wrote(size);
        lock (_gate) _quota.SetAside(Quota.OnDisk(size));
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
        lock (_gate)
        {
            _resting.Remove(digest);
            _quota.Admit(digest, Quota.OnDisk(size), reserved);
        }
    }

    /// <summary>A reservation became what rests of a blob, which leaves like any other.</summary>
    internal void Rest(Digest digest, long size, long reserved, Resting resting)
    {
        Interlocked.Add(ref _written, -size);
        lock (_gate)
        {
            _quota.Admit(digest, resting.Size, reserved);
            _resting[digest] = resting;
        }
    }

    /// <summary>What rests of a blob is gone on with: its room becomes a reservation.</summary>
    /// <param name="digest">The blob.</param>
    /// <param name="size">Bytes on disk that are reserved. How much of it is written is for the caller to tell.</param>
    /// <returns><see langword="false"/> if nothing rests of it.</returns>
    internal bool TryWake(Digest digest, out long size)
    {
        lock (_gate)
        {
            size = _resting.Remove(digest, out var resting) ? resting.Size : 0;
            if (resting is not null) _quota.Wake(digest, size);
            return resting is not null;
        }
    }

    /// <summary>What rests since then or longer of blobs of which all was to come.</summary>
    internal IReadOnlyCollection<Digest> RestingSince(DateTimeOffset before)
    {
        lock (_gate) return [.. _resting.Where(one => one.Value.Fill is FillMode.Complete && one.Value.Since <= before).Select(one => one.Key)];
    }

    /// <summary>A file turned out to be a blob that was there before.</summary>
    /// <returns><see langword="false"/> if it is leaving.</returns>
    internal bool TryAdopt(Digest digest, long size)
    {
        lock (_gate)
        {
            if (_leaving.ContainsKey(digest)) return false;
            if (_resting.Remove(digest) || !_quota.Contains(digest)) _quota.Adopt(digest, Quota.OnDisk(size));
            return true;
        }
    }

    /// <summary>Whether a blob is resident.</summary>
    internal bool Contains(Digest digest)
    {
        lock (_gate) return ContainsLocked(digest);
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
            return ContainsLocked(digest);
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
    /// <param name="resting">What is known of it, if it rests.</param>
    /// <returns>Whether the file may be removed.</returns>
    internal bool TryTake(Digest digest, out long size, out Resting? resting)
    {
        (size, resting) = (0, null);
        lock (_gate)
        {
            if (_quota.IsPinned(digest) || !_quota.Remove(digest, out size)) return false;
            _resting.Remove(digest, out resting);
            DepartLocked(digest, size);
            return true;
        }
    }

    /// <summary>What <see cref="TryTake"/> took is gone, or still there after all.</summary>
    /// <remarks>With what that told, and why it went; <see langword="null"/> if it is still there.</remarks>
    internal void Took(Digest digest, long size, Resting? resting, EvictionReason? reason)
    {
        if (reason is { } why) _evicted.Count(why, size);
        lock (_gate)
        {
            if (reason is null) StayLocked(digest, size, resting);
            HasLeftLocked(digest, size);
        }
    }

    /// <summary>A blob's file is gone for another reason than room: why, and the bytes it had; <see langword="null"/> if somebody else had removed it.</summary>
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
        var found = _root.Blobs()
            .Select(blob => (blob.Digest, Size: Quota.OnDisk(blob.Size), LastUse: _index.FindBlob(blob.Digest)?.LastAccess ?? blob.WrittenAt, IsResting: false))
            .ToList();
        lock (_gate) found.AddRange(_resting.Select(one => (one.Key, one.Value.Size, one.Value.Since, true)));
        found.Sort((one, other) => one.LastUse.CompareTo(other.LastUse));
        lock (_gate)
        {
            // What was committed while this looked is newer than all that it found; what rested may have been gone on with.
            foreach (var (digest, size, _, isResting) in found.Where(one => !_quota.Contains(one.Digest) && (!one.IsResting || _resting.ContainsKey(one.Digest))))
                _quota.Adopt(digest, size);
        }
    }

    // Does arithmetic under the lock, then removes the files of those who have to leave. The result ends when others have made the room that this found free.
    private Task Settle(Action<ICollection<Victim>> arithmetic)
    {
        var victims = new List<Victim>();
        List<Leaver> leavers;
        var others = Task.CompletedTask;
        var free = _root.FreeBytes();
        lock (_gate)
        {
            _quota.SetFree(free + _going, Math.Max(0, Interlocked.Read(ref _written)));
            arithmetic(victims);
            if (_quota.Used + _quota.Reserved + _quota.Overhead + _going > _quota.Limit) others = Task.WhenAll(_leaving.Values.Select(one => one.Left.Task));
            leavers = DepartLocked(victims);
        }

        Evict(leavers, CancellationToken.None);
        return others;
    }
}
