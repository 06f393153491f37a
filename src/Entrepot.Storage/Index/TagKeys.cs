using System.Collections.Concurrent;
using Entrepot.Oci;

namespace Entrepot.Storage.Index;

/// <summary>Keys of the tags that are asked for all the time: hashing a name takes longer than the look-up. Safe for concurrent use.</summary>
/// <remarks>A key is a function of its reference, and never goes stale. Names that nobody has come here as well, so the number is bounded.</remarks>
internal sealed class TagKeys
{
    /// <summary>Most keys that are remembered, about 1 MB.</summary>
    public const int Capacity = 4096;

    private readonly ConcurrentDictionary<Reference, RowKey> _keys = new();
    private int _count;   // about right, which is enough

    /// <summary>How many are remembered.</summary>
    public int Count => _keys.Count;

    /// <summary>The key of a tag.</summary>
    public RowKey Of(in Reference tag)
    {
        if (_keys.TryGetValue(tag, out var known)) return known;
        var key = RowKey.Of(tag);
        if (Interlocked.Increment(ref _count) > Capacity)
        {
            // Cheaper than keeping an order: those that are in use are here again after one more hash each.
            _keys.Clear();
            Volatile.Write(ref _count, 1);
        }

        _keys.TryAdd(tag, key);
        return key;
    }
}
