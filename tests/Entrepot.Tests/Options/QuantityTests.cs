using CsCheck;
using Entrepot.Server.Options;

namespace Entrepot.Tests.Options;

public sealed class QuantityTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("100", 100)]
    [InlineData("7B", 7)]
    [InlineData("1KB", 1_000)]
    [InlineData("1KiB", 1_024)]
    [InlineData("64MB", 64_000_000)]
    [InlineData("64MiB", 64L << 20)]
    [InlineData("100GB", 100_000_000_000)]
    [InlineData("1.5GiB", 1_610_612_736)]
    [InlineData("2TB", 2_000_000_000_000)]
    [InlineData("2TiB", 2L << 40)]
    [InlineData("0.3KB", 300)]
    [InlineData("0.1GiB", 107_374_182)]
    [InlineData("9223372036854775807", long.MaxValue)]
    public void TryParseSize_Allowed_IsTheBytes(string text, long bytes)
    {
        Assert.True(Quantity.TryParseSize(text, out var parsed));
        Assert.Equal(bytes, parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("MB")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("1.5")]
    [InlineData("1.5B")]
    [InlineData(".5GiB")]
    [InlineData("5.GiB")]
    [InlineData("1.5.5GiB")]
    [InlineData("1,000")]
    [InlineData("1e6")]
    [InlineData("0x10")]
    [InlineData(" 1")]
    [InlineData("1 GiB")]
    [InlineData("1gib")]
    [InlineData("1kB")]
    [InlineData("1M")]
    [InlineData("1PB")]
    [InlineData("80%")]
    [InlineData("1GB/s")]
    [InlineData("٣KB")]
    [InlineData("9223372036854775808")]
    [InlineData("9223372036854775807KB")]
    [InlineData("99999999999999999999TiB")]
    [InlineData("999999999999999999999999999999999999")]
    public void TryParseSize_AnythingElse_IsRefused(string text) => Assert.False(Quantity.TryParseSize(text, out _));

    [Theory]
    [InlineData("200MB/s", 200e6)]
    [InlineData("1KB/s", 1000)]
    [InlineData("1.5KiB/s", 1536)]
    [InlineData("0.5B/s", 0.5)]
    public void TryParseRate_Allowed_IsBytesASecond(string text, double rate)
    {
        Assert.True(Quantity.TryParseRate(text, out var parsed));
        Assert.Equal(rate, parsed);
    }

    [Theory]
    [InlineData("200MB")]
    [InlineData("/s")]
    [InlineData("200MB/m")]
    [InlineData("200 MB/s")]
    [InlineData("unlimited")]
    public void TryParseRate_AnythingElse_IsRefused(string text) => Assert.False(Quantity.TryParseRate(text, out _));

    [Theory]
    [InlineData("500ms", 500)]
    [InlineData("0s", 0)]
    [InlineData("30s", 30_000)]
    [InlineData("1.5m", 90_000)]
    [InlineData("168h", 7 * 24 * 3_600_000.0)]
    public void TryParseDuration_Allowed_IsTheTime(string text, double milliseconds)
    {
        Assert.True(Quantity.TryParseDuration(text, out var parsed));
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("0")]
    [InlineData("1d")]
    [InlineData("1h30m")]
    [InlineData("-1s")]
    [InlineData("1 s")]
    [InlineData("1S")]
    [InlineData("unlimited")]
    [InlineData("00:01:00")]
    [InlineData("99999999999999999999h")]
    public void TryParseDuration_AnythingElse_IsRefused(string text) => Assert.False(Quantity.TryParseDuration(text, out _));

    [Fact]
    public void TryParseDurationOrUnlimited_Unlimited_IsInfinite()
    {
        Assert.True(Quantity.TryParseDurationOrUnlimited("unlimited", out var unlimited));
        Assert.Equal(Timeout.InfiniteTimeSpan, unlimited);
        Assert.True(Quantity.TryParseDurationOrUnlimited("2s", out var two));
        Assert.Equal(TimeSpan.FromSeconds(2), two);
    }

    [Fact]
    public void TryParseSize_WholeNumberOfAnyUnit_IsTheProduct()
    {
        var units = new[] { ("B", 1L), ("KB", 1000L), ("KiB", 1024L), ("MB", 1_000_000L), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TB", 1_000_000_000_000L) };
        Gen.Select(Gen.Long[0, 1_000_000], Gen.OneOf([.. units.Select(Gen.Const)])).Sample((number, unit) =>
            Quantity.TryParseSize($"{number}{unit.Item1}", out var bytes) && bytes == number * unit.Item2);
    }

    [Fact]
    public void EachParser_AnyText_NeverThrowsAndNeverGivesANegative() => Gen.String[Gen.OneOf(Gen.Char, Gen.Char["0123456789.KMGTiBsmh/"]), 0, 30].Sample(text =>
    {
        if (Quantity.TryParseSize(text, out var bytes)) Assert.True(bytes >= 0);
        if (Quantity.TryParseRate(text, out var rate)) Assert.True(rate >= 0);
        if (Quantity.TryParseDuration(text, out var duration)) Assert.True(duration >= TimeSpan.Zero);
    });

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1024, "1 KiB")]
    [InlineData(1_610_612_736, "1.5 GiB")]
    [InlineData((1L << 30) - 1, "1023.9 MiB")]
    [InlineData(5L << 40, "5 TiB")]
    [InlineData(long.MaxValue, "8388607.9 TiB")]
    public void Show_Bytes_UsesTheLargestUnitAndNeverRoundsUp(long bytes, string text) => Assert.Equal(text, Quantity.Show(bytes));
}
