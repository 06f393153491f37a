using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>Blobs as files, each under its digest (invariants 1 and 2).</summary>
/// <remarks>
/// Safe for concurrent use. A file that the index knows was verified by this process, or remembered as verified. One that it does not know is
/// hashed before it is opened: once, however many ask for it. A false or truncated one is removed.
/// </remarks>
public sealed class DiskBlobStore : IBlobStore
{
    private const int HashBufferBytes = 1 << 20;

    private readonly StoreRoot _root;
    private readonly ICacheIndex _index;
    private readonly Action<Digest> _falseFile;
    private readonly ConcurrentDictionary<Digest, Lazy<Task<bool>>> _checks = new();
    private readonly ConcurrentDictionary<Digest, DiskPartial> _named = new();   // who owns the name in partial/

    /// <summary>A store under a root.</summary>
    /// <param name="root">The directory; its owner disposes it after the last use of this store.</param>
    /// <param name="index">What is remembered of the files.</param>
    /// <param name="falseFile">Told of a file that was not what its name says and has been removed; must return at once.</param>
    public DiskBlobStore(StoreRoot root, ICacheIndex index, Action<Digest> falseFile) => (_root, _index, _falseFile) = (root, index, falseFile);

    /// <inheritdoc/>
    public bool Contains(Digest digest) => _index.FindBlob(digest) is not null || File.Exists(_root.BlobPath(digest));

    /// <inheritdoc/>
    public async ValueTask<Blob?> OpenAsync(Digest digest, CancellationToken cancel)
    {
        if (_index.FindBlob(digest) is not { } record)
        {
            if (!File.Exists(_root.BlobPath(digest)) || !await CheckAsync(digest).WaitAsync(cancel)) return null;
            if (_index.FindBlob(digest) is not { } found) return null;
            record = found;
        }

        try
        {
            var file = File.OpenHandle(_root.BlobPath(digest));
            if (RandomAccess.GetLength(file) == record.Size) return new FileBlob(new SharedFile(file), record.Size, record.StoredAt);
            file.Dispose();
            Drop(digest);
            return null;
        }
        catch (Exception gone) when (gone is FileNotFoundException or DirectoryNotFoundException)
        {
            _index.RemoveBlob(digest);
            return null;
        }
    }

    /// <inheritdoc/>
    public ValueTask<IPartialBlob> CreateAsync(Digest digest, CancellationToken cancel)
    {
        var path = Path.Combine(_root.Partial, digest.Hex);

        // A new file, never the old one's pages: readers may still be served from those.
        File.Delete(path);
        var handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        var partial = new DiskPartial(this, digest, path, new SharedFile(handle));
        _named[digest] = partial;
        return new(partial);
    }

    /// <summary>Gives a whole, verified, flushed file its name. Called by its writer, once.</summary>
    internal void Publish(DiskPartial partial, Digest digest, long size)
    {
        var path = _root.BlobPath(digest);
        var folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder);
            Posix.FlushDirectory(Path.GetDirectoryName(folder)!);
        }

        File.Move(partial.Path, path, overwrite: true);
        Posix.FlushDirectory(folder);
        _named.TryRemove(new(digest, partial));
        _index.AddBlob(digest, new BlobRecord(size, File.GetLastWriteTimeUtc(path)));
    }

    /// <summary>Removes the file of a writer that gave up, unless a later writer of the same blob has taken its name.</summary>
    internal void Discard(DiskPartial partial, Digest digest)
    {
        if (_named.TryRemove(new(digest, partial))) File.Delete(partial.Path);
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
            using var file = File.OpenHandle(_root.BlobPath(digest), options: FileOptions.SequentialScan);
            using var hash = digest.NewHash();
            var buffer = new byte[HashBufferBytes];
            var size = 0L;
            for (int count; (count = RandomAccess.Read(file, buffer, size)) > 0; size += count) hash.AppendData(buffer, 0, count);

            if (Digest.FromHash(hash.GetHashAndReset()) != digest)
            {
                Drop(digest);
                return false;
            }

            _index.AddBlob(digest, new BlobRecord(size, File.GetLastWriteTimeUtc(file)));
            return true;
        }
        finally
        {
            _checks.TryRemove(digest, out _);
        }
    }

    private void Drop(Digest digest)
    {
        _index.RemoveBlob(digest);
        File.Delete(_root.BlobPath(digest));
        _falseFile(digest);
    }
}
