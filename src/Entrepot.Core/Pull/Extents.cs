using System.Diagnostics;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Which bytes of a blob have arrived: a set of byte ranges. Pure.</summary>
/// <remarks>Not safe for concurrent use; its owner holds a lock. A blob that arrives in order is one range.</remarks>
public sealed class Extents
{
    private readonly List<ByteSpan> _spans;   // ascending, never touching each other, none empty

    /// <summary>Nothing has arrived.</summary>
    public Extents() => _spans = [];

    /// <summary>What has arrived of another blob's, or of this one's so far.</summary>
    public Extents(Extents other) => (_spans, Total) = ([.. other._spans], other.Total);

    /// <summary>Bytes that have arrived, wherever they are.</summary>
    public long Total { get; private set; }

    /// <summary>The ranges, ascending; no two of them touch.</summary>
    public IReadOnlyList<ByteSpan> Spans => _spans;

    /// <summary>Adds a range; what has arrived already is not counted twice.</summary>
    public void Add(ByteSpan span)
    {
        Debug.Assert(span.From >= 0 && span.Length >= 0);
        if (span.Length == 0) return;

        var first = FirstEndingAtOrAfter(span.From);
        var end = first;
        while (end < _spans.Count && _spans[end].From <= span.To)
        {
            span = new ByteSpan(Math.Min(span.From, _spans[end].From), Math.Max(span.To, _spans[end].To));
            Total -= _spans[end++].Length;
        }

        // Almost always one range grows at its end.
        if (end == first) _spans.Insert(first, span);
        else _spans[first] = span;
        if (end > first + 1) _spans.RemoveRange(first + 1, end - first - 1);
        Total += span.Length;
    }

    /// <summary>Where the bytes end that have arrived without a gap from <paramref name="offset"/> on; <paramref name="offset"/> itself if that one has not.</summary>
    public long EndFrom(long offset)
    {
        var at = FirstEndingAtOrAfter(offset + 1);
        return at < _spans.Count && _spans[at].From <= offset ? _spans[at].To : offset;
    }

    /// <summary>Whether all bytes of a range have arrived.</summary>
    public bool Covers(ByteSpan span) => EndFrom(span.From) >= span.To;

    /// <summary>The first bytes at or after an offset that have not arrived, up to the next ones that have.</summary>
    /// <param name="offset">Where to begin to look.</param>
    /// <param name="size">Bytes of the whole.</param>
    /// <returns><see langword="null"/> if all have arrived from there on.</returns>
    public ByteSpan? FirstGap(long offset, long size)
    {
        var from = EndFrom(offset);
        if (from >= size) return null;
        var next = FirstEndingAtOrAfter(from + 1);
        return new ByteSpan(from, next < _spans.Count ? Math.Min(_spans[next].From, size) : size);
    }

    /// <summary>Where the bytes begin that are missing around one that is: behind the last ones before it that have arrived, or 0.</summary>
    public long GapStart(long offset)
    {
        var at = FirstEndingAtOrAfter(offset);
        if (at < _spans.Count && _spans[at].To == offset) return offset;
        return at == 0 ? 0 : _spans[at - 1].To;
    }

    /// <summary>Nothing has arrived.</summary>
    public void Clear()
    {
        _spans.Clear();
        Total = 0;
    }

    private int FirstEndingAtOrAfter(long offset)
    {
        var (low, high) = (0, _spans.Count);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (_spans[middle].To < offset) low = middle + 1;
            else high = middle;
        }

        return low;
    }
}
