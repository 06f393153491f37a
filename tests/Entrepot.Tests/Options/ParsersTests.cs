using CsCheck;
using Entrepot.Server.Options;

namespace Entrepot.Tests.Options;

public sealed class ParsersTests
{
    [Theory]
    [InlineData("0.0.0.0:5000", true)]
    [InlineData("127.0.0.1:0", true)]
    [InlineData("10.1.2.3:65535", true)]
    [InlineData("[::]:5000", true)]
    [InlineData("[::1]:5000", true)]
    [InlineData("[2001:db8::1]:5000", true)]
    [InlineData("", false)]
    [InlineData("5000", false)]
    [InlineData(":5000", false)]
    [InlineData("*:5000", false)]
    [InlineData("localhost:5000", false)]
    [InlineData("127.0.0.1", false)]
    [InlineData("127.0.0.1:", false)]
    [InlineData("127.0.0.1:65536", false)]
    [InlineData("127.0.0.1:-1", false)]
    [InlineData("127.0.0.1: 1", false)]
    [InlineData("127.0.0.1:000080", false)]
    [InlineData("127.1:5000", false)]
    [InlineData("1:5000", false)]
    [InlineData("0x7f.0.0.1:5000", false)]
    [InlineData("[127.0.0.1]:5000", false)]
    [InlineData("::1:5000", false)]
    [InlineData("[::1]", false)]
    [InlineData("[::1:5000", false)]
    [InlineData("http://127.0.0.1:5000", false)]
    public void TryParseEndpoint_Text_IsAnAddressWithAPortOrNot(string text, bool allowed) =>
        Assert.Equal(allowed, Parsers.TryParseEndpoint(text, out _));

    [Theory]
    [InlineData("docker.io", "docker.io")]
    [InlineData("GHCR.io", "ghcr.io")]
    [InlineData("localhost:5000", "localhost:5000")]
    [InlineData("10.0.0.1:80", "10.0.0.1:80")]
    [InlineData("my_registry", "my_registry")]
    [InlineData("", null)]
    [InlineData("docker.io/library", null)]
    [InlineData("https://docker.io", null)]
    [InlineData("a..b", null)]
    [InlineData(".a", null)]
    [InlineData("-a", null)]
    [InlineData("a b", null)]
    [InlineData("a:", null)]
    [InlineData("a:0", null)]
    [InlineData("a:1:2", null)]
    [InlineData("ä.example", null)]
    [InlineData("*", null)]
    public void TryParseHostAndPort_Text_IsLowerCasedOrRefused(string text, string? expected)
    {
        var allowed = Parsers.TryParseHostAndPort(text, out var value);

        Assert.Equal(expected is not null, allowed);
        if (allowed) Assert.Equal(expected, value);
    }

    [Theory]
    [InlineData("https://registry-1.docker.io", true)]
    [InlineData("http://127.0.0.1:5000", true)]
    [InlineData("http://[::1]:5000/", true)]
    [InlineData("docker.io", false)]
    [InlineData("ftp://docker.io", false)]
    [InlineData("file:///etc/passwd", false)]
    [InlineData("https://", false)]
    [InlineData("https://docker.io/v2/", false)]
    [InlineData("https://docker.io?x=1", false)]
    [InlineData("https://docker.io?", false)]
    [InlineData("https://docker.io#x", false)]
    [InlineData("https://me:secret@docker.io", false)]
    [InlineData("https://@docker.io", false)]
    [InlineData(" https://docker.io", false)]
    [InlineData("/etc", false)]
    public void TryParseUrl_Text_IsTheAddressOfARegistryOrNot(string text, bool allowed) =>
        Assert.Equal(allowed, Parsers.TryParseUrl(text, out _));

    [Theory]
    [InlineData("10", true)]
    [InlineData("20", true)]
    [InlineData("9", false)]
    [InlineData("21", false)]
    [InlineData("x", false)]
    public void Within_Count_AllowsBothEndsAndNothingOutside(string text, bool allowed) =>
        Assert.Equal(allowed, new TryParse<int>(Parsers.TryParseCount).Within(10, 20)(text, out _));

    [Fact]
    public void EachParser_AnyText_NeverThrows() => Gen.String.Sample(text =>
    {
        if (Parsers.TryParseEndpoint(text, out var endpoint)) Assert.Contains(endpoint.Port.ToString(), text);
        if (Parsers.TryParseHostAndPort(text, out var host)) Assert.DoesNotContain('/', host);
        if (Parsers.TryParseUrl(text, out var url)) Assert.Empty(url.UserInfo);
        if (Parsers.TryParseCount(text, out var count)) Assert.True(count >= 0);
    });
}
