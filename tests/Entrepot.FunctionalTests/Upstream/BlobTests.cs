using System.IO.Compression;
using System.Text;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Upstream;
using Microsoft.AspNetCore.Http;

namespace Entrepot.FunctionalTests.Upstream;

public sealed class BlobTests : UpstreamTest
{
    private const string Content = "0123456789";

    [Fact]
    public async Task OpenBlob_Whole_HasSizeAndStrongTag()
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers.ETag = "\"strong\"";
            return SendAsync(context, 200, Content);
        });

        var blob = (await Connect(registry.Address).OpenBlobAsync(SomeBlob, BlobPart.Whole, default)).Value!;

        Assert.Equal((0L, 10L, "\"strong\""), (blob.Offset, blob.Size, blob.Validator));
        Assert.Equal(Content, await ReadAsync(blob));
        var asked = Assert.Single(registry.Requests);
        Assert.Equal($"/v2/team/app/blobs/{SomeDigest}", asked.Target);
        Assert.Null(asked.Header("Range"));
        Assert.Equal("identity", asked.Header("Accept-Encoding"));
        Assert.StartsWith("entrepot/", asked.Header("User-Agent"), StringComparison.Ordinal);
        Assert.Equal(10, Counters.Bytes);
    }

    [Theory]
    [InlineData(5L, null, "bytes=5-")]
    [InlineData(0L, 3L, "bytes=0-2")]
    [InlineData(5L, 7L, "bytes=5-6")]
    public async Task OpenBlob_Range_IsAskedAndTold(long offset, long? end, string range)
    {
        var registry = await ServeAsync(RangesAsync);

        var blob = (await Connect(registry.Address).OpenBlobAsync(SomeBlob, new BlobPart(offset, end) { Validator = "\"v\"" }, default)).Value!;

        Assert.Equal((offset, 10L), (blob.Offset, blob.Size));
        Assert.Equal(Content[(int)offset..(int)(end ?? 10)], await ReadAsync(blob));
        Assert.Equal((range, "\"v\""), (registry.Requests[0].Header("Range"), registry.Requests[0].Header("If-Range")));
    }

    [Fact]
    public async Task OpenBlob_WeakTag_IsNeitherSentNorTold()
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers.ETag = "W/\"weak\"";
            return RangesAsync(context);
        });

        var blob = (await Connect(registry.Address).OpenBlobAsync(SomeBlob, new BlobPart(5) { Validator = "W/\"weak\"" }, default)).Value!;

        await using var disposed = blob;
        Assert.Null(blob.Validator);
        Assert.Null(registry.Requests[0].Header("If-Range"));
    }

    [Theory]
    [InlineData(416, "bytes */10", null)]
    [InlineData(416, null, "text/html")]     // as nginx says it
    [InlineData(206, null, null)]
    [InlineData(206, "bytes 7-9/10", null)]
    [InlineData(206, "nonsense", null)]
    [InlineData(206, null, "multipart/byteranges; boundary=x")]
    public async Task OpenBlob_RangeAnsweredWithNonsense_IsAskedFromTheBeginningOnce(int status, string? range, string? type)
    {
        var registry = await ServeAsync(context =>
        {
            if (context.Request.Headers.Range.Count == 0) return SendAsync(context, 200, Content);
            if (range is not null) context.Response.Headers.ContentRange = range;
            return SendAsync(context, status, "567", type);
        });

        var blob = (await Connect(registry.Address).OpenBlobAsync(SomeBlob, new BlobPart(5), default)).Value!;

        Assert.Equal((0L, 10L), (blob.Offset, blob.Size));
        Assert.Equal(Content, await ReadAsync(blob));
        Assert.Equal(2, registry.Requests.Count);
    }

    [Fact]
    public async Task OpenBlob_RangeIgnored_BeginsAtZero()
    {
        var registry = await ServeAsync(context => SendAsync(context, 200, Content));

        var blob = (await Connect(registry.Address).OpenBlobAsync(SomeBlob, new BlobPart(5), default)).Value!;

        Assert.Equal((0L, 10L), (blob.Offset, blob.Size));
        Assert.Equal(Content, await ReadAsync(blob));
        Assert.Single(registry.Requests);
    }

    [Fact]
    public async Task OpenBlob_206WithoutARange_IsBadGateway()
    {
        var registry = await ServeAsync(context => SendAsync(context, 206, Content));

        Assert.Equal(502, (await Connect(registry.Address).OpenBlobAsync(SomeBlob, BlobPart.Whole, default)).Error?.Status);
    }

    [Fact]
    public async Task OpenBlob_NoLength_HasNoSize()
    {
        var registry = await ServeAsync(context => context.Response.WriteAsync(Content));

        var blob = (await Connect(registry.Address).OpenBlobAsync(SomeBlob, BlobPart.Whole, default)).Value!;

        Assert.Null(blob.Size);
        Assert.Equal(Content, await ReadAsync(blob));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n")]
    public async Task Read_ConnectionEndsTooEarly_Throws(string answer)
    {
        var registry = ServeRaw(answer);

        var blob = (await Connect(registry.Address).OpenBlobAsync(SomeBlob, BlobPart.Whole, default)).Value!;

        await Assert.ThrowsAnyAsync<IOException>(() => ReadAsync(blob));
        Assert.Equal(10, Counters.Bytes);
    }

    [Fact]
    public async Task Read_UpstreamFallsSilent_Throws()
    {
        var registry = ServeRaw("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789", isSilentAfterwards: true);
        var upstream = Connect(
            new UpstreamOptions { Name = "test", Urls = [registry.Address] }, Times with { Stall = TimeSpan.FromMilliseconds(100) });

        var blob = (await upstream.OpenBlobAsync(SomeBlob, BlobPart.Whole, default)).Value!;

        var error = await Assert.ThrowsAnyAsync<IOException>(() => ReadAsync(blob));
        Assert.Contains("sent nothing for 0.1 s", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OpenBlob_GzipAllTheSame_IsDecodedAndHasNoSize()
    {
        var registry = await ServeAsync(GzipAsync);

        var blob = (await Connect(registry.Address).OpenBlobAsync(SomeBlob, BlobPart.Whole, default)).Value!;

        Assert.Equal((0L, null), (blob.Offset, blob.Size));
        Assert.Equal(Content, await ReadAsync(blob));
    }

    [Fact]
    public async Task OpenBlob_GzippedRange_IsAskedFromTheBeginning()
    {
        var registry = await ServeAsync(context =>
        {
            if (context.Request.Headers.Range.Count == 0) return GzipAsync(context);
            context.Response.Headers.ContentEncoding = "gzip";
            context.Response.Headers.ContentRange = "bytes 5-9/30";
            return SendAsync(context, 206, "piece");
        });

        var blob = (await Connect(registry.Address).OpenBlobAsync(SomeBlob, new BlobPart(5), default)).Value!;

        Assert.Equal((0L, null), (blob.Offset, blob.Size));
        Assert.Equal(Content, await ReadAsync(blob));
    }

    [Theory]
    [InlineData("br")]
    [InlineData("gzip, gzip")]
    public async Task OpenBlob_OtherEncoding_IsBadGatewayThatNamesIt(string encoding)
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers.ContentEncoding = encoding;
            return SendAsync(context, 200, Content);
        });
        var upstream = Connect(new UpstreamOptions { Name = "test", Urls = [registry.Address], Connections = 1 });

        var answer = await upstream.OpenBlobAsync(SomeBlob, BlobPart.Whole, default);

        Assert.Equal(502, answer.Error?.Status);
        Assert.Contains(encoding, answer.Error?.Detail, StringComparison.Ordinal);
        // Its only connection is free again.
        Assert.Equal(502, (await upstream.OpenBlobAsync(SomeBlob, BlobPart.Whole, default)).Error?.Status);
    }

    [Theory]
    [InlineData(404, 404, "BLOB_UNKNOWN")]
    [InlineData(401, 401, "UNAUTHORIZED")]
    [InlineData(403, 403, "DENIED")]
    [InlineData(418, 502, "UNAVAILABLE")]
    public async Task OpenBlob_Refused_IsToldInTheUpstreamsWords(int status, int expected, string code)
    {
        var registry = await ServeAsync(context => SendAsync(context, status, "{\"errors\":[{\"code\":\"X\",\"message\":\"its words\"}]}"));

        var answer = await Connect(registry.Address).OpenBlobAsync(SomeBlob, BlobPart.Whole, default);

        Assert.Equal((expected, code), (answer.Error?.Status, answer.Error?.Code));
        Assert.EndsWith("its words", answer.Error?.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HeadBlob_Known_HasItsSize()
    {
        var registry = await ServeAsync(context => SendAsync(context, 200, Content));

        Assert.Equal(10, (await Connect(registry.Address).HeadBlobAsync(SomeBlob, default)).Value?.Size);
        Assert.Equal("HEAD", Assert.Single(registry.Requests).Method);
    }

    [Theory]
    [InlineData(200)]
    [InlineData(405)]
    [InlineData(501)]
    public async Task HeadBlob_HeadDoesNotTell_LearnsFromOneByte(int status)
    {
        var registry = await ServeAsync(context =>
        {
            if (!HttpMethods.IsHead(context.Request.Method)) return RangesAsync(context);
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        });

        Assert.Equal(10, (await Connect(registry.Address).HeadBlobAsync(SomeBlob, default)).Value?.Size);
        Assert.Equal("bytes=0-0", registry.Requests[^1].Header("Range"));
    }

    [Fact]
    public async Task HeadBlob_Unknown_IsBlobUnknown()
    {
        var registry = await ServeAsync(context => SendAsync(context, 404));

        Assert.Equal(RegistryError.BlobUnknown, (await Connect(registry.Address).HeadBlobAsync(SomeBlob, default)).Error);
    }

    private static Task RangesAsync(HttpContext context)
    {
        var range = context.Request.GetTypedHeaders().Range!.Ranges.Single();
        var (from, to) = ((int)range.From!, (int)(range.To ?? 9));
        context.Response.Headers.ContentRange = $"bytes {from}-{to}/10";
        return SendAsync(context, 206, Content[from..(to + 1)]);
    }

    private static async Task GzipAsync(HttpContext context)
    {
        context.Response.Headers.ContentEncoding = "GZip";
        await using var encoder = new GZipStream(context.Response.Body, CompressionLevel.Fastest);
        await encoder.WriteAsync(Encoding.ASCII.GetBytes(Content));
    }
}
