using System.Net.Sockets;
using System.Text;

namespace Entrepot.FunctionalTests.Kit;

/// <summary>A load whose requests and received bytes are known, to be compared with what the server counted. Used by one task at a time.</summary>
internal sealed class LoadCount(Appliance cache)
{
    /// <summary>Requests that were made.</summary>
    public int Requests { get; private set; }

    /// <summary>Body bytes of responses that reached their end.</summary>
    public long Bytes { get; private set; }

    public Task<Got> GetAsync(string path, params (string Name, string Value)[] headers) => SendAsync(HttpMethod.Get, path, headers);

    public async Task<Got> SendAsync(HttpMethod method, string path, params (string Name, string Value)[] headers)
    {
        var got = await cache.SendAsync(method, path, headers);
        Add(got);
        return got;
    }

    /// <summary>Sends a request target that an ordinary client would not send.</summary>
    public async Task<Got> SendRawAsync(string method, string target, string? host = null)
    {
        var got = await RawClient.AskAsync(cache.Url, method, target, host);
        Add(got);
        return got;
    }

    /// <summary>Counts a request of which a test knows how it ended.</summary>
    public void Add(Got got)
    {
        Requests++;
        if (got.Clean) Bytes += got.Bytes.Length;
    }

    /// <summary>Writes several GETs at once on one connection and reads all answers.</summary>
    public async Task PipelineAsync(params string[] paths)
    {
        var text = new StringBuilder();
        foreach (var path in paths)
            text.Append($"GET {path} HTTP/1.1\r\nHost: {cache.Url.Authority}\r\n{(path == paths[^1] ? "Connection: close\r\n" : "")}\r\n");
        var answers = await ExchangeAsync(cache.Url, text.ToString());

        // Heads and bodies in turn, until nothing is left.
        for (var at = 0; at < answers.Length;)
        {
            var end = answers.AsSpan(at).IndexOf("\r\n\r\n"u8) + 4;
            var head = Encoding.Latin1.GetString(answers, at, end);
            var length = head.Split("\r\n").Single(line => line.StartsWith("Content-Length: ", StringComparison.OrdinalIgnoreCase))[16..];
            Assert.StartsWith("HTTP/1.1 200", head, StringComparison.Ordinal);
            at += end + int.Parse(length);
            Requests++;
            Bytes += int.Parse(length);
        }
    }

    /// <summary>Writes bytes to a new connection and reads until the server ends it.</summary>
    public static async Task<byte[]> ExchangeAsync(Uri server, string text)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(server.Host, server.Port);
        await socket.SendAsync(Encoding.Latin1.GetBytes(text));
        using var received = new MemoryStream();
        await new NetworkStream(socket).CopyToAsync(received).WaitAsync(TimeSpan.FromSeconds(20));
        return received.ToArray();
    }

    /// <summary>Waits until all requests are counted, and compares.</summary>
    /// <param name="brokenLeast">Bytes that clients got of responses that were broken off.</param>
    /// <param name="brokenMost">Bytes that these may have counted for.</param>
    public async Task<MetricValues> AssertExactAsync(long brokenLeast = 0, long brokenMost = 0)
    {
        var metrics = await cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") >= Requests);
        Assert.Equal(Requests, metrics.Sum("entrepot_requests_total"));
        Assert.InRange(metrics.Sum("entrepot_served_bytes_total"), Bytes + brokenLeast, Bytes + brokenMost);
        return metrics;
    }
}
