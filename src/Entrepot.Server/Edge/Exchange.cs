using System.Buffers;
using System.Text;
using System.Text.Json;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.ZeroCopy;

namespace Entrepot.Server.Edge;

/// <summary>One request and its response: what it turned out to be, and how much of it was really sent.</summary>
/// <remarks>Used by the one task that handles the request. This is the only file that writes responses of the registry API.</remarks>
internal sealed class Exchange
{
    // What is said of content, and not of an error in its place.
    private static readonly string[] OfContent = ["Cache-Status", "Age", "ETag", "Docker-Content-Digest", "Accept-Ranges", "Content-Range"];

    private readonly HttpContext _context;
    private readonly TimeProvider _clock;
    private readonly long _began;
    private readonly BodyOutput _body;

    public Exchange(HttpContext context, TimeProvider clock)
    {
        (_context, _clock, _began) = (context, clock, clock.GetTimestamp());
        _body = new BodyOutput(context, Began);
    }

    /// <summary>The request.</summary>
    public HttpRequest Request => _context.Request;

    /// <summary>Ends when the client goes away.</summary>
    public CancellationToken Aborted => _context.RequestAborted;

    /// <summary>Whether the client has gone away; the connection may have shown it before <see cref="Aborted"/> says it.</summary>
    public bool ClientLeft => _body.TakesNoMore || (Aborted.IsCancellationRequested && !_body.HasFault);

    /// <summary>Whether the client was given up, because it reads too slowly.</summary>
    public bool IsTooSlow => _body.IsTooSlow;

    /// <summary>What it is about.</summary>
    public TargetKind Kind { get; set; } = TargetKind.Base;

    /// <summary>The name of the upstream that it is about; <see langword="null"/> if that is not known.</summary>
    public string? Upstream { get; set; }

    /// <summary>Where the answer came from.</summary>
    public PullSource Source { get; set; } = PullSource.Failed;

    /// <summary>Why it came from there, in a word, where the source alone does not tell.</summary>
    public string? Detail { get; set; }

    /// <summary>Bytes of the body that the connection has taken: all that the client got, if it stayed to the end.</summary>
    public long Sent => _body.Sent;

    /// <summary>From the request to the first byte of the body, or to the end of the headers where there is none.</summary>
    public TimeSpan FirstByteAfter { get; private set; } = -TimeSpan.FromTicks(1);

    /// <summary>Whether nothing of the response has been sent, so that it can still become another one.</summary>
    public bool CanChange => !_context.Response.HasStarted;

    /// <summary>Since the request came.</summary>
    public TimeSpan Elapsed => _clock.GetElapsedTime(_began);

    /// <summary>The response's status.</summary>
    public int Status => _context.Response.StatusCode;

    /// <summary>Whether only headers are asked for.</summary>
    public bool IsHead => RequestForm.IsHead(Request.Method);

    /// <summary>Why the client was told no, if it was: for the log.</summary>
    public string? Refusal { get; private set; }

    /// <summary>The response's headers, to set those that have a name there; that is cheaper.</summary>
    public IHeaderDictionary Headers => _context.Response.Headers;

    /// <summary>Sets a header.</summary>
    public void Set(string name, string value) => _context.Response.Headers[name] = value;

    /// <summary>Whether the client says that it has this already (RFC 9110, section 13.1.2).</summary>
    public bool HasAlready(Digest digest) => EntityTags.Match(Request.Headers.IfNoneMatch, digest);

    /// <summary>Answers that the client has it already.</summary>
    public void NotModified()
    {
        _context.Response.StatusCode = StatusCodes.Status304NotModified;
        Began();
    }

    /// <summary>Answers with bytes that are at hand.</summary>
    /// <param name="mediaType">Content-Type, exactly.</param>
    /// <param name="size">Content-Length; with HEAD, <paramref name="content"/> may be empty.</param>
    /// <param name="content">The body.</param>
    public Task WriteAsync(string mediaType, long size, ReadOnlyMemory<byte> content)
    {
        _context.Response.ContentType = mediaType;
        _context.Response.ContentLength = size;
        Began();
        return IsHead ? Task.CompletedTask : _body.WriteAsync(content);
    }

    /// <summary>Answers with JSON.</summary>
    public Task WriteJsonAsync(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer)) write(json);
        return WriteAsync("application/json", buffer.WrittenCount, buffer.WrittenMemory);
    }

    /// <summary>Answers with an error in the specification's form, in place of anything that was set for content. The error tells its source.</summary>
    /// <param name="error">What the client is told.</param>
    /// <param name="contentRange">Content-Range, where the error is about one.</param>
    public Task WriteErrorAsync(RegistryError error, string? contentRange = null)
    {
        Source = new Pulled<object>(error).Source;
        foreach (var name in OfContent) _context.Response.Headers.Remove(name);
        _context.Response.StatusCode = error.Status;
        Refusal = error.Detail ?? error.Message;
        if (contentRange is not null) Set("Content-Range", contentRange);
        if ((error.RetryAfter ?? SoonAgain(error.Status)) is { } wait) Set("Retry-After", $"{Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds))}");
        if (error.Status == StatusCodes.Status405MethodNotAllowed) Set("Allow", "GET, HEAD");
        return WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("errors");
            json.WriteStartObject();
            json.WriteString("code", error.Code);
            json.WriteString("message", error.Message);
            if (error.Detail is not null) json.WriteString("detail", error.Detail);
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    /// <summary>Answers with bytes of a blob, following them as they arrive. On any failure the connection is aborted, never ended cleanly.</summary>
    public async Task WriteAsync(BlobContent content, ByteSpan span)
    {
        var response = _context.Response;
        response.ContentType = MediaTypes.Bytes;
        response.ContentLength = span.Length;
        if (content.IsPart)
        {
            response.StatusCode = StatusCodes.Status206PartialContent;
            Set("Content-Range", $"bytes {span.From}-{span.To - 1}/{content.Size}");
        }

        if (IsHead || content.Blob is not { } blob)
        {
            Began();
            return;
        }

        // The headers do not wait for the first bytes.
        if (blob.StoredAt is null) await _body.FlushAsync(Aborted);
        await _body.WriteAsync(blob, span, Aborted);
        Began();   // also where there was nothing to send
    }

    /// <summary>Answers with several parts of a blob, following them as they arrive (multipart/byteranges: RFC 9110, section 14.6).</summary>
    /// <param name="content">What the first range asked for.</param>
    /// <param name="spans">The parts, in the order in which they are sent; more than one.</param>
    /// <param name="open">Opens a part of a blob that is still arriving, which is read from one place on; disposed here.</param>
    public async Task WriteAsync(BlobContent content, IReadOnlyList<ByteSpan> spans, Func<ByteSpan, Task<BlobContent>> open)
    {
        var boundary = Guid.NewGuid().ToString("N");
        var heads = spans.Select((span, index) => Encoding.ASCII.GetBytes(
            $"{(index > 0 ? "\r\n" : "")}--{boundary}\r\nContent-Type: {MediaTypes.Bytes}\r\nContent-Range: bytes {span.From}-{span.To - 1}/{content.Size}\r\n\r\n")).ToList();
        var tail = Encoding.ASCII.GetBytes($"\r\n--{boundary}--\r\n");
        var response = _context.Response;
        response.StatusCode = StatusCodes.Status206PartialContent;
        response.ContentType = $"multipart/byteranges; boundary={boundary}";
        response.ContentLength = heads.Sum(head => head.Length) + spans.Sum(span => span.Length) + tail.Length;

        var first = content.Blob!;
        await response.StartAsync(Aborted);
        for (var index = 0; index < spans.Count; index++)
        {
            await using var part = first.StoredAt is null && (index > 0 || content.Span != spans[0]) ? await open(spans[index]) : null;
            _body.Write(heads[index]);
            await _body.WriteAsync(part?.Blob ?? first, spans[index], Aborted);
        }

        await _body.WriteAsync(tail);
    }

    /// <summary>Ends the connection in a way that no client takes for the end of a body.</summary>
    public void Abort()
    {
        _context.Features.Get<SocketOutput>()?.End();
        _context.Abort();
    }

    // What a client is told that is to come back, when nobody said when. One that is told nothing of a limit comes back at once.
    private static TimeSpan? SoonAgain(int status) => status switch
    {
        StatusCodes.Status503ServiceUnavailable => TimeSpan.FromSeconds(5),
        StatusCodes.Status429TooManyRequests => TimeSpan.FromSeconds(3),
        _ => null,
    };

    private void Began()
    {
        if (FirstByteAfter < TimeSpan.Zero) FirstByteAfter = Elapsed;
    }
}
