using System.Net.Http.Headers;
using System.Text;
using Entrepot.Oci;
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

public sealed class ErrorDocumentTests
{
    [Fact]
    public void FirstMessage_Document_IsOneShortLineOfIt()
    {
        var message = "a\\r\\nb\\u001b[31m" + new string('x', 300);
        var line = Read("{\"errors\":[{\"code\":\"DENIED\",\"message\":\"" + message + "\"},{\"message\":\"second\"}]}");

        Assert.StartsWith("ab[31mxxx", line, StringComparison.Ordinal);
        Assert.InRange(line!.Length, 190, 200);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{\"errors\":[]}")]
    [InlineData("{\"errors\":[7]}")]
    [InlineData("{\"errors\":{\"message\":\"x\"}}")]
    [InlineData("{\"errors\":[{\"message\":null}]}")]
    [InlineData("{\"errors\":[{\"message\":\"\\n\"}]}")]
    public void FirstMessage_SomethingElse_IsNull(string content) => Assert.Null(Read(content));

    private static string? Read(string content) => ErrorDocument.FirstMessage(Encoding.UTF8.GetBytes(content));
}

public sealed class UpstreamCountersTests
{
    [Fact]
    public void Answered_Statuses_AreCountedByKindAndCode()
    {
        var counters = new UpstreamCounters();

        counters.Answered("blob", 200);
        counters.Answered("blob", 200);
        counters.Answered("blob", null);
        counters.Answered("manifest", 200);
        counters.Answered("manifest", 999);

        Assert.Equal(
            [new("blob", "200", 2), new("blob", "error", 1), new("manifest", "200", 1), new UpstreamRequests("manifest", "other", 1)],
            counters.Requests.OrderBy(entry => entry.Kind).ThenBy(entry => entry.Code, StringComparer.Ordinal));
    }

    [Fact]
    public void Limited_NeverTold_IsNull()
    {
        var counters = new UpstreamCounters();

        counters.Limited(null, "");
        counters.Limited("many", "-1");

        Assert.Null(counters.Limit);
        Assert.Null(counters.Remaining);
    }

    [Fact]
    public void Limited_Told_KeepsTheLatest()
    {
        var counters = new UpstreamCounters();

        counters.Limited("100;w=21600", "76;w=21600");
        counters.Limited(null, "0");

        Assert.Equal(100, counters.Limit);
        Assert.Equal(0, counters.Remaining);
    }
}

public sealed class AttemptTests
{
    [Fact]
    public void IsWorthAgain_LimitWithoutAnEnd_IsNot()
    {
        Assert.False(Attempt<string>.Refused(RegistryError.TooManyRequests(null)).IsWorthAgain);
        Assert.True(Attempt<string>.Refused(RegistryError.TooManyRequests(TimeSpan.Zero), TimeSpan.Zero).IsWorthAgain);
    }

    [Fact]
    public void IsWorthAgain_OnlyTheDead_AreAskedAgain()
    {
        Assert.True(Attempt<string>.Dead(RegistryError.Down("x")).As<object>().IsWorthAgain);
        Assert.False(Attempt<string>.Refused(RegistryError.Down("x")).IsWorthAgain);
        Assert.False(Attempt<string>.Of("content").IsWorthAgain);
    }
}
