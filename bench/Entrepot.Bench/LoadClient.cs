using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Entrepot.Bench;

/// <summary>One HTTP/1.1 connection that stays open and asks for one thing after another. For one caller at a time.</summary>
internal sealed class LoadClient : IDisposable
{
    private const int HeadBytes = 16 << 10;
    private const int DropBytes = 1 << 20;

    // Dropped bytes are not written anywhere: all share it.
    private static readonly byte[] Dropped = new byte[DropBytes];

    private readonly Socket _socket;
    private readonly string _host;
    private readonly byte[] _head = new byte[HeadBytes];

    private LoadClient(Socket socket, string host) => (_socket, _host) = (socket, host);

    /// <summary>Responses that came whole.</summary>
    public long Responses { get; private set; }

    /// <summary>Bytes of bodies, also of responses that were not waited for.</summary>
    public long Bytes { get; private set; }

    /// <summary>Connects, and has <c>/v2/</c> answered.</summary>
    public static async Task<LoadClient> ConnectAsync(Uri server)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, server.Port));
        var client = new LoadClient(socket, server.Authority);
        await client.AskAsync("GET", "/v2/", default);
        return client;
    }

    /// <summary>Begins to count again.</summary>
    public void Forget() => (Responses, Bytes) = (0, 0);

    /// <summary>Asks, and takes the whole response, whose body the kernel drops: reading costs the generator next to nothing, whatever the size.</summary>
    /// <exception cref="IOException">Not 200, no length, or ended early.</exception>
    public async Task AskAsync(string method, string path, CancellationToken cancel)
    {
        var rest = await BeginAsync(method, path, cancel);
        while (rest > 0)
        {
            var count = await _socket.ReceiveAsync(Dropped.AsMemory(0, (int)Math.Min(rest, DropBytes)), SocketFlags.Truncated, cancel);
            if (count == 0) throw new IOException($"{path} ended {rest} bytes early");
            rest -= count;
            Bytes += count;
        }

        Responses++;
    }

    /// <summary>Asks, and takes the head of the response and what came with it.</summary>
    /// <returns>Bytes of the body that have not come yet.</returns>
    /// <exception cref="IOException">Not 200, no length, or ended early.</exception>
    public async Task<long> BeginAsync(string method, string path, CancellationToken cancel)
    {
        await _socket.SendAsync(Encoding.Latin1.GetBytes($"{method} {path} HTTP/1.1\r\nHost: {_host}\r\nAccept: application/vnd.oci.image.manifest.v1+json, */*\r\n\r\n"), cancel);
        var (filled, end) = (0, -1);
        while (end < 0)
        {
            var count = filled == HeadBytes ? 0 : await _socket.ReceiveAsync(_head.AsMemory(filled), cancel);
            if (count == 0) throw new IOException($"{method} {path} ended before its headers did");
            filled += count;
            end = _head.AsSpan(0, filled).IndexOf("\r\n\r\n"u8);
        }

        var body = filled - end - 4;
        Bytes += body;
        return method == "HEAD" ? 0 : Length(_head.AsSpan(0, end), path) - body;
    }

    /// <summary>What has come of the body and fits, without waiting.</summary>
    /// <returns>Bytes taken; 0 if none has come.</returns>
    /// <exception cref="SocketException">The connection was reset.</exception>
    public int TakeWhatCame(int most)
    {
        var come = Math.Min(_socket.Available, most);
        if (come == 0) return 0;
        var count = _socket.Receive(Dropped.AsSpan(0, Math.Min(come, DropBytes)), SocketFlags.Truncated);
        Bytes += count;
        return count;
    }

    /// <summary>Has the kernel keep little of what the client has not taken: a slow reader's window closes.</summary>
    public void KeepLittle() => _socket.ReceiveBufferSize = 64 << 10;

    /// <summary>Whether the server has ended the connection and all that came has been taken.</summary>
    public bool HasEnded() => _socket.Poll(0, SelectMode.SelectRead) && _socket.Available == 0;

    public void Dispose() => _socket.Dispose();

    private static long Length(ReadOnlySpan<byte> head, string path)
    {
        if (!head.StartsWith("HTTP/1.1 200 "u8)) throw new IOException($"{path}: {Encoding.Latin1.GetString(head[..head.IndexOf((byte)'\r')])}");
        foreach (var line in Encoding.Latin1.GetString(head).Split("\r\n"))
        {
            if (line.StartsWith("Content-Length: ", StringComparison.OrdinalIgnoreCase)) return long.Parse(line.AsSpan("Content-Length: ".Length), NumberStyles.None, CultureInfo.InvariantCulture);
        }

        throw new IOException($"{path}: no Content-Length");
    }
}
