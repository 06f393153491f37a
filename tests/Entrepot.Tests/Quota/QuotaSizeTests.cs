using System.Globalization;
using CsCheck;
using Entrepot.Pull;

namespace Entrepot.Tests.Quotas;

public sealed class QuotaSizeTests
{
    private const long GiB = 1L << 30;

    [Theory]
    [InlineData(QuotaSize.Least)]
    [InlineData(100 * GiB)]
    [InlineData(long.MaxValue)]
    public void Resolve_Bytes_IsTheBytesWhateverTheFileSystem(long bytes)
    {
        Assert.Equal(bytes, QuotaSize.OfBytes(bytes).Resolve(0));
        Assert.Equal(bytes, QuotaSize.OfBytes(bytes).Resolve(long.MaxValue));
    }

    [Theory]
    [InlineData("80", 100 * GiB, 80 * GiB)]
    [InlineData("100", 100 * GiB, 100 * GiB)]
    [InlineData("12.5", 8 * GiB, GiB)]
    [InlineData("50", (64L << 20) + 1, 32L << 20)]
    [InlineData("100", long.MaxValue, long.MaxValue)]
    [InlineData("50", 16L << 20, QuotaSize.Least)]
    [InlineData("0.001", GiB, QuotaSize.Least)]
    [InlineData("80", 0, QuotaSize.Least)]
    public void Resolve_Percent_IsTheShareButNeverLessThanTheLeast(string percent, long total, long expected) =>
        Assert.Equal(expected, QuotaSize.OfPercent(decimal.Parse(percent, CultureInfo.InvariantCulture)).Resolve(total));

    [Fact]
    public void Resolve_AnyPercentOfAnySize_IsBetweenTheLeastAndTheWhole() =>
        Gen.Select(Gen.Int[1, 1000], Gen.Long[QuotaSize.Least, long.MaxValue]).Sample((tenths, total) =>
            QuotaSize.OfPercent(tenths / 10m).Resolve(total) is var bytes && bytes >= QuotaSize.Least && bytes <= total);

    [Fact]
    public void Default_IsTheLeast() => Assert.Equal(QuotaSize.Least, default(QuotaSize).Resolve(100 * GiB));

    [Theory]
    [InlineData(QuotaSize.Least - 1)]
    [InlineData(0)]
    [InlineData(-1)]
    public void OfBytes_BelowTheLeast_IsRefused(long bytes) => Assert.Throws<ArgumentOutOfRangeException>(() => QuotaSize.OfBytes(bytes));

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(100.1)]
    public void OfPercent_OutOfRange_IsRefused(double percent) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => QuotaSize.OfPercent((decimal)percent));

    [Fact]
    public void ToString_Both_IsWhatTheOptionWouldSay()
    {
        Assert.Equal("107374182400", QuotaSize.OfBytes(100 * GiB).ToString());
        Assert.Equal("12.5%", QuotaSize.OfPercent(12.5m).ToString());
    }
}
