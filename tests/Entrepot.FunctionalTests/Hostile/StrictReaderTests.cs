using System.Text;

namespace Entrepot.FunctionalTests.Hostile;

public sealed class StrictReaderTests
{
    [Theory]
    [InlineData("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "/a", "Whole")]
    [InlineData("GET /a HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n", "/a /b", "Whole")]
    [InlineData("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n123GET /b HTTP/1.1\r\nHost: a\r\n\r\n", "/a /b", "Whole")]
    [InlineData("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n123", "/a", "Incomplete")]
    [InlineData("GET /a HTTP/1.1\r\nHost: a\r\n", "", "Incomplete")]
    [InlineData("GET /a HTTP/1.1\nHost: a\n\n", "", "Malformed")]
    [InlineData("GET /a HTTP/1.1\r\nHost: a\n\r\n", "", "Malformed")]
    [InlineData("GET /a HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", "", "Malformed")]
    [InlineData("GET /a HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n", "", "Malformed")]
    [InlineData("GET /a HTTP/1.1\r\n\r\n", "", "Malformed")]
    [InlineData("GET /a HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", "", "Malformed")]
    [InlineData("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", "", "Malformed")]
    [InlineData("GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", "Malformed")]
    public void Read_Bytes_AreTheRequestsOfTheRfc(string sent, string targets, string end)
    {
        var (requests, found, _) = StrictReader.Read(Encoding.Latin1.GetBytes(sent));

        Assert.Equal((targets, end), (string.Join(' ', requests.Select(request => request.Target)), found.ToString()));
    }
}
