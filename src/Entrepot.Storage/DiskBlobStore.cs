using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>Blobs as files, each under its digest (invariants 1 and 2).</summary>
/// <remarks>
/// Safe for concurrent use. A file that the index knows was verified by this process, or remembered as verified. One that it does not know is
/// hashed before it is opened: once, however many ask for it. A false or truncated one is removed.
/// </remarks>
public sealed class DiskBlobStore : IBlobStore
{
    private readonly StoreRoot _root;
    private readonly ICacheIndex _index;
    private readonly DiskSpace _space;
    private readonly Action<Digest> _falseFile;
    private readonly ConcurrentDictionary<Digest, Lazy<Task<bool>>> _checks = new();
    private readonly ConcurrentDictionary<string, bool> _taken = new();   // names in partial/ that a writer has now

    /// <summary>A store under a root.</summary>
    /// <param name="root">The directory; its owner disposes it after the last use of this store.</param>
    /// <param name="index">What is remembered of the files.</param>
    /// <param name="space">The room under the root.</param>
    /// <param name="clock">The time.</param>
    /// <param name="falseFile">Told of a file that was not what its name says and has been removed; must return at once.</param>
    public DiskBlobStore(StoreRoot root, ICacheIndex index, DiskSpace space, TimeProvider clock, Action<Digest> falseFile)
    {
        (_root, _index, _space, Clock, _falseFile, Cold) = (root, index, space, clock, falseFile, new ColdReads(root.Files));
        Commits = new Commits(root, index, space, clock, Forget);
        Placements = new Placements(root, index, space, clock);
    }

    /// <summary>What files are made of.</summary>
    internal FileCalls Files => _root.Files;

    /// <summary>The time.</summary>
    internal TimeProvider Clock { get; }

    /// <summary>What waits for the disk in place of its readers.</summary>
    internal ColdReads Cold { get; }

    /// <summary>What gives verified blobs their names.</summary>
    internal Commits Commits { get; }

    /// <summary>What gives the blobs of imports theirs.</summary>
    internal Placements Placements { get; }

    /// <inheritdoc/>
    public bool Contains(Digest digest) => _index.FindBlob(digest) is not null || File.Exists(_root.BlobPath(digest));

    /// <inheritdoc/>
    public async ValueTask<Blob?> OpenAsync(Digest digest, CancellationToken cancel)
    {
        while (true)
        {
            if (_index.FindBlob(digest) is { } record)
            {
                if (TryOpen(digest, record, out var blob)) return blob;
            }
            else if (Commits.IsNaming(digest) || Placements.IsNaming(digest) || _space.IsLeaving(digest) || !File.Exists(_root.BlobPath(digest)))
            {
                // A name that is not durable yet is none. Its writer serves what it has meanwhile; to hash it again would take longer than that.
                return null;
            }

            var check = CheckAsync(digest);
            cancel.ThrowIfCancellationRequested();
            if (!await check.WaitAsync(cancel) || _index.FindBlob(digest) is null) return null;
        }
    }

    /// <inheritdoc/>
    public bool Drop(Digest digest)
    {
        try
        {
            var size = new FileInfo(_root.BlobPath(digest));
            if (!size.Exists) return false;
            Drop(digest, size.Length);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public void Touch(Digest digest, DateTimeOffset now)
    {
        if (_index.Touch(digest, now)) _space.Touch(digest);
    }

    /// <inheritdoc/>
    public ValueTask<IPartialBlob> CreateAsync(Digest digest, FillMode fill, CancellationToken cancel)
    {
        var (path, left) = Claim(digest);
        try
        {
            return new(left is { } size ? GoOn(digest, fill, path, size) : Begin(digest, fill, path));
        }
        catch
        {
            _taken.TryRemove(path, out _);
            throw;
        }
    }

    /// <inheritdoc/>
    public bool Pin(Digest digest) => _space.Pin(digest);

    /// <inheritdoc/>
    public void Unpin(Digest digest) => _space.Unpin(digest);

    /// <inheritdoc/>
    public long ShortOf(long bytes) => _space.ShortOf(bytes);

    /// <inheritdoc/>
    public long Remove(Digest digest, DateTimeOffset unusedSince)
    {
        lock (_space.NameOf(digest))
        {
            if (_index.FindBlob(digest) is { } record && record.LastAccess > unusedSince) return 0;
            return Take(digest, EvictionReason.Removed);
        }
    }

    /// <summary>Removes what rests of blobs of which all was to come, and that nobody has gone on with for long.</summary>
    /// <param name="before">When they began to rest, at the latest.</param>
    public void RemoveExpired(DateTimeOffset before)
    {
        foreach (var digest in _space.RestingSince(before))
        {
            lock (_space.NameOf(digest))
            {
                // Somebody may have gone on with it meanwhile.
                if (_space.RestingSince(before).Contains(digest)) Take(digest, EvictionReason.Expired);
            }
        }
    }

    /// <inheritdoc/>
    public Task<bool?> VerifyAsync(Digest digest, Func<int, ValueTask> hashed, CancellationToken cancel) =>
        Task.Run(() => HashAgainAsync(digest, hashed, cancel), cancel);

    /// <summary>Keeps what a writer has brought, which is flushed and described, for the next writer of its blob.</summary>
    /// <returns><see langword="false"/> if it cannot be kept: another writer had the blob's place.</returns>
    internal bool TryRest(DiskPartial partial, Digest digest, long size, long reserved, FillMode fill)
    {
        if (partial.Path != _root.PartialPath(digest)) return false;
        lock (_space.NameOf(digest))
        {
            _space.Rest(digest, size, reserved, new Resting(Quota.OnDisk(size), fill, Clock.GetUtcNow()));
            return _taken.TryRemove(partial.Path, out _);
        }
    }

    /// <summary>Removes what rests of a blob that is about to come whole.</summary>
    internal void RemoveResting(Digest digest)
    {
        lock (_space.NameOf(digest))
        {
            if (!_space.TryWake(digest, out var size)) return;
            _root.Delete(digest, isResting: true);
            _space.Release(size, 0);
        }
    }

    /// <summary>Removes the file of a writer that gave up.</summary>
    internal void Discard(DiskPartial partial)
    {
        try
        {
            File.Delete(partial.Path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // It stays until the next writer of that name, or the next start, removes it.
        }

        Forget(partial);
    }

    // Each writer has a file and a name of its own, also beside another one of the same blob: none can publish or remove what is not its own.
    private (string Path, long? Left) Claim(Digest digest)
    {
        var first = _root.PartialPath(digest);
        var path = first;
        var size = 0L;
        lock (_space.NameOf(digest))
        {
            var isMine = _taken.TryAdd(path, true);
            var wakes = isMine && _space.TryWake(digest, out size);

            // What is leaving has the first name until its file is gone. Only what did not wake can be.
            if (isMine && !wakes && _space.IsLeaving(digest)) isMine = !_taken.TryRemove(path, out _);
            for (var other = 2; !isMine; other++) isMine = _taken.TryAdd(path = $"{first}.{other}", true);
            return (path, wakes ? size : null);
        }
    }

    private DiskPartial GoOn(Digest digest, FillMode fill, string path, long size)
    {
        try
        {
            if (PartialRecord.TryRead(path) is { } record && Quota.OnDisk(record.State.Written.Total) == size)
            {
                var partial = new DiskPartial(this, _space, digest, path, new SharedFile(Open(path, FileMode.Open)), fill, record.State);
                _space.Wrote(record.State.Written.Total);
                return partial;
            }
        }
        catch (FileNotFoundException)
        {
            // Somebody has removed it: from the start, then.
        }
        catch
        {
            _space.Release(size, 0);
            throw;
        }

        _space.Release(size, 0);
        return Begin(digest, fill, path);
    }

    private DiskPartial Begin(Digest digest, FillMode fill, string path)
    {
        File.Delete(PartialRecord.PathOf(path));
        File.Delete(path);
        return new DiskPartial(this, _space, digest, path, new SharedFile(Open(path, FileMode.CreateNew)), fill);
    }

    private SafeFileHandle Open(string path, FileMode mode) => Files.Open(path, mode, FileAccess.ReadWrite);

    // A writer's name is free again, and nobody is to go on with what it described.
    private void Forget(DiskPartial partial)
    {
        try
        {
            File.Delete(PartialRecord.PathOf(partial.Path));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Without its file it says nothing.
        }

        _taken.TryRemove(partial.Path, out _);
    }

    // By who holds its name. Returns bytes on disk.
    private long Take(Digest digest, EvictionReason reason)
    {
        if (!_space.TryTake(digest, out var size, out var resting)) return 0;
        var isGone = false;
        try
        {
            // Forgotten first: whoever still finds the record finds the file, or neither.
            _index.RemoveBlob(digest);
            _root.Delete(digest, resting is not null);
            isGone = true;
        }
        finally
        {
            _space.Took(digest, size, resting, isGone ? reason : null);
        }

        return size;
    }

    // Whether something can be said of it at once: it is opened, or it is not there, or was cut. Otherwise somebody has written it since it was verified.
    private bool TryOpen(Digest digest, BlobRecord record, out Blob? blob)
    {
        blob = null;
        try
        {
            var file = Files.Open(_root.BlobPath(digest));
            var size = RandomAccess.GetLength(file);
            var isAsItWas = File.GetLastWriteTimeUtc(file) == record.StoredAt.UtcDateTime;
            if (size == record.Size && isAsItWas) blob = new FileBlob(new SharedFile(file), Cold, record.Size, record.StoredAt);
            else file.Dispose();
            if (size != record.Size) Drop(digest, size);
            return isAsItWas || size != record.Size;
        }
        catch (Exception gone) when (gone is FileNotFoundException or DirectoryNotFoundException)
        {
            Forget(digest);
            return true;
        }
    }

    private Task<bool> CheckAsync(Digest digest)
    {
        var check = _checks.GetOrAdd(digest, name => new Lazy<Task<bool>>(() => Task.Run(() => CheckFile(name))));
        return check.Value;
    }

    private bool CheckFile(Digest digest)
    {
        try
        {
            using var file = Files.Open(_root.BlobPath(digest), options: FileOptions.SequentialScan);
            var (name, size) = FileHash.Of(Files, file, digest, CancellationToken.None);
            if (name != digest)
            {
                Drop(digest, size);
                return false;
            }

            lock (_space.NameOf(digest))
            {
                if (!File.Exists(_root.BlobPath(digest)) || !_space.TryAdopt(digest, size)) return false;
                _index.AddBlob(digest, Found(file, size));
                return true;
            }
        }
        catch (Exception gone) when (gone is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        finally
        {
            _checks.TryRemove(digest, out _);
        }
    }

    private async Task<bool?> HashAgainAsync(Digest digest, Func<int, ValueTask> hashed, CancellationToken cancel)
    {
        try
        {
            // Reads that follow one another closely, and still none ahead: what others have in memory is to be told from what this brings there.
            using var file = Files.Open(_root.BlobPath(digest), options: FileOptions.RandomAccess);
            var (name, size) = await FileHash.OfAsync(Files, file, digest, hashed, cancel);
            return name == digest ? true : Drop(digest, size, file) ? false : null;
        }
        catch (Exception gone) when (gone is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    // Nobody remembers when it was last used; that is not before it was written.
    private static BlobRecord Found(SafeFileHandle file, long size)
    {
        var writtenAt = File.GetLastWriteTimeUtc(file);
        return new BlobRecord(size, writtenAt, writtenAt);
    }

    // What was looked at for long may have left or come anew meanwhile: then it is not what was found to be wrong, and stays.
    private bool Drop(Digest digest, long size, SafeFileHandle? seen = null)
    {
        lock (_space.NameOf(digest))
        {
            if (seen is not null && File.GetLastWriteTimeUtc(_root.BlobPath(digest)) != File.GetLastWriteTimeUtc(seen)) return false;
            _index.RemoveBlob(digest);
            File.Delete(_root.BlobPath(digest));
            _space.Remove(digest, EvictionReason.Corrupt, size);
        }

        _falseFile(digest);
        return true;
    }

    // Somebody has removed the file; unless it has been written anew since.
    private void Forget(Digest digest)
    {
        lock (_space.NameOf(digest))
        {
            if (File.Exists(_root.BlobPath(digest))) return;
            _index.RemoveBlob(digest);
            _space.Remove(digest);
        }
    }
}
