using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>Blobs that have arrived for imports: verified and flushed, kept apart under <c>staging/</c>, and found by nobody before they are placed.</summary>
/// <remarks>
/// <para>Safe for concurrent use, but for placing, dropping and writing the same blob at once. Their room is set aside before they are written (invariant 4), and no name under <c>blobs/</c>
/// is given before <see cref="PlaceAsync"/> (invariant 1). Imports share them: a blob is there once.</para>
/// <para>What a process that died has left is found at start, keeps its room, and is hashed again before it is worth anything.</para>
/// </remarks>
public sealed class Staging : IAsyncDisposable
{
    private const int ReadableBytes = 64 << 20;

    // Flushes under way: more would only hold more files open.
    private const int MostFlushes = 8;

    private readonly StoreRoot _root;
    private readonly DiskBlobStore _store;
    private readonly DiskSpace _space;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<Digest, StagedFile> _files = new();
    private readonly SemaphoreSlim _flushes = new(MostFlushes);
    private long _names;

    /// <summary>What is staged under a root.</summary>
    /// <param name="root">The directory.</param>
    /// <param name="store">The store of that directory.</param>
    /// <param name="space">The room under it, of which nothing is known yet.</param>
    /// <param name="clock">The time.</param>
    public Staging(StoreRoot root, DiskBlobStore store, DiskSpace space, TimeProvider clock)
    {
        (_root, _store, _space, _clock) = (root, store, space, clock);
        foreach (var (digest, size) in root.Staged())
        {
            _space.Found(size);
            _files[digest] = new StagedFile(size, IsVerified: false, clock.GetUtcNow(), Task.CompletedTask);
        }
    }

    /// <summary>All that is there, verified or not, since when. A snapshot.</summary>
    public IReadOnlyDictionary<Digest, DateTimeOffset> All => _files.ToDictionary(file => file.Key, file => file.Value.Since);

    /// <summary>Whether a blob is there and verified.</summary>
    public bool Has(Digest digest) => _files.TryGetValue(digest, out var file) && file.IsVerified;

    /// <summary>The most that can be set aside now, under the quota and on the file system.</summary>
    public (long UnderLimit, long OnDisk) Room => _space.Room();

    /// <summary>Sets room aside; it is given back by <see cref="Release"/>, or used up by <see cref="WriteAsync"/>.</summary>
    /// <returns><see langword="false"/>, with nothing changed, if it cannot fit.</returns>
    public ValueTask<bool> TryReserveAsync(long bytes, CancellationToken cancel) => _space.TryReserveAsync(bytes, cancel);

    /// <summary>Gives room back.</summary>
    public void Release(long bytes) => _space.Release(bytes, 0);

    /// <summary>Hashes what an earlier process left of a blob; what is wrong, or could not be flushed, is removed.</summary>
    /// <returns>Whether the blob is there and verified.</returns>
    public async Task<bool> VerifyAsync(Digest digest, CancellationToken cancel)
    {
        if (!_files.TryGetValue(digest, out var file)) return false;
        if (file.IsVerified && !file.Durable.IsFaulted) return true;
        var isRight = !file.IsVerified && await Task.Run(() => IsRight(digest, cancel), cancel);
        if (isRight) _files.TryUpdate(digest, file with { IsVerified = true }, file);
        else await DropAsync(digest);
        return Has(digest);
    }

    /// <summary>Writes a blob, whose room the caller has set aside: it is used up if this says so, and still the caller's otherwise.</summary>
    /// <param name="digest">The blob.</param>
    /// <param name="size">Its bytes.</param>
    /// <param name="from">Where they come from; read to their end, and no further.</param>
    /// <param name="cancel">Ends it; nothing is left then.</param>
    /// <returns>Whether they are what the digest names, and whether the room is used up: it is not if somebody else has brought the blob meanwhile.</returns>
    /// <exception cref="IOException">The disk refuses, or the bytes end too early.</exception>
    public async Task<(bool IsRight, bool IsUsed)> WriteAsync(Digest digest, long size, Stream from, CancellationToken cancel)
    {
        // The name is this writer's alone, and what a process that died may have left under it is of no use.
        var path = $"{_root.StagedPath(digest)}.{Interlocked.Increment(ref _names)}";
        var handle = _root.Files.Open(path, FileMode.Create, FileAccess.Write);
        var written = new Counter();
        var isKept = false;
        try
        {
            if (await CopyAsync(digest, size, from, handle, written, cancel) is var isRight && !isRight) return (false, false);
            await _flushes.WaitAsync(cancel);
            var durable = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            isKept = _files.TryAdd(digest, new StagedFile(size, IsVerified: true, _clock.GetUtcNow(), durable.Task));
            if (isKept) _ = Task.Run(() => Settle(path, digest, handle, durable), CancellationToken.None);
            else _flushes.Release();
            return (true, isKept);
        }
        finally
        {
            if (!isKept)
            {
                handle.Dispose();
                File.Delete(path);
                _space.Release(0, written.Bytes);
            }
        }
    }

    /// <summary>Reads a small blob that is there.</summary>
    /// <exception cref="IOException">It cannot be read, or is too large for a manifest.</exception>
    public async Task<ReadOnlyMemory<byte>> ReadAsync(Digest digest, CancellationToken cancel)
    {
        if (!_files.TryGetValue(digest, out var file)) throw new IOException($"{digest} is not staged");
        if (file.Size > ReadableBytes) throw new IOException($"{digest} is too large for a manifest");
        await file.Durable.WaitAsync(cancel);
        return await File.ReadAllBytesAsync(_root.StagedPath(digest), cancel);
    }

    /// <summary>Gives blobs their names in the store, in this order; they are not staged any more then.</summary>
    /// <exception cref="IOException">The disk refuses; some may have got their names, the others stay.</exception>
    public async Task PlaceAsync(IReadOnlyList<Digest> digests)
    {
        var files = digests.ToDictionary(digest => digest, digest => _files[digest]);
        await Task.WhenAll(files.Values.Select(file => file.Durable));
        await Task.Run(() =>
        {
            foreach (var digest in digests) _store.RemoveResting(digest);
            _store.Placements.Place([.. digests.Select(digest => new ArrivedFile(
                _root.StagedPath(digest), digest, files[digest].Size, Quota.OnDisk(files[digest].Size), () => _files.TryRemove(digest, out _)))]);
        });
    }

    /// <summary>Removes a blob that nobody wants any more, and gives its room back; one that is not there is ignored. Waits for what is being flushed.</summary>
    public async Task DropAsync(Digest digest)
    {
        if (!_files.TryGetValue(digest, out var file)) return;
        await file.Durable.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Delete(_root.StagedPath(digest));
        if (_files.TryRemove(digest, out _)) _space.Release(Quota.OnDisk(file.Size), file.Size);
    }

    /// <summary>Waits for what is being flushed. What is staged stays, for the next start.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var file in _files.Values) await file.Durable.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _flushes.Dispose();
    }

    // Hashed and written while the next bytes arrive.
    private async Task<bool> CopyAsync(Digest digest, long size, Stream from, SafeFileHandle to, Counter written, CancellationToken cancel)
    {
        using var hash = digest.NewHash();
        await using var blocks = new BlockWriter(_root.Files, count =>
        {
            written.Bytes += count;
            _space.Wrote(count);
        });
        blocks.Begin(to);
        while (blocks.Position < size)
        {
            var room = blocks.Room;
            if (room.Length > size - blocks.Position) room = room[..(int)(size - blocks.Position)];
            var count = await from.ReadAtLeastAsync(room, room.Length, throwOnEndOfStream: false, cancel);
            if (count == 0) throw new EndOfStreamException($"{digest} should have {size} bytes, and came with {blocks.Position}");
            await blocks.AddAsync(count, isThere: false, hash);
        }

        await blocks.EndAsync();
        return Digest.FromHash(hash.GetHashAndReset()) == digest;
    }

    // Durable first, then under the name that the next start believes to be whole.
    private void Settle(string path, Digest digest, SafeFileHandle handle, TaskCompletionSource durable)
    {
        try
        {
            using (handle) _root.Files.Flush(handle);
            _root.Files.Rename(path, _root.StagedPath(digest));
            durable.SetResult();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Delete(path);   // nobody else knows this name
            durable.SetException(new IOException($"{digest} could not be flushed: {fault.Message}", fault));
        }
        finally
        {
            _flushes.Release();
        }
    }

    private bool IsRight(Digest digest, CancellationToken cancel)
    {
        using var file = _root.Files.Open(_root.StagedPath(digest), options: FileOptions.SequentialScan);
        return FileHash.Of(_root.Files, file, digest, cancel).Name == digest;
    }

    private static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // It stays until it is staged again, or the next start finds it.
        }
    }

    private sealed class Counter
    {
        public long Bytes { get; set; }
    }

    // Durable: when it is flushed and has its name; fails if that failed.
    private sealed record StagedFile(long Size, bool IsVerified, DateTimeOffset Since, Task Durable);
}
