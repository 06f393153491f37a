using System.Globalization;

namespace Entrepot.Oci;

/// <summary>One range of a <c>Range</c> header: from a first byte, or the last bytes. Pure (RFC 9110, section 14).</summary>
/// <param name="First">The first byte; <see langword="null"/> in a suffix range.</param>
/// <param name="Last">The last byte, inclusive; the number of bytes in a suffix range; <see langword="null"/> for all the rest.</param>
public readonly record struct RangeRequest(long? First, long? Last)
{
    private const string Unit = "bytes=";

    /// <summary>Reads a header of one range. Other units, several ranges and malformed text are <see langword="false"/>.</summary>
    public static bool TryParse(ReadOnlySpan<char> header, out RangeRequest range)
    {
        range = default;
        return header.StartsWith(Unit, StringComparison.OrdinalIgnoreCase) && TryParseOne(header[Unit.Length..], out range);
    }

    /// <summary>Reads a header of any number of ranges.</summary>
    /// <returns>The ranges, in their order; none if the header is to be ignored, as the RFC says of other units and malformed text.</returns>
    public static IReadOnlyList<RangeRequest> ParseAll(ReadOnlySpan<char> header)
    {
        if (!header.StartsWith(Unit, StringComparison.OrdinalIgnoreCase)) return [];

        var ranges = new List<RangeRequest>();
        var text = header[Unit.Length..];
        foreach (var part in text.Split(','))
        {
            if (text[part].Trim(" \t").IsEmpty) continue;   // a list may have empty elements
            if (!TryParseOne(text[part], out var range)) return [];
            ranges.Add(range);
        }

        return ranges;
    }

    /// <summary>What the range means for a blob of <paramref name="size"/> bytes.</summary>
    /// <returns><see langword="false"/> if it asks for nothing that is there (416).</returns>
    public bool TryResolve(long size, out ByteSpan span)
    {
        var (from, to) = First is { } first
            ? (first, Last is { } last ? Math.Min(last, size - 1) + 1 : size)
            : (Math.Max(0, size - Last!.Value), size);
        span = new ByteSpan(from, to);
        return from < size && from < to;
    }

    private static bool TryParseOne(ReadOnlySpan<char> text, out RangeRequest range)
    {
        range = default;
        text = text.Trim(" \t");
        var dash = text.IndexOf('-');
        if (dash < 0) return false;
        if (!TryNumber(text[..dash], out var first) || !TryNumber(text[(dash + 1)..], out var last)) return false;
        if (first is null && last is null) return false;
        if (first > last) return false;

        range = new RangeRequest(first, last);
        return true;
    }

    // Empty text is null; a number past what a long holds is as good as infinite.
    private static bool TryNumber(ReadOnlySpan<char> text, out long? number)
    {
        number = null;
        if (text.IsEmpty) return true;
        if (text.ContainsAnyExceptInRange('0', '9')) return false;
        number = long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value < long.MaxValue ? value : long.MaxValue - 1;
        return true;
    }
}

/// <summary>Consecutive bytes of a blob.</summary>
/// <param name="From">The first byte, counted from the blob's start.</param>
/// <param name="To">The first byte no longer in it.</param>
public readonly record struct ByteSpan(long From, long To)
{
    /// <summary>Bytes in it.</summary>
    public long Length => To - From;
}
