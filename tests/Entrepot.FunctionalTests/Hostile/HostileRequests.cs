using System.Globalization;
using System.Text;

namespace Entrepot.FunctionalTests.Hostile;

/// <summary>What a hostile client sends, made from a seed: the same seed, the same bytes.</summary>
/// <param name="random">Where it comes from; used by one at a time.</param>
/// <param name="host">The server's own authority.</param>
/// <param name="known">Paths of content that is there.</param>
/// <param name="hidden">A path of content that is there, and that only bytes name which are no request.</param>
internal sealed class HostileRequests(Random random, string host, IReadOnlyList<string> known, string hidden)
{
    private const string Hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    private static readonly string[] Methods =
        ["HeAD", "get", "Get", "gET", "head", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PRI", "PROPFIND", "GET,GET", "X", "G\u0001T", "GÉT", "", "%47ET", "M-SEARCH"];

    private static readonly string[] Paths =
    [
        "/v2/../../../etc/passwd", "/v2/%2e%2e/%2e%2e/etc/passwd", "/v2/..%2f..%2fetc%2fpasswd/manifests/1", "/v2/org/app/../../../blobs/x", "//v2//org//app//manifests//1",
        "/v2/org/app/manifests/..", "/v2/org/app/manifests/%2e%2e%2f%2e%2e%2fetc", "/v2/org/app/blobs/../../format", "/v2/org%2fapp/manifests/1", "/v2/org/app/manifests/%00",
        "/v2/org/app/manifests/a%00b", "/v2/%c0%ae%c0%ae/manifests/1", "/v2/org/%e0%80%af/manifests/1", "/v2/org/app/manifests/%ff%fe", "/v2/..\\..\\windows/manifests/1",
        "/v2/org\\app/manifests/1", "/v2/org/app/manifests/1#x", "/v2/org/app/manifests/%", "/v2/org/app/manifests/%zz", "/v2/org/app/manifests/%u002e", "/v2/./org/./app/manifests/1",
        "/v2/org/app/manifests/\u0001", "/v2/org/app/manifests/\u007f", "/v2/org/é/manifests/1", "/v2/org/app/manifests/%0d%0aX-Injected:%201", "/v2/%0d%0a%0d%0aGET%20/", "/", "", "*", "?", "/v2",
        "/v2/_catalog?n=-1", "/v2/_catalog?n=99999999999999999999", "/v2/_catalog?last=%0d%0aX-Injected:1&n=1", "/v2/org/app/tags/list?n=1&last=%ff", "/v2/org/app/tags/list?n=%31",
        "/V2/org/app/manifests/1", "/v2/org/app/manifests/-", "/v2/a/a/a/a/a/a/a/a/a/a/a/a/manifests/1", "/v2/manifests/manifests", "/v2//manifests/", "/v2/blobs/blobs/blobs/blobs",
        "/v2/org/app/referrers/latest", "/v2/org/app/blobs/uploads/", "/metrics", "/api/v1/status", "/readyz", "/v2/org/app/manifests/1;x=y", "/v2/~root/manifests/1", "/v2/org/app/manifests/$(id)",
    ];

    private static readonly string[] Digests =
    [
        "sha256:", "sha256", ":", "sha256:" + Hex + "0", "SHA256:" + Hex, "md5:d41d8cd98f00b204e9800998ecf8427e", "sha512:" + Hex, "sha256:zz" + Hex, "sha256%3A" + Hex, "sha256:" + "../../" + Hex,
        "sha256+b64u:abc", "sha256:sha256:" + Hex, "sha256:%00", "blake3:" + Hex, "sha256:" + Hex + "?ns=x", "sha256:" + Hex + "/", "sha256:" + Hex + "%20",
    ];

    private static readonly string[] Namespaces =
    [
        "docker.io", "evil.example", "127.0.0.1", "169.254.169.254", "localhost:22", "docker.io%00", "docker.io%0d%0aX-Injected:1", "", "..", "../../etc", "%2e%2e", "DOCKER.IO", "docker.io.", "docker.io:443",
        "docker.io/library", "http://docker.io", "user:pass@docker.io", "%ff", "%", "docker.io&ns=evil.example", "[::1]:5000", "a,b", "%68%69",
    ];

    private static readonly string[] Ranges =
    [
        "bytes=0-0", "bytes=-1", "bytes=5-", "bytes=0-99999999999999999999999", "bytes=99999999999999999999-", "bytes=-0", "bytes=9-2", "bytes=0-0,0-0,0-0", "bytes=0-,0-,0-", "bytes=a-b", "bytes=",
        "bytes=,,,,", "items=0-5", "bytes 0-5", "bytes=0x0-0x5", "bytes=+1-2", "bytes=1-2-3", "bytes=--1", "bytes= 0 - 1", "bytes=0-1, 2-3 ,4-5", "=", "-", "bytes=\u00a00-1", "bytes=9223372036854775807-", "bytes=0-9223372036854775807",
        "bytes=-9223372036854775808", "bytes=18446744073709551616-",
    ];

    private static readonly string[] Headers =
    [
        "X: a\u0001b", "X:", "X:\t\t", "X: \u00ff\u00fe", "If-None-Match: *", "If-None-Match: \"", "If-None-Match: W/,,,\"", "If-Range: \"x\"", "If-Modified-Since: never", "Accept: */*;q=nan", "Accept-Encoding: gzip, br;q=9",
        "Connection: close", "Connection: keep-alive, X", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", "Expect: 100-continue", "Expect: nothing", "TE: trailers", "Trailer: Host",
        "Authorization: Basic " + "dXNlcjpodW50ZXIy", "Authorization: Bearer " + "\u00e9", "Cookie: a=b", "X-Forwarded-Host: evil.example", "X-Forwarded-For: ::1", "X-Original-URL: /metrics", "X-HTTP-Method-Override: DELETE",
        "Origin: http://evil.example", "Range: lines=1-2", "Content-Type: application/json", "Keep-Alive: timeout=999999", "Proxy-Connection: keep-alive", "Via: 1.1 x", "Max-Forwards: 0", "Docker-Content-Digest: sha256:0", "Content-Length: 0",
    ];

    // None names what is there: whoever may reach the admin listener may remove that.
    private static readonly string[] Refs =
    [
        "", "..", "../../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc", "docker.io/%00", "docker.io/never/was:1%0d%0aX-Injected:%201", "docker.io/never/was:1", "docker.io/never/*", "evil.example/a:1",
        "docker.io/never@sha256:zz", "docker.io/never@sha256:" + Hex, "http://169.254.169.254/latest", "%ff%fe", "%", "docker.io/never/../../../blobs", "/never", "docker.io/NEVER:1", "docker.io/never:$(id)", "a&ref=b",
    ];

    private static readonly string[] Imports = ["", "..", "../../outside", "%00", "sha256:" + Hex, "%2fetc%2fpasswd", "00000000-0000-0000-0000-000000000000", "a\u00ff"];

    private static readonly string[] Messages =
    [
        "", "{", "[]", "null", "{}", "{\"images\":null}", "{\"images\":[\"../../etc/passwd\"]}", "{\"images\":[\"docker.io/never/was:1\"],\"platforms\":[\"../..\"]}", "{\"images\":[{\"reference\":\"\\u0000\"}]}",
        "{\"blobs\":[{\"digest\":\"sha256:../../outside\",\"size\":-1}]}", "{\"images\":[" + "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "\u0000\u0001\u00ff", "PK\u0003\u0004", "images: [a]",
    ];

    /// <summary>Whether the admin API is asked as well.</summary>
    public bool IsForAdmin { get; init; }

    /// <summary>One connection's bytes, in the pieces that they are sent in.</summary>
    public IReadOnlyList<byte[]> Connection()
    {
        var text = new StringBuilder();
        if (Chance(2)) text.Append(Right(Pick(known)));
        for (var left = random.Next(1, 4); left > 0; left--) text.Append(One());
        text.Append(Right(Pick(known), Chance(8) ? "" : "Connection: close\r\n"));
        var sent = text.ToString();
        if (Chance(12)) sent = sent[..random.Next(sent.Length + 1)];
        var bytes = Encoding.Latin1.GetBytes(sent);
        if (Chance(12) && bytes.Length > 0) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        return Cut(bytes);
    }

    private string One() => IsForAdmin && Chance(2) ? Administration() : random.Next(18) switch
    {
        0 => Request(Pick(Methods), Pick(known)),
        1 or 2 or 3 => Request("GET", Pick(Paths)),
        4 => Request(Chance(2) ? "GET" : "HEAD", $"/v2/org/app/{Pick(["blobs", "manifests", "referrers"])}/{Pick(Digests)}"),
        5 or 6 => Request("GET", $"/v2/{Pick(["app", "org/app", "docker.io/app"])}/{Pick(["manifests/1", "tags/list", "blobs/sha256:" + Hex])}?ns={Pick(Namespaces)}"),
        7 or 8 => Request("GET", Pick(known), $"Range: {Pick(Ranges)}\r\n"),
        9 => Request("GET", Pick(known), $"Range: bytes={string.Join(',', Enumerable.Range(0, random.Next(2, 1200)).Select(i => $"{i % 7}-{(i % 7) + random.Next(3)}"))}\r\n"),
        10 or 11 => Request("GET", Pick(known), string.Concat(Enumerable.Range(0, random.Next(1, 4)).Select(_ => Pick(Headers) + "\r\n"))),
        12 => Request("GET", Pick(["http://", "https://", "ftp://", "//", "http://user:hunter2@"]) + Pick([host, "evil.example", "evil.example:80", "[::1]", "@", ""]) + Pick(known)),
        13 => Form(),
        14 or 15 => Smuggling(),
        16 => Large(),
        _ => Garbage(),
    };

    private string Administration()
    {
        var message = Pick(Messages);
        var header = Pick(["", "", "Origin: http://evil.example\r\n", "Origin: null\r\n", "Content-Type: text/plain\r\n", "Content-Type: application/json\r\n"]);
        return random.Next(9) switch
        {
            0 => Request("DELETE", $"/api/v1/images?ref={Pick(Refs)}", header),
            1 => Request("DELETE", $"/api/v1/images?set={Pick(Imports)}", header),
            2 => Request(Pick(["POST", "DELETE"]), $"/api/v1/pins?ref={Pick(Refs)}", header),
            3 => Request(Pick(["POST", "GET", "PUT"]), $"/api/v1/{Pick(["refresh", "verify", "status", "v1", "..", "warm/../status", "images%2f"])}?ref={Pick(Refs)}", header),
            4 => Request("GET", $"/api/v1/{Pick(["images", "bundles"])}?ref={Pick(Refs)}&platform={Pick(Imports)}", header),
            5 => Request("POST", "/api/v1/warm", header + LengthOf(message)) + message,
            6 => Request("POST", $"/api/v1/bundles?set={Pick(Imports)}", header + LengthOf(message)) + message,
            7 => Request("POST", $"/api/v1/bundles?import={Pick(Imports)}&{Pick(["blob", "commit", "hold"])}={Pick(Imports)}", header + LengthOf(message)) + message,
            _ => Request("DELETE", $"/api/v1/bundles?import={Pick(Imports)}", header),
        };
    }

    private string LengthOf(string message) => Chance(8) ? "Transfer-Encoding: chunked\r\n" : $"Content-Length: {message.Length + (Chance(8) ? random.Next(5) : 0)}\r\n";

    // Requests that are written otherwise than the RFC says.
    private string Form() => random.Next(14) switch
    {
        0 => $"GET {Pick(known)} HTTP/1.1\nHost: {host}\n\n",
        1 => $"GET {Pick(known)} HTTP/1.1\r\nHost: {host}\r\nX: a\n\r\n",
        2 => $"GET {Pick(known)} HTTP/1.1\r\nHost : {host}\r\n\r\n",
        3 => $"GET {Pick(known)} HTTP/1.1\r\nHost: {host}\r\n folded: x\r\n\r\n",
        4 => $"GET {Pick(known)} HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n",
        5 => $"GET {Pick(known)} HTTP/1.1\r\n\r\n",
        6 => $"GET {Pick(known)}\r\n",
        7 => $"GET  {Pick(known)}  HTTP/1.1\r\nHost: {host}\r\n\r\n",
        8 => $"GET\t{Pick(known)}\tHTTP/1.1\r\nHost: {host}\r\n\r\n",
        9 => $"GET {Pick(known)} HTTP/{Pick(["0.9", "1.2", "2.0", "9.9", "1.10", "01.1", "1", "x.y"])}\r\nHost: {host}\r\n\r\n",
        10 => $"GET {Pick(known)} HTTP/1.1\r\nHost: {Pick(["", "a b", "evil.example:99999", "[::1", "a,b", "a/b", "user@a", "\u0001", "é", "127.0.0.1:5000:5000"])}\r\n\r\n",
        11 => $"GET {Pick(known)} HTTP/1.0\r\n\r\n",
        12 => $"GET {Pick(known)} HTTP/1.1\r\nHost: {host}\r\nX: a\rX-Injected: 1\r\nY: \0\r\n\r\n",
        _ => $"\r\n\r\nGET {Pick(known)} http/1.1\r\nHost: {host}\r\n\r\n",
    };

    // One request for one reader, two for another.
    private string Smuggling()
    {
        var inner = Right(hidden);
        var length = inner.Length.ToString(CultureInfo.InvariantCulture);
        var chunk = inner.Length.ToString("x", CultureInfo.InvariantCulture);
        var method = Pick(["GET", "POST", "HEAD", "PUT"]);
        return random.Next(14) switch
        {
            0 => Request(method, Pick(known), $"Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + inner,
            1 => Request(method, Pick(known), $"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") + $"{chunk}\r\n{inner}\r\n0\r\n\r\n",
            2 => Request(method, Pick(known), $"Content-Length: {length}\r\nContent-Length: 0\r\n") + inner,
            3 => Request(method, Pick(known), $"Content-Length: 0, {length}\r\n") + inner,
            4 => Request(method, Pick(known), $"Content-Length: {Pick(["+", "-", "0x", "00", " ", ""])}{length}\r\n") + inner,
            5 => Request(method, Pick(known), $"Transfer-Encoding: {Pick(["xchunked", "chunked, identity", "identity", "chunked, chunked", "\"chunked\"", "gzip, chunked", "Chunked", " chunked", ""])}\r\n") + $"{chunk}\r\n{inner}\r\n0\r\n\r\n",
            6 => Request(method, Pick(known), "Transfer-Encoding : chunked\r\n") + $"{chunk}\r\n{inner}\r\n0\r\n\r\n",
            7 => Request(method, Pick(known), "Transfer-Encoding: chunked\r\n") + $"{chunk};x=\n{inner}\r\n0\r\n\r\n",
            8 => Request(method, Pick(known), "Transfer-Encoding: chunked\r\n") + $"{Pick(["-1", "ffffffffffffffffff", "0x5", "", "g", "5 "])}\r\n{inner}\r\n0\r\n\r\n",
            9 => Request(method, Pick(known), $"Content-Length: {length}\r\n") + inner,
            10 => Request(method, Pick(known), "Content-Length: 99999999999999999999\r\n") + inner,
            11 => Request(method, Pick(known), $"X: a\r\n\r\n{inner}"),
            12 => Request(method, Pick(known), $"Content-Length: {length}\r\nConnection: Content-Length\r\n") + inner,
            _ => Request(method, Pick(known), "Transfer-Encoding: chunked\r\n") + $"0\r\nHost: evil.example\r\n\r\n{inner}",
        };
    }

    private string Large() => random.Next(6) switch
    {
        0 => Request("GET", "/v2/" + new string('a', random.Next(1000, 20_000)) + "/manifests/1"),
        1 => Request("GET", Pick(known), $"X: {new string('x', random.Next(1000, 60_000))}\r\n"),
        2 => Request("GET", Pick(known), string.Concat(Enumerable.Range(0, random.Next(50, 2000)).Select(i => $"X{i}: {i}\r\n"))),
        3 => Request(new string('G', random.Next(10, 10_000)), Pick(known)),
        4 => Request("GET", Pick(known) + "?" + new string('&', random.Next(10, 8000))),
        _ => new string('\r', random.Next(1, 3)) + new string('A', random.Next(1, 20_000)),
    };

    private string Garbage() => random.Next(6) switch
    {
        0 => "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003" + Noise(random.Next(10, 500)),
        1 => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0000\u0000\u0004\u0000\u0000\u0000\u0000\u0000",
        2 => Noise(random.Next(1, 300)),
        3 => "SSH-2.0-OpenSSH_9.2\r\n",
        4 => "*1\r\n$7\r\nCOMMAND\r\n",
        _ => $"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Injected: 1\r\n\r\n",
    };

    private string Noise(int length) => string.Concat(Enumerable.Range(0, length).Select(_ => (char)random.Next(256)));

    private string Right(string path, string headers = "") => $"GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n";

    private string Request(string method, string target, string headers = "") => $"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n";

    private List<byte[]> Cut(byte[] bytes)
    {
        var pieces = new List<byte[]>();
        for (var at = 0; at < bytes.Length;)
        {
            var count = Chance(3) ? random.Next(1, bytes.Length - at + 1) : bytes.Length - at;
            pieces.Add(bytes[at..(at + count)]);
            at += count;
        }

        return pieces;
    }

    private bool Chance(int of) => random.Next(of) == 0;

    private string Pick(IReadOnlyList<string> texts) => texts[random.Next(texts.Count)];
}
