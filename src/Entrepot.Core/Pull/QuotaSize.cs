using System.Globalization;

namespace Entrepot.Pull;

/// <summary>How much room the cache may take, as its operator says it: bytes, or a share of the file system's size. An immutable value.</summary>
/// <remarks><c>default</c> is the least quota there is.</remarks>
public readonly record struct QuotaSize
{
    /// <summary>The least quota in bytes: an index and records, and room for more than one small image.</summary>
    public const long Least = 16 << 20;

    private readonly long _bytes;
    private readonly decimal _percent;   // 0 if it is bytes

    private QuotaSize(long bytes, decimal percent) => (_bytes, _percent) = (bytes, percent);

    /// <summary>So many bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than <see cref="Least"/>.</exception>
    public static QuotaSize OfBytes(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, Least);
        return new QuotaSize(bytes, 0);
    }

    /// <summary>A share of the file system's size.</summary>
    /// <param name="percent">More than 0, at most 100.</param>
    /// <exception cref="ArgumentOutOfRangeException">Anything else.</exception>
    public static QuotaSize OfPercent(decimal percent)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(percent);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(percent, 100);
        return new QuotaSize(0, percent);
    }

    /// <summary>The quota in bytes, on a file system of this size; never less than <see cref="Least"/>.</summary>
    /// <param name="totalBytes">The file system's size, free or not.</param>
    public long Resolve(long totalBytes)
    {
        var bytes = _percent == 0 ? _bytes : (long)(totalBytes * (_percent / 100));
        return Math.Max(Least, bytes);
    }

    /// <summary>The option's text: <c>107374182400</c> or <c>80%</c>.</summary>
    public override string ToString() =>
        _percent == 0 ? Resolve(0).ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{_percent}%");
}
