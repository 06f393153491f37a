using Entrepot.Server.Cli;

namespace Entrepot.Tests.Cli;

public sealed class WordsTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    [Theory]
    [InlineData(0, "0 blobs")]
    [InlineData(1, "1 blob")]
    [InlineData(1_234_567, "1,234,567 blobs")]
    public void Count_Number_HasItsNoun(long count, string expected) => Assert.Equal(expected, Words.Count(count, "blob"));

    [Theory]
    [InlineData(0, 0, "-")]
    [InlineData(0, 3, "0 %")]
    [InlineData(1, 3, "33.3 %")]
    [InlineData(99_999, 100_000, "99.9 %")]
    [InlineData(3, 3, "100 %")]
    [InlineData(long.MaxValue, long.MaxValue, "100 %")]
    public void Percent_Share_IsCutOff(long part, long whole, string expected) => Assert.Equal(expected, Words.Percent(part, whole));

    [Theory]
    [InlineData(-5, "0 s")]
    [InlineData(59, "59 s")]
    [InlineData(63, "1 min 3 s")]
    [InlineData(7_500, "2 h 5 min")]
    [InlineData(273_600, "3 d 4 h")]
    public void Duration_Seconds_AreInTwoUnits(long seconds, string expected) => Assert.Equal(expected, Words.Duration(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(-5, "0 s ago")]
    [InlineData(59, "59 s ago")]
    [InlineData(60, "1 min ago")]
    [InlineData(7_500, "2 h ago")]
    [InlineData(3_456_000, "40 d ago")]
    public void Ago_Time_IsInOneUnit(long seconds, string expected) => Assert.Equal(expected, Words.Ago(Now.AddSeconds(-seconds), Now));

    [Fact]
    public void Ago_Never_IsADash() => Assert.Equal("-", Words.Ago(null, Now));

    [Theory]
    [InlineData("sha256:0123456789abcdef", "sha256:0123456789ab")]
    [InlineData("sha256:0123", "sha256:0123")]
    [InlineData("odd", "odd")]
    public void Short_Digest_IsItsBeginning(string digest, string expected) => Assert.Equal(expected, Words.Short(digest));

    [Fact]
    public void Line_ControlCharacters_AreTakenOut() => Assert.Equal("a b [31mc", Words.Line("a\nb\e[31mc\r\n"));

    [Fact]
    public void Text_Columns_AreAlignedAndNothingIsCut() =>
        Assert.Equal("  a    1   x\n  bcd  22\n", Columns.Text([["a", "1", "x"], ["bcd", "22", ""]], "  "));

    [Fact]
    public void Text_NumbersToTheRight_EndUnderEachOther() => Assert.Equal("a     1 B\nb  12 KiB\n", Columns.Text([["a", "1 B"], ["b", "12 KiB"]], right: 1));

    [Fact]
    public void Text_NoRows_IsNothing() => Assert.Equal("", Columns.Text([]));
}
