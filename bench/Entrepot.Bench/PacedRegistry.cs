using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Entrepot.Oci;

namespace Entrepot.Bench;

/// <summary>A registry on loopback that has a blob, and a small one to warm up with, and gives each connection so many bytes a second. Safe for concurrent use.</summary>
internal sealed class PacedRegistry : IDisposable
{
    private const int PieceBytes = 16 << 10;
    private const int HeadBytes = 16 << 10;
    private const int SmallBytes = 1 << 20;

    // Timers are late; what a late one missed is made up for, but for no more than this.
    private static readonly TimeSpan Late = TimeSpan.FromMilliseconds(100);

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly byte[] _blob;
    private readonly byte[] _small = new byte[SmallBytes];
    private readonly long _bytesPerSecond;
    private readonly string _path;
    private readonly string _smallPath;
    private long _sent;

    public PacedRegistry(byte[] blob, long bytesPerSecond)
    {
        (_blob, _bytesPerSecond) = (blob, bytesPerSecond);
        (_path, _smallPath) = ($"v2/org/app/blobs/{Digest.Of(blob)}", $"v2/org/app/blobs/{Digest.Of(_small)}");
        _listener.Start();
        Url = new Uri($"http://{_listener.LocalEndpoint}/");
        _ = AcceptAsync();
    }

    public Uri Url { get; }

    /// <summary>Where the blob is, below this registry or a cache in front of it.</summary>
    public Uri BlobAt(Uri server) => new(server, _path);

    /// <summary>As <see cref="BlobAt"/>, of the small one.</summary>
    public Uri SmallAt(Uri server) => new(server, _smallPath);

    /// <summary>Body bytes of the blob that were handed to connections.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptSocketAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using var _ = socket;
        socket.NoDelay = true;
        var buffer = new byte[HeadBytes];
        try
        {
            for (var filled = 0; ;)
            {
                var count = await socket.ReceiveAsync(buffer.AsMemory(filled));
                if (count == 0) return;
                filled += count;
                var head = Encoding.Latin1.GetString(buffer, 0, filled);
                if (!head.EndsWith("\r\n\r\n", StringComparison.Ordinal)) continue;   // clients wait for their answers: no pipelining
                filled = 0;
                await AnswerAsync(socket, head);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client has gone.
        }
    }

    private async Task AnswerAsync(Socket socket, string head)
    {
        var blob = head.Contains(_smallPath, StringComparison.Ordinal) ? _small : _blob;
        var range = head.Split("\r\n").FirstOrDefault(line => line.StartsWith("Range: ", StringComparison.OrdinalIgnoreCase));
        var span = new ByteSpan(0, blob.Length);
        var isPart = range is not null && RangeRequest.TryParse(range.AsSpan("Range: ".Length), out var asked) && asked.TryResolve(blob.Length, out span);
        var part = isPart ? string.Create(CultureInfo.InvariantCulture, $"Content-Range: bytes {span.From}-{span.To - 1}/{blob.Length}\r\n") : "";
        await socket.SendAsync(Encoding.Latin1.GetBytes(
            $"HTTP/1.1 {(isPart ? "206 Partial Content" : "200 OK")}\r\nContent-Type: application/octet-stream\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\n{part}Content-Length: {span.Length}\r\n\r\n"));
        if (head.StartsWith("HEAD ", StringComparison.Ordinal)) return;

        var due = Stopwatch.GetElapsedTime(0);
        for (var at = (int)span.From; at < span.To; at += PieceBytes)
        {
            var piece = blob.AsMemory(at, (int)Math.Min(PieceBytes, span.To - at));
            var now = Stopwatch.GetElapsedTime(0);
            if (due < now - Late) due = now - Late;
            due += TimeSpan.FromSeconds((double)piece.Length / _bytesPerSecond);
            if (due > now) await Task.Delay(due - now, TimeProvider.System);
            for (var rest = piece; rest.Length > 0;) rest = rest[await socket.SendAsync(rest)..];
            if (blob == _blob) Interlocked.Add(ref _sent, piece.Length);
        }
    }
}
