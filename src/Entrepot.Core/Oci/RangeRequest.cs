using System.Globalization;

namespace Entrepot.Oci;

/// <summary>One range of a <c>Range</c> header: from a first byte, or the last bytes. Pure (RFC 9110, section 14).</summary>
/// <param name="First">The first byte; <see langword="null"/> in a suffix range.</param>
/// <param name="Last">The last byte, inclusive; the number of bytes in a suffix range; <see langword="null"/> for all the rest.</param>
public readonly record struct RangeRequest(long? First, long? Last)
{
    private const string Unit = "bytes=";

    /// <summary>Reads a header. Other units, several ranges and malformed text are to be ignored, as the RFC says: <see langword="false"/>.</summary>
    public static bool TryParse(ReadOnlySpan<char> header, out RangeRequest range)
    {
        range = default;
        if (!header.StartsWith(Unit, StringComparison.OrdinalIgnoreCase)) return false;

        var text = header[Unit.Length..].Trim(' ');
        var dash = text.IndexOf('-');
        if (dash < 0) return false;
        if (!TryNumber(text[..dash], out var first) || !TryNumber(text[(dash + 1)..], out var last)) return false;
        if (first is null && last is null) return false;
        if (first > last) return false;

        range = new RangeRequest(first, last);
        return true;
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
