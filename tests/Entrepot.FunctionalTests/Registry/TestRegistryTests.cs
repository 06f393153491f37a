using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Registry;

/// <summary>That the registry of the other tests does what its scripts say.</summary>
public sealed class TestRegistryTests : IAsyncDisposable
{
    private readonly TestRegistry _registry = new();
    private readonly HttpClient _client = new(new SocketsHttpHandler { AllowAutoRedirect = false });
    private readonly TestBlob _blob;
    private readonly string _path;

    public TestRegistryTests()
    {
        _blob = _registry.Content.AddBlob(100_000, seed: 1);
        _path = $"/v2/org/app/blobs/{_blob.Digest}";
        _client.BaseAddress = _registry.Url;
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task Blob_WithoutRules_IsWholeAndLogged()
    {
        Assert.Equal(_blob.Bytes, await _client.GetByteArrayAsync(_path));
        using var head = await _client.SendAsync(new(HttpMethod.Head, _path));

        Assert.Equal(_blob.Size, head.Content.Headers.ContentLength);
        Assert.Equal(_blob.Size, _registry.BlobBytes);
        Assert.Equal(["GET", "HEAD"], _registry.Log.All.Select(request => request.Method));
        Assert.All(_registry.Log.All, request => Assert.Equal(1, request.Connection));
    }

    [Theory]
    [InlineData("bytes=10-19", 206, "bytes 10-19/100000", 10)]
    [InlineData("bytes=99990-", 206, "bytes 99990-99999/100000", 10)]
    [InlineData("bytes=-5", 206, "bytes 99995-99999/100000", 5)]
    [InlineData("bytes=100000-", 416, "bytes */100000", null)]
    public async Task Blob_Range_IsAnsweredAsHttpSays(string range, int status, string contentRange, int? count)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, _path);
        request.Headers.TryAddWithoutValidation("Range", range);
        using var response = await _client.SendAsync(request);

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(contentRange, response.Content.Headers.ContentRange!.ToString());
        if (count is { } bytes) Assert.Equal(bytes, (await response.Content.ReadAsByteArrayAsync()).Length);
    }

    [Fact]
    public async Task Rules_InOrder_AreUsedUpAndThenRight()
    {
        _registry.On(Ask.Blob, Misbehave.Status(500)).On(Ask.Blob, Misbehave.Status(429, "Retry-After", "7"));

        using var first = await _client.GetAsync(_path);
        using var second = await _client.GetAsync(_path);
        using var third = await _client.GetAsync(_path);

        Assert.Equal([500, 429, 200], new[] { first, second, third }.Select(response => (int)response.StatusCode));
        Assert.Equal(7, second.Headers.RetryAfter!.Delta!.Value.TotalSeconds);
    }

    [Theory]
    [InlineData("cut", 1000)]
    [InlineData("reset", 1000)]
    [InlineData("announced longer", 100_000)]
    public async Task Body_EndsEarly_BreaksAtTheClient(string how, int sent)
    {
        _registry.On(Ask.Blob, how switch
        {
            "cut" => Misbehave.Cut(1000),
            "reset" => Misbehave.Reset(1000),
            _ => Misbehave.WrongLength(+10),
        });

        await Assert.ThrowsAsync<HttpRequestException>(() => _client.GetByteArrayAsync(_path));
        Assert.Equal(sent, _registry.BlobBytes);
    }

    [Fact]
    public async Task Body_WithoutLength_Arrives()
    {
        _registry.On(Ask.Blob, Misbehave.Chunked()).On(Ask.Blob, Misbehave.UntilClose());

        Assert.Equal(_blob.Bytes, await _client.GetByteArrayAsync(_path));
        Assert.Equal(_blob.Bytes, await _client.GetByteArrayAsync(_path));
    }

    [Fact]
    public async Task Gate_HoldsHeadersAndBody()
    {
        var (head, body) = (new Gate(), new Gate(50_000));
        _registry.On(Ask.Blob, Misbehave.All(Misbehave.HoldHeaders(head), Misbehave.Hold(body)));

        var answer = _client.GetAsync(_path, HttpCompletionOption.ResponseHeadersRead);
        await head.ReachedAsync();
        Assert.False(answer.IsCompleted);

        head.Open();
        using var response = await answer;
        await using var content = await response.Content.ReadAsStreamAsync();
        await content.ReadExactlyAsync(new byte[50_000]);
        await body.ReachedAsync();
        Assert.Equal(50_000, _registry.BlobBytes);

        body.Open();
        await content.ReadExactlyAsync(new byte[50_000]);
    }

    [Fact]
    public async Task On_AfterSomeRequests_AppliesFromThenOn()
    {
        _registry.On(Ask.Blob, Misbehave.Status(500), times: 1, after: 1).On(Ask.Blob, Misbehave.Status(404), TestRegistry.Always, after: 3);

        var statuses = new List<int>();
        for (var i = 0; i < 5; i++)
        {
            using var response = await _client.GetAsync(_path);
            statuses.Add((int)response.StatusCode);
        }

        Assert.Equal([200, 500, 200, 404, 404], statuses);
    }

    [Fact]
    public async Task Changed_FromTheSecondRequestOn_IsAnotherBlobWithRangesOfItsOwn()
    {
        var other = TestBlob.Random(50_000, seed: 2).Bytes;
        _registry.On(Ask.Blob, Misbehave.Changed(other, "\"v2\""), TestRegistry.Always, after: 1);

        Assert.Equal(_blob.Bytes, await _client.GetByteArrayAsync(_path));
        await IsAsync(206, other[10..], "bytes=10-", null);
        await IsAsync(200, other, "bytes=10-", $"\"{_blob.Digest}\"");
        await IsAsync(206, other[10..20], "bytes=10-19", "\"v2\"");
    }

    [Fact]
    public async Task RangeRules_AnswerOtherPartsThanAskedFor()
    {
        _registry.On(Ask.Blob, Misbehave.IgnoreRange()).On(Ask.Blob, Misbehave.Part(5, 50)).On(Ask.Blob, Misbehave.WithoutHeader("ETag"));

        await IsAsync(200, _blob.Bytes, "bytes=10-19", null);
        await IsAsync(206, _blob.Bytes[5..50], "bytes=10-19", null);
        using var response = await _client.GetAsync(_path);
        Assert.Null(response.Headers.ETag);
    }

    [Fact]
    public async Task Traffic_CountsBytesWhereTheyAreInTheBlob()
    {
        _registry.On(Ask.Blob, Misbehave.Cut(100));
        await Assert.ThrowsAsync<HttpRequestException>(() => _client.GetByteArrayAsync(_path));
        await GetAsync("bytes=50-149", null);
        await GetAsync("bytes=1000-1009", null);
        await GetAsync("bytes=200000-", null);   // 416, which sends nothing of it

        var traffic = _registry.Traffic(_blob);

        Assert.Equal((210, 160, 2), (traffic.Bytes, traffic.Distinct, traffic.MostTimes));
        Assert.Equal([1, 2, 2, 1, 0, 1], new long[] { 49, 50, 99, 149, 150, 1009 }.Select(traffic.Times));
        Assert.Equal(0, _registry.Traffic(TestBlob.Random(1, seed: 3)).MostTimes);
    }

    [Fact]
    public async Task BytesPerSecond_EachConnection_HasItsOwn()
    {
        var blob = _registry.Content.AddBlob(2_000_000, seed: 4);
        _registry.BytesPerSecond = 4_000_000;
        var start = Stopwatch.GetTimestamp();

        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => _client.GetByteArrayAsync($"/v2/org/app/blobs/{blob.Digest}")));

        // Half a second each; a busy machine may take longer, but never less.
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromSeconds(0.48), TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task MostRequests_IsHowManyWereAnsweredTogether()
    {
        var gate = new Gate(1000);
        _registry.On(Ask.Blob, Misbehave.Hold(gate), times: 1);
        var held = _client.GetByteArrayAsync(_path);
        await gate.ReachedAsync();
        for (var i = 0; i < 20; i++) await _client.GetByteArrayAsync(_path);
        gate.Open();
        await held;

        Assert.Equal((2, 2), (_registry.MostRequests, _registry.MostConnections));
    }

    [Fact]
    public async Task RequireToken_ChallengesUntilAValidTokenComes()
    {
        _registry.Content.AddImage("org/app", "1", _blob);
        var tokens = _registry.RequireToken();

        using var refused = await _client.GetAsync(_path);
        var challenge = Assert.Single(refused.Headers.WwwAuthenticate);
        var answer = await _client.GetStringAsync("/token?service=registry.test&scope=repository%3Aorg%2Fapp%3Apull");
        _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "token-1");
        using var granted = await _client.GetAsync(_path);
        tokens.RevokeAll();
        using var revoked = await _client.GetAsync(_path);

        Assert.Equal("Bearer", challenge.Scheme);
        Assert.Contains("scope=\"repository:org/app:pull\"", challenge.Parameter, StringComparison.Ordinal);
        Assert.Contains("\"token\":\"token-1\"", answer, StringComparison.Ordinal);
        Assert.Equal([401, 200, 401], new[] { refused, granted, revoked }.Select(response => (int)response.StatusCode));
        Assert.Equal(1, tokens.Issued);
    }

    [Fact]
    public async Task RedirectBlobsTo_SignsEachAddressForItsUses()
    {
        await using var cdn = new TestRegistry("127.0.0.2") { Content = _registry.Content };
        _registry.RedirectBlobsTo(cdn);

        using var redirect = await _client.GetAsync(_path);
        var signed = redirect.Headers.Location!;
        Assert.Equal(HttpStatusCode.TemporaryRedirect, redirect.StatusCode);
        Assert.Equal(_blob.Bytes, await _client.GetByteArrayAsync(signed));

        using var again = await _client.GetAsync(signed);
        Assert.Equal(HttpStatusCode.Forbidden, again.StatusCode);
        Assert.Equal(_blob.Size, cdn.BlobBytes);
    }

    [Fact]
    public async Task Tags_Paged_LinkToTheNextPage()
    {
        foreach (var tag in (string[])["a", "b", "c"]) _registry.Content.AddImage("org/app", tag);

        using var first = await _client.GetAsync("/v2/org/app/tags/list?n=2");
        Assert.Equal("""{"name":"org/app","tags":["a","b"]}""", await first.Content.ReadAsStringAsync());
        Assert.Equal("</v2/org/app/tags/list?n=2&last=b>; rel=\"next\"", Assert.Single(first.Headers.GetValues("Link")));

        using var second = await _client.GetAsync("/v2/org/app/tags/list?n=2&last=b");
        Assert.Equal("""{"name":"org/app","tags":["c"]}""", await second.Content.ReadAsStringAsync());
        Assert.False(second.Headers.Contains("Link"));
    }

    [Fact]
    public async Task Manifest_ByTagAndDigest_HasItsHeaders()
    {
        var image = _registry.Content.AddImage("org/app", "1", _blob);

        foreach (var target in (string[])["1", image.Manifest.Digest.ToString()])
        {
            using var response = await _client.GetAsync($"/v2/org/app/manifests/{target}");
            Assert.Equal(image.Manifest.Bytes, await response.Content.ReadAsByteArrayAsync());
            Assert.Equal(MediaTypes.OciManifest, response.Content.Headers.ContentType!.ToString());
            Assert.Equal(image.Manifest.Digest.ToString(), Assert.Single(response.Headers.GetValues("Docker-Content-Digest")));
        }
    }

    private async Task IsAsync(int status, byte[] body, string range, string? validator)
    {
        var got = await GetAsync(range, validator);
        Assert.Equal(status, got.Status);
        Assert.Equal(body, got.Body);
    }

    private async Task<(int Status, byte[] Body)> GetAsync(string range, string? validator)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, _path);
        request.Headers.TryAddWithoutValidation("Range", range);
        if (validator is not null) request.Headers.TryAddWithoutValidation("If-Range", validator);
        using var response = await _client.SendAsync(request);
        return ((int)response.StatusCode, await response.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task DisposeAsync_WhileAnAnswerHangs_Ends()
    {
        _registry.On(Ask.Blob, Misbehave.HangBeforeHeaders());
        var hanging = _client.GetAsync(_path);
        await _registry.Log.WaitAsync(Ask.Blob);

        await _registry.DisposeAsync();

        await Assert.ThrowsAsync<HttpRequestException>(() => hanging);
    }
}
