using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.FunctionalTests.ZeroCopy;

public sealed partial class MultiRangeTests : ZeroCopyTest
{
    [Theory]
    [InlineData("bytes=0-9,20-29")]
    [InlineData("bytes=600000-699999, 100000-399999 ,5-5")]
    [InlineData("bytes=-10,0-0")]
    [InlineData("bytes=0-99,50-149")]
    [InlineData("bytes=5-9,8000000-,7-8")]
    public async Task Get_SeveralRanges_AreAnsweredInTheirOrder(string range)
    {
        var before = Counts.Sent;
        using var client = await RawClient.ConnectAsync(Cache.Url);

        var (status, headers) = await client.SendAsync("GET", PathOf(Other), ("Range", range));
        var (bytes, clean) = await client.ReadRestAsync();

        Assert.Equal((206, true), (status, clean));
        AreParts(Other.Bytes, headers["Content-Type"].Single(), bytes, Spans(range, Other.Size));
        Assert.Equal(Other.Digest.ToString(), headers["Docker-Content-Digest"].Single());
        Assert.Equal(range.Contains("100000-", StringComparison.Ordinal), Counts.Sent > before);   // large parts are sent from the file
        await WorksAsync(client);
    }

    [Theory]
    [InlineData("bytes=0-9,5000000-5000009,9000000-9099999", FillMode.Complete)]
    [InlineData("bytes=0-9,5000000-5000009,9000000-9099999", FillMode.Touched)]
    [InlineData("bytes=-100000,4000000-4000099,-7", FillMode.Complete)]
    [InlineData("bytes=3-5,100-200000,20000000-", FillMode.Touched)]
    public async Task Get_SeveralRangesOfAnUnknownBlob_AreFetched(string range, FillMode fill)
    {
        Cache.ReloadUpstream(upstream => upstream with { Fetching = upstream.Fetching with { Fill = fill } });
        var blob = Registry.Content.AddBlob(TestBlob.Random(10_000_000, seed: 610));

        var got = await Cache.GetBlobAsync(blob, ("Range", range));

        Assert.Equal((206, true), (got.Status, got.Clean));
        AreParts(blob.Bytes, got.Header("Content-Type")!, got.Bytes, Spans(range, blob.Size));
        if (fill is FillMode.Touched) Assert.InRange(Registry.Traffic(blob).Bytes, 1, 9_000_000);
        (await Cache.GetBlobAsync(blob)).Is(blob.Bytes);
    }

    [Theory]
    [InlineData("bytes=0-99999,100000-")]
    [InlineData("bytes=0-,0-")]
    [InlineData("bytes=0-399999,200000-599999")]
    public async Task Get_AsMuchAsTheWhole_IsTheWhole(string range) => (await Cache.GetBlobAsync(Other, ("Range", range))).Is(Other.Bytes);

    [Fact]
    public async Task Get_OneRangeThatIsThere_IsOnePart()
    {
        var got = await Cache.GetBlobAsync(Other, ("Range", "bytes=800000-,10-19"));

        Assert.Equal((206, "bytes 10-19/700000"), (got.Status, got.Header("Content-Range")));
        Assert.True(Other.Bytes.AsSpan(10, 10).SequenceEqual(got.Bytes));
    }

    [Fact]
    public async Task Get_NoRangeThatIsThere_Is416()
    {
        var got = await Cache.GetBlobAsync(Other, ("Range", "bytes=800000-,900000-900001"));

        Assert.Equal((416, "bytes */700000"), (got.Status, got.Header("Content-Range")));
    }

    [Theory]
    [InlineData(1024)]
    [InlineData(1025)]
    public async Task Get_ManyRanges_AreBounded(int count)
    {
        var range = "bytes=" + string.Join(',', Enumerable.Range(0, count).Select(index => $"{index * 500}-{index * 500 + 9}"));

        var got = await Cache.GetBlobAsync(Other, ("Range", range));

        if (count > 1024) got.IsError(400, "SIZE_INVALID");
        else AreParts(Other.Bytes, got.Header("Content-Type")!, got.Bytes, Spans(range, Other.Size));
    }

    [Fact]
    public async Task Get_FetchFailsBetweenParts_IsBrokenOff()
    {
        var blob = Registry.Content.AddBlob(TestBlob.Random(10_000_000, seed: 611));
        Registry.On(request => Ask.Blob(request) && request.Header("Range")?.StartsWith("bytes=0-", StringComparison.Ordinal) != true, Misbehave.Status(500), TestRegistry.Always);
        Registry.On(Ask.Blob, Misbehave.Cut(1_000_000), TestRegistry.Always);

        var got = await Cache.GetBlobAsync(blob, ("Range", "bytes=0-9,9000000-9000009"));

        Assert.Equal((206, false), (got.Status, got.Clean));
        (await Cache.GetBlobAsync(Other)).Is(Other.Bytes);
    }

    private static List<ByteSpan> Spans(string header, int size)
    {
        var spans = new List<ByteSpan>();
        foreach (var range in RangeRequest.ParseAll(header))
            if (range.TryResolve(size, out var span)) spans.Add(span);
        return spans;
    }

    private static void AreParts(byte[] blob, string type, byte[] body, IReadOnlyList<ByteSpan> spans)
    {
        var boundary = Boundary().Match(type).Groups[1].Value;
        var at = 0;
        foreach (var span in spans)
        {
            var end = body.AsSpan(at).IndexOf("\r\n\r\n"u8) + 4;
            var head = Encoding.ASCII.GetString(body, at, end).TrimStart();
            Assert.Equal(string.Create(CultureInfo.InvariantCulture,
                $"--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {span.From}-{span.To - 1}/{blob.Length}\r\n\r\n"), head);
            at += end;
            Assert.True(blob.AsSpan((int)span.From, (int)span.Length).SequenceEqual(body.AsSpan(at, (int)span.Length)));
            at += (int)span.Length;
        }

        Assert.Equal($"\r\n--{boundary}--\r\n", Encoding.ASCII.GetString(body.AsSpan(at)));
    }

    [GeneratedRegex("^multipart/byteranges; boundary=([0-9a-f]{32})$")]
    private static partial Regex Boundary();
}
