using System.Net;
using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class RedirectTests
{
    private static readonly Uri Https = new("https://registry.example.org/v2/a/blobs/x");

    [Theory]
    [InlineData("/b?c=d", "https://registry.example.org/b?c=d")]
    [InlineData("https://cdn.example.net/b", "https://cdn.example.net/b")]
    public void Target_Good_IsResolved(string location, string expected)
    {
        Assert.Null(Redirect.Target(Https, new Uri(location, UriKind.RelativeOrAbsolute), out var target));
        Assert.Equal(new Uri(expected), target);
    }

    [Theory]
    [InlineData("http://registry.example.org/b", "from https to http")]
    [InlineData("ftp://registry.example.org/b", "else than http")]
    [InlineData("file:///etc/passwd", "else than http")]
    public void Target_Bad_SaysWhy(string location, string why)
    {
        Assert.Contains(why, Redirect.Target(Https, new Uri(location), out var target), StringComparison.Ordinal);
        Assert.Null(target);
    }

    [Fact]
    public void Target_None_SaysSo() => Assert.NotNull(Redirect.Target(Https, null, out _));

    [Fact]
    public void Target_HttpToHttps_IsFollowed() =>
        Assert.Null(Redirect.Target(new Uri("http://a.example/"), new Uri("https://a.example/"), out _));

    [Theory]
    [InlineData(301, true)]
    [InlineData(302, true)]
    [InlineData(303, true)]
    [InlineData(307, true)]
    [InlineData(308, true)]
    [InlineData(200, false)]
    [InlineData(300, false)]
    [InlineData(304, false)]
    public void Is_Status_TellsRedirects(int status, bool expected) => Assert.Equal(expected, Redirect.Is((HttpStatusCode)status));
}
