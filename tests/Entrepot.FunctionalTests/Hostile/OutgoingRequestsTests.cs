using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Hostile;

public sealed class OutgoingRequestsTests
{
    private const string Hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    private static readonly Uri Upstream = new("http://127.0.0.1:5001/");

    [Theory]
    [InlineData("/v2/", "")]
    [InlineData("/v2/org/app/manifests/1", "")]
    [InlineData("/v2/manifests/manifests/manifests/1", "")]
    [InlineData("/v2/org/app/manifests/sha256:" + Hex, "")]
    [InlineData("/v2/org/app/blobs/sha256:" + Hex, "")]
    [InlineData("/v2/org/app/tags/list", "n=10&last=a%26b")]
    [InlineData("/v2/org/app/tags/list", "last=a")]
    [InlineData("/v2/org/app/referrers/sha256:" + Hex, "artifactType=text%2Fplain")]
    public void Objection_OwnWords_HasNone(string path, string query) =>
        Assert.Null(OutgoingRequests.Objection(Received(path, query, ("Host", "127.0.0.1:5001"), ("Accept", "*/*"), ("Range", "bytes=5-"), ("If-Range", "\"a\"")), Upstream));

    [Theory]
    [InlineData("/v2/org/app/manifests/..", "")]
    [InlineData("/v2/../app/manifests/1", "")]
    [InlineData("/v2/org%2fapp/manifests/1", "")]
    [InlineData("/v2/org/app/blobs/uploads", "")]
    [InlineData("/v2/org/app/manifests/1", "ns=docker.io")]
    [InlineData("/v2/org/app/tags/list", "n=1&last=a&x=y")]
    [InlineData("/v2/org/app/tags/list", "last=a\r\n")]
    [InlineData("/v2/_catalog", "")]
    [InlineData("/", "")]
    [InlineData("/v2/org/app/manifests/1\n", "")]
    public void Objection_WordsOfAClient_HasOne(string path, string query) => Assert.NotNull(OutgoingRequests.Objection(Received(path, query, ("Host", "127.0.0.1:5001")), Upstream));

    [Theory]
    [InlineData("Host", "evil.example")]
    [InlineData("Cookie", "a=b")]
    [InlineData("Authorization", "Basic dXNlcjpodW50ZXIy")]
    [InlineData("X-Forwarded-For", "::1")]
    [InlineData("Range", "bytes=0-1,2-3")]
    [InlineData("Range", "bytes=-5")]
    [InlineData("Accept-Encoding", "gzip")]
    [InlineData("Accept", "*/*;q=nan")]
    public void Objection_HeaderOfAClient_HasOne(string name, string value) =>
        Assert.Equal($"the header {name}: {value}", OutgoingRequests.Objection(Received("/v2/org/app/manifests/1", "", (name, value)), Upstream));

    private static ReceivedRequest Received(string path, string query, params (string, string)[] headers) =>
        new() { Method = "GET", Path = path, Query = query, Headers = headers, Body = "", Connection = 1 };
}
