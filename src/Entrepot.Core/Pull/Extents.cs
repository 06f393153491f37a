using System.Diagnostics;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Which bytes of a blob have arrived: a set of byte ranges. Pure.</summary>
/// <remarks>Not safe for concurrent use; its owner holds a lock. A blob that arrives in order is one range.</remarks>
public sealed class Extents
{
    private readonly List<ByteSpan> _spans = [];   // ascending, never touching each other

    /// <summary>Bytes that have arrived, wherever they are.</summary>
    public long Total { get; private set; }

    /// <summary>Adds a range; what has arrived already is not counted twice.</summary>
    public void Add(ByteSpan span)
    {
        Debug.Assert(span.From >= 0 && span.Length >= 0);
        if (span.Length == 0) return;

        var first = 0;
        while (first < _spans.Count && _spans[first].To < span.From) first++;
        var end = first;
        while (end < _spans.Count && _spans[end].From <= span.To)
        {
            span = new ByteSpan(Math.Min(span.From, _spans[end].From), Math.Max(span.To, _spans[end].To));
            Total -= _spans[end++].Length;
        }

        _spans.RemoveRange(first, end - first);
        _spans.Insert(first, span);
        Total += span.Length;
    }

    /// <summary>Where the bytes end that have arrived without a gap from <paramref name="offset"/> on; <paramref name="offset"/> itself if that one has not.</summary>
    public long EndFrom(long offset)
    {
        foreach (var span in _spans)
            if (span.From <= offset && offset < span.To) return span.To;
        return offset;
    }

    /// <summary>Nothing has arrived.</summary>
    public void Clear()
    {
        _spans.Clear();
        Total = 0;
    }
}
