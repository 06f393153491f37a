using System.Net.Sockets;
using System.Text;

namespace Entrepot.FunctionalTests.Registry;

/// <summary>One HTTP/1.1 connection on the server's side: reads requests, writes replies exactly as they are scripted.</summary>
internal sealed class Wire(Socket socket, int number) : IAsyncDisposable
{
    private const int PieceBytes = 16 << 10;

    // At least, where the rate is low: slow is not silent.
    private const int PiecesPerSecond = 20;

    private const int MaxHeadBytes = 64 << 10;

    private readonly NetworkStream _stream = new(socket, ownsSocket: false);
    private readonly List<byte> _unread = [];
    private readonly Pace _pace = new();

    /// <returns><see langword="null"/> when the client has gone.</returns>
    public async Task<ReceivedRequest?> ReadAsync(CancellationToken cancel)
    {
        var end = await FillAsync(unread => IndexOfHeadEnd(unread), cancel);
        if (end < 0) return null;

        var lines = Encoding.Latin1.GetString([.. _unread.Take(end)]).Split("\r\n");
        _unread.RemoveRange(0, end + 4);
        var headers = lines.Skip(1).Select(line => line.Partition(':')).Select(pair => (pair.Before, pair.After.Trim())).ToList();
        var length = headers.Where(header => header.Before.Equals("Content-Length", StringComparison.OrdinalIgnoreCase))
            .Select(header => int.Parse(header.Item2)).FirstOrDefault();
        if (await FillAsync(unread => unread.Count >= length ? length : -1, cancel) < 0) return null;

        var body = Encoding.UTF8.GetString([.. _unread.Take(length)]);
        _unread.RemoveRange(0, length);
        var request = lines[0].Split(' ');
        var (path, _, query) = request[1].Partition('?');
        return new ReceivedRequest
        {
            Method = request[0],
            Path = path,
            Query = query,
            Headers = headers,
            Body = body,
            Connection = number,
        };
    }

    /// <returns>Whether the connection can be used for a further request.</returns>
    public async Task<bool> WriteAsync(ReceivedRequest request, Reply reply, CancellationToken cancel)
    {
        if (reply.BeforeHeaders is { } before) await before.PassAsync(0, cancel);
        if (reply.IsLeftOut) return false;
        request.Status = reply.Status;
        request.Offset = reply.Offset;
        var stop = Math.Min(reply.EndsAfter ?? long.MaxValue, reply.Body.Length);
        var isBare = request.Method == "HEAD" || reply.Status is 204 or 304;
        if (isBare || stop == 0) request.Answered();
        await _stream.WriteAsync(Encoding.Latin1.GetBytes(Head(reply)), cancel);
        if (isBare) return true;

        await WriteBodyAsync(request, reply, stop, cancel);

        if (reply.EndsAfter is not null)
        {
            if (reply.Ending == Ending.Reset) socket.LingerState = new LingerOption(true, 0);
            return false;
        }

        if (reply.Framing == Framing.Chunked) await _stream.WriteAsync("0\r\n\r\n"u8.ToArray(), cancel);
        var isWhole = reply.AnnouncedLength is not { } announced || announced == reply.Body.Length;
        return reply.Framing != Framing.UntilClose && isWhole;
    }

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private async Task WriteBodyAsync(ReceivedRequest request, Reply reply, long stop, CancellationToken cancel)
    {
        _pace.Begin(reply.BytesPerSecond);
        for (var at = 0; at < stop;)
        {
            var limit = reply.InBody is { } gate ? await gate.PassAsync(at, cancel) : long.MaxValue;
            var piecemeal = Math.Clamp((reply.BytesPerSecond ?? long.MaxValue) / PiecesPerSecond, 1, PieceBytes);
            var count = (int)Math.Min(piecemeal, Math.Min(stop, limit) - at);
            var piece = reply.Body.Slice(at, count);
            await _pace.WaitAsync(count, cancel);
            if (at + count == stop) request.Answered();
            if (reply.Framing == Framing.Chunked)
                await _stream.WriteAsync((byte[])[.. Encoding.Latin1.GetBytes($"{count:x}\r\n"), .. piece.Span, 13, 10], cancel);
            else
                await _stream.WriteAsync(piece, cancel);
            request.AddSent(count);
            at += count;
        }
    }

    private static string Head(Reply reply)
    {
        var head = new StringBuilder($"HTTP/1.1 {reply.Status} Scripted\r\n");
        foreach (var (name, value) in reply.Headers) head.Append(name).Append(": ").Append(value).Append("\r\n");
        if (reply.Framing == Framing.Length && reply.Status is not (204 or 304))
            head.Append("Content-Length: ").Append(reply.AnnouncedLength ?? reply.Body.Length).Append("\r\n");
        if (reply.Framing == Framing.Chunked) head.Append("Transfer-Encoding: chunked\r\n");
        if (reply.Framing == Framing.UntilClose) head.Append("Connection: close\r\n");
        return head.Append("\r\n").ToString();
    }

    /// <returns>What <paramref name="found"/> says once it is not negative; -1 when the client has gone before.</returns>
    private async Task<int> FillAsync(Func<List<byte>, int> found, CancellationToken cancel)
    {
        var buffer = new byte[4096];
        while (true)
        {
            if (found(_unread) is >= 0 and var at) return at;
            if (_unread.Count > MaxHeadBytes) throw new InvalidDataException("a request of more than 64 KiB");
            var count = await _stream.ReadAsync(buffer, cancel);
            if (count == 0) return -1;
            _unread.AddRange(buffer.AsSpan(0, count));
        }
    }

    private static int IndexOfHeadEnd(List<byte> bytes)
    {
        for (var i = 0; i + 3 < bytes.Count; i++)
            if (bytes[i] == 13 && bytes[i + 1] == 10 && bytes[i + 2] == 13 && bytes[i + 3] == 10) return i;
        return -1;
    }
}
