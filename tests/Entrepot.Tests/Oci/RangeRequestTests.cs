using CsCheck;
using Entrepot.Oci;

namespace Entrepot.Tests.Oci;

public sealed class RangeRequestTests
{
    [Theory]
    [InlineData("bytes=0-0", 0L, 0L)]
    [InlineData("bytes=0-499", 0L, 499L)]
    [InlineData("bytes=9500-", 9500L, null)]
    [InlineData("bytes=-500", null, 500L)]
    [InlineData("Bytes=1-2", 1L, 2L)]
    [InlineData("bytes= 1-2 ", 1L, 2L)]
    [InlineData("bytes=007-0010", 7L, 10L)]
    [InlineData("bytes=5-99999999999999999999999", 5L, long.MaxValue - 1)]
    public void TryParse_OneRange_IsRead(string header, long? first, long? last)
    {
        Assert.True(RangeRequest.TryParse(header, out var range));
        Assert.Equal(new RangeRequest(first, last), range);
    }

    [Theory]
    [InlineData("bytes=0-1,-6")]
    [InlineData("bytes=0-1 ,\t-6")]
    [InlineData("Bytes= ,0-1,, -6 ,")]
    public void ParseAll_SeveralRanges_AreReadInTheirOrder(string header) =>
        Assert.Equal([new RangeRequest(0, 1), new RangeRequest(null, 6)], RangeRequest.ParseAll(header));

    [Theory]
    [InlineData("")]
    [InlineData("bytes")]
    [InlineData("bytes=")]
    [InlineData("bytes=-")]
    [InlineData("bytes=5")]
    [InlineData("bytes=2-1")]
    [InlineData("bytes=a-b")]
    [InlineData("bytes=+1-2")]
    [InlineData("bytes=1--2")]
    [InlineData("bytes=--5")]
    [InlineData("bytes=0x1-2")]
    [InlineData("bytes=1 - 2")]
    [InlineData("bytes=0-1,3-x")]
    [InlineData("items=0-1")]
    [InlineData("bytes:0-1")]
    public void Parse_OtherText_IsIgnored(string header)
    {
        Assert.False(RangeRequest.TryParse(header, out _));
        Assert.Empty(RangeRequest.ParseAll(header));
    }

    [Theory]
    [InlineData("bytes=0-0", 10, 0, 1)]
    [InlineData("bytes=0-", 10, 0, 10)]
    [InlineData("bytes=9-", 10, 9, 10)]
    [InlineData("bytes=3-5", 10, 3, 6)]
    [InlineData("bytes=3-99", 10, 3, 10)]
    [InlineData("bytes=3-99999999999999999999", 10, 3, 10)]
    [InlineData("bytes=-3", 10, 7, 10)]
    [InlineData("bytes=-10", 10, 0, 10)]
    [InlineData("bytes=-99999999999999999999", 10, 0, 10)]
    public void TryResolve_SomethingIsThere_IsThat(string header, long size, long from, long to)
    {
        Assert.True(RangeRequest.TryParse(header, out var range));
        Assert.True(range.TryResolve(size, out var span));
        Assert.Equal((new ByteSpan(from, to), to - from), (span, span.Length));
    }

    [Theory]
    [InlineData("bytes=10-", 10)]
    [InlineData("bytes=10-11", 10)]
    [InlineData("bytes=99999999999999999999-", 10)]
    [InlineData("bytes=-0", 10)]
    [InlineData("bytes=0-", 0)]
    [InlineData("bytes=0-0", 0)]
    [InlineData("bytes=-5", 0)]
    public void TryResolve_NothingIsThere_IsUnsatisfiable(string header, long size)
    {
        Assert.True(RangeRequest.TryParse(header, out var range));
        Assert.False(range.TryResolve(size, out _));
    }

    [Fact]
    public void TryResolve_AnyRange_LiesWithinTheBlob() =>
        Gen.Select(Gen.Char["bytes=0123456789-, "].Array[0, 12], Gen.Long[0, 1000]).Sample((letters, size) =>
        {
            if (!RangeRequest.TryParse("bytes=" + new string(letters), out var range) || !range.TryResolve(size, out var span)) return;
            Assert.True(span.From >= 0 && span.Length > 0 && span.To <= size);
        });
}
