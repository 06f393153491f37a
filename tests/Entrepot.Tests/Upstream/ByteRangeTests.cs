using System.Net.Http.Headers;
using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class ByteRangeTests
{
    [Theory]
    [InlineData(5L, null, "bytes=5-")]
    [InlineData(0L, 1L, "bytes=0-0")]
    [InlineData(5_000_000_000L, 5_000_000_010L, "bytes=5000000000-5000000009")]
    public void ToString_Range_IsWhatIsSent(long offset, long? end, string expected) =>
        Assert.Equal(expected, new ByteRange(offset, end).ToString());

    [Theory]
    [InlineData("bytes 5-9/100", 5L, 5L)]
    [InlineData("bytes 5-9/*", null, 5L)]
    [InlineData("bytes 3-9/100", 7L, 3L)]
    public void Carried_Usable_TellsWhereItBegins(string header, long? length, long from) =>
        Assert.Equal(from, Carried(header, length)?.From);

    [Theory]
    [InlineData("bytes 6-9/100", 4L)]        // begins after what was asked for
    [InlineData("bytes 5-9/100", 50L)]       // and carries something else
    [InlineData("bytes */100", null)]
    [InlineData("bytes 9-5/100", null)]
    [InlineData("bytes 5-9/7", null)]
    [InlineData("lines 5-9/100", null)]
    [InlineData("nonsense", null)]
    [InlineData(null, 5L)]
    public void Carried_Nonsense_IsNull(string? header, long? length) => Assert.Null(Carried(header, length));

    private static ContentRangeHeaderValue? Carried(string? header, long? length)
    {
        using var content = new ByteArrayContent([]);
        content.Headers.ContentLength = length;
        if (header is not null) content.Headers.TryAddWithoutValidation("Content-Range", header);
        return new ByteRange(5, null).Carried(content.Headers);
    }
}
