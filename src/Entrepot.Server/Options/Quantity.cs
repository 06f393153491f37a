using System.Globalization;

namespace Entrepot.Server.Options;

/// <summary>Sizes, rates and durations as people write them. Pure.</summary>
/// <remarks>A number is digits with at most one decimal point: no sign, no exponent, no space before its unit. Units are exact.</remarks>
internal static class Quantity
{
    /// <summary>What a duration may be written as when it has no end.</summary>
    public const string Unlimited = "unlimited";

    private static readonly (string Unit, long Bytes)[] Sizes =
    [
        // Longest first, since each ends in B.
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40),
        ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000),
        ("B", 1), ("", 1),
    ];

    private static readonly (string Unit, long Ticks)[] Durations =
    [
        ("ms", TimeSpan.TicksPerMillisecond), ("s", TimeSpan.TicksPerSecond), ("m", TimeSpan.TicksPerMinute), ("h", TimeSpan.TicksPerHour),
    ];

    /// <summary>Reads <c>100</c>, <c>64KiB</c> or <c>1.5GB</c>; a fraction of a byte that a larger unit leaves is dropped.</summary>
    public static bool TryParseSize(string text, out long bytes)
    {
        if (!TryParse(text, Sizes, out var size, out var factor)) return Fail(out bytes);
        // Half a byte is not a rounding matter but a mistake.
        if (factor == 1 && size != decimal.Truncate(size)) return Fail(out bytes);
        return TryTruncate(size, out bytes);
    }

    /// <summary>Reads a size followed by <c>/s</c>, such as <c>200MB/s</c>.</summary>
    public static bool TryParseRate(string text, out double bytesPerSecond)
    {
        bytesPerSecond = 0;
        if (!text.EndsWith("/s", StringComparison.Ordinal) || !TryParse(text[..^2], Sizes, out var rate, out _)) return false;
        bytesPerSecond = (double)rate;
        return true;
    }

    /// <summary>Reads <c>500ms</c>, <c>30s</c>, <c>1.5m</c> or <c>168h</c>; what is below 100 ns is dropped.</summary>
    public static bool TryParseDuration(string text, out TimeSpan duration)
    {
        duration = default;
        if (!TryParse(text, Durations, out var size, out _) || !TryTruncate(size, out var ticks)) return false;
        duration = new TimeSpan(ticks);
        return true;
    }

    /// <summary>As <see cref="TryParseDuration"/>, and <c>unlimited</c>, which is <see cref="Timeout.InfiniteTimeSpan"/>.</summary>
    public static bool TryParseDurationOrUnlimited(string text, out TimeSpan duration)
    {
        if (text != Unlimited) return TryParseDuration(text, out duration);
        duration = Timeout.InfiniteTimeSpan;
        return true;
    }

    /// <summary>A size for people, in the largest binary unit that leaves at least 1: <c>512 B</c>, <c>1.5 GiB</c>.</summary>
    public static string Show(long bytes)
    {
        var (unit, factor) = Sizes.Take(4).Reverse().FirstOrDefault(size => bytes >= size.Bytes, (Unit: "B", Bytes: 1L));
        var number = factor == 1 ? bytes : Math.Floor((decimal)bytes / factor * 10) / 10;
        return string.Create(CultureInfo.InvariantCulture, $"{number:0.#} {unit}");
    }

    private static bool TryParse(string text, (string Unit, long Factor)[] units, out decimal value, out long factor)
    {
        (var unit, factor) = units.FirstOrDefault(pair => text.EndsWith(pair.Unit, StringComparison.Ordinal), ("", 0));
        value = 0;
        if (factor == 0) return false;

        var number = text.AsSpan(0, text.Length - unit.Length);
        // 20 characters hold every 64-bit number, and keep the product within a decimal.
        if (number.Length is 0 or > 20 || !char.IsAsciiDigit(number[0]) || !char.IsAsciiDigit(number[^1])) return false;
        if (!decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value)) return false;

        value = value <= long.MaxValue ? value * factor : decimal.MaxValue;
        return true;
    }

    private static bool TryTruncate(decimal value, out long whole)
    {
        if (value > long.MaxValue) return Fail(out whole);
        whole = (long)decimal.Truncate(value);
        return true;
    }

    private static bool Fail(out long value)
    {
        value = 0;
        return false;
    }
}
