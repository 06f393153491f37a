using System.Collections.Concurrent;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>The bytes of what was served lately and is small: manifests, and blobs of at most <see cref="LargestBlob"/>.</summary>
/// <remarks>
/// Safe for concurrent use. Finding takes no lock and allocates nothing; only who adds or removes waits for others that do.
/// <list type="number">
/// <item>Bytes are kept only if they are what their digest says, and so never go stale. Whether they may be served is not known here: the index says
/// whether the store has them, and whoever finds something here has asked it.</item>
/// <item>What comes goes to the end of a queue. When the limit is passed, the head of the queue leaves, unless it was found since it was
/// queued: then it goes to the end once more.</item>
/// <item>Nothing is kept that would take more than an eighth of the limit.</item>
/// </list>
/// </remarks>
/// <param name="limit">Most bytes in memory, what each entry takes beside its content included. 0 keeps nothing.</param>
public sealed class MemoryCache(long limit)
{
    /// <summary>Bytes of the largest blob that is kept; manifests may be larger. Images' configurations and the small layers are below it.</summary>
    public const int LargestBlob = 64 << 10;

    /// <summary>Bytes that an entry takes beside its content, by measurement about 600: nodes of table and queue, names.</summary>
    internal const int EntryBytes = 640;

    private readonly ConcurrentDictionary<Digest, MemoryEntry> _entries = new();
    private readonly Lock _gate = new();
    private readonly LinkedList<MemoryEntry> _queue = new();   // guarded by _gate
    private long _bytes;   // written under _gate

    /// <summary>Bytes in memory now, counted as the limit is.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Whether content of this size is kept at all.</summary>
    internal bool Takes(long size) => size + EntryBytes <= limit / 8;

    /// <summary>What is kept under a name; <see langword="null"/> if nothing is.</summary>
    internal MemoryEntry? Find(Digest digest)
    {
        if (!_entries.TryGetValue(digest, out var entry)) return null;
        entry.IsFound = true;
        return entry;
    }

    /// <summary>Keeps bytes, whose owner never changes them again, unless they are too large or not what their name says.</summary>
    /// <returns>Whether they are what their name says.</returns>
    internal bool Add(Digest digest, ReadOnlyMemory<byte> content)
    {
        if (!digest.Matches(content.Span)) return false;
        if (!Takes(content.Length) || _entries.ContainsKey(digest)) return true;
        var entry = new MemoryEntry(digest, content);
        lock (_gate)
        {
            if (!_entries.TryAdd(digest, entry)) return true;
            _queue.AddLast(entry.Place);
            _bytes += entry.Size;
            while (_bytes > limit) TurnLocked();
        }

        return true;
    }

    /// <summary>Keeps it no longer; unknown names are ignored.</summary>
    internal void Remove(Digest digest)
    {
        if (!_entries.ContainsKey(digest)) return;
        lock (_gate)
            if (_entries.TryGetValue(digest, out var entry)) RemoveLocked(entry);
    }

    private void TurnLocked()
    {
        var first = _queue.First!.Value;
        if (!first.IsFound)
        {
            RemoveLocked(first);
            return;
        }

        first.IsFound = false;
        _queue.RemoveFirst();
        _queue.AddLast(first.Place);
    }

    private void RemoveLocked(MemoryEntry entry)
    {
        _entries.TryRemove(entry.Digest, out _);
        _queue.Remove(entry.Place);
        _bytes -= entry.Size;
    }
}
