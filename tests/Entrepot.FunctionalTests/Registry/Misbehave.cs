using System.IO.Compression;

namespace Entrepot.FunctionalTests.Registry;

/// <summary>Makes of the right reply the one that is sent.</summary>
public delegate Reply Behaviour(ReceivedRequest request, Reply right);

/// <summary>What a registry may do other than right.</summary>
public static class Misbehave
{
    /// <summary>Ends the connection (FIN) after this many bytes of the body.</summary>
    public static Behaviour Cut(long bytes) => (_, right) => right with { EndsAfter = bytes };

    /// <summary>Resets the connection (RST) after this many bytes of the body.</summary>
    public static Behaviour Reset(long bytes) => (_, right) => right with { EndsAfter = bytes, Ending = Ending.Reset };

    /// <summary>Ends the connection without a word.</summary>
    public static Behaviour EndInPlaceOfAnswer() => (_, right) => right with { IsLeftOut = true };

    /// <summary>Says nothing until the registry ends.</summary>
    public static Behaviour HangBeforeHeaders() => HoldHeaders(new Gate());

    /// <summary>Stops after this many bytes of the body and keeps the connection until the registry ends.</summary>
    public static Behaviour HangAt(long bytes) => Hold(new Gate(bytes));

    public static Behaviour HoldHeaders(Gate gate) => (_, right) => right with { BeforeHeaders = gate };

    /// <summary>Holds the body as the gate says.</summary>
    public static Behaviour Hold(Gate gate) => (_, right) => right with { InBody = gate };

    public static Behaviour FlipByte(long offset) => (_, right) =>
    {
        var bytes = right.Body.ToArray();
        bytes[offset] ^= 0x01;
        return right with { Body = bytes };
    };

    /// <summary>Less content, with the length that it then has.</summary>
    public static Behaviour Truncate(int size) => (_, right) => right with { Body = right.Body[..size] };

    /// <summary>More content, with the length that it then has.</summary>
    public static Behaviour Longer(int extra) => (_, right) => right with { Body = (byte[])[.. right.Body.Span, .. new byte[extra]] };

    /// <summary>A Content-Length that differs from what is sent by <paramref name="difference"/> bytes.</summary>
    public static Behaviour WrongLength(long difference) =>
        (_, right) => right with { AnnouncedLength = right.Body.Length + difference };

    /// <summary>Sends so many bytes of the body in a second and no more.</summary>
    public static Behaviour Throttle(long bytesPerSecond) => (_, right) => right with { BytesPerSecond = bytesPerSecond };

    /// <summary>Answers 200 with the whole, whatever range was asked for.</summary>
    public static Behaviour IgnoreRange() => (_, right) => Entire(right);

    /// <summary>Answers 206 with this part, told as it is, whatever range was asked for.</summary>
    public static Behaviour Part(int from, int to) => (_, right) => RightAnswers.Part(Entire(right), from, to);

    /// <summary>Has these bytes and this validator under the name that was asked for: ranges and If-Range are answered accordingly.</summary>
    public static Behaviour Changed(byte[] bytes, string etag) =>
        (request, right) => RightAnswers.Blob(bytes, etag, request, request.Target, ranges: true) with { BytesPerSecond = right.BytesPerSecond };

    public static Behaviour Chunked() => (_, right) => right with { Framing = Framing.Chunked };

    public static Behaviour UntilClose() => (_, right) => right with { Framing = Framing.UntilClose };

    /// <summary>Answers 200 with these bytes and this validator, whatever range was asked for: something else has the name now.</summary>
    public static Behaviour Whole(byte[] bytes, string etag) =>
        (_, right) => (right with { Status = 200, Body = bytes, Whole = bytes, Offset = 0 }).Without("Content-Range").With("ETag", etag);

    /// <summary>Answers with these bytes, and the headers of the right reply.</summary>
    public static Behaviour Content(ReadOnlyMemory<byte> bytes) => (_, right) => right with { Body = bytes };

    public static Behaviour Header(string name, string value) => (_, right) => right.With(name, value);

    public static Behaviour WithoutHeader(string name) => (_, right) => right.Without(name);

    /// <summary>Compresses on the way, as a careless proxy would, whether the client takes it or not.</summary>
    public static Behaviour Gzip() => (_, right) =>
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest)) gzip.Write(right.Body.Span);
        return (right with { Body = packed.ToArray() }).With("Content-Encoding", "gzip");
    };

    public static Behaviour Status(int status, string code = "UNKNOWN") => (_, _) => Reply.Error(status, code);

    /// <summary>A status with one header, such as Retry-After.</summary>
    public static Behaviour Status(int status, string header, string value) => (_, _) => Reply.Error(status, "UNKNOWN").With(header, value);

    /// <summary>A page for people, as captive portals, login pages and proxies under maintenance send it.</summary>
    public static Behaviour Html(int status = 200) => (_, _) => new Reply(status).WithText("<html><body>Please log in</body></html>", "text/html");

    /// <summary>What routers in front of a registry say while it is away.</summary>
    public static Behaviour PlainNotFound() => (_, _) => new Reply(404).WithText("404 page not found\n", "text/plain; charset=utf-8");

    public static Behaviour RedirectTo(Uri target) => (_, _) => new Reply(307).With("Location", target.ToString());

    /// <summary>One after the other.</summary>
    public static Behaviour All(params Behaviour[] behaviours) =>
        (request, right) => behaviours.Aggregate(right, (reply, behaviour) => behaviour(request, reply));

    private static Reply Entire(Reply right) => (right with { Status = 200, Body = right.Whole, Offset = 0 }).Without("Content-Range");
}
