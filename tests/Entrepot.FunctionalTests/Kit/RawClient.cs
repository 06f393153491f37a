using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Entrepot.FunctionalTests.Kit;

/// <summary>A client that sends exactly what it is told and reads no faster than it is told.</summary>
internal sealed class RawClient : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Socket _socket;
    private readonly Uri _server;
    private long _length;

    private RawClient(Socket socket, Uri server)
    {
        _socket = socket;
        _server = server;
    }

    /// <param name="server">Where to connect to.</param>
    /// <param name="receiveBuffer">Bytes that the kernel takes without being read; a small number makes a slow client.</param>
    public static async Task<RawClient> ConnectAsync(Uri server, int receiveBuffer = 64 << 10)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = receiveBuffer, NoDelay = true };
        await socket.ConnectAsync(server.Host, server.Port);
        return new RawClient(socket, server);
    }

    /// <summary>Asks and reads the whole answer, for request targets that an ordinary client would not send.</summary>
    public static async Task<Got> AskAsync(Uri server, string method, string target, string? host = null)
    {
        using var client = await ConnectAsync(server);
        var (status, headers) = await client.SendAsync(method, target, host);
        var (bytes, clean) = method == "HEAD" ? ([], true) : await client.ReadRestAsync();
        return new Got(status, bytes, clean, headers);
    }

    /// <summary>Sends a request and reads the head of its answer.</summary>
    public Task<(int Status, ILookup<string, string> Headers)> SendAsync(string method, string target, string? host = null) =>
        SendAsync(method, target, ("Host", host ?? _server.Authority));

    /// <summary>Sends a request with one header beside <c>Host</c>, and reads the head of its answer.</summary>
    public async Task<(int Status, ILookup<string, string> Headers)> SendAsync(
        string method, string target, (string Name, string Value) header, string version = "1.1")
    {
        var host = header.Name == "Host" ? "" : $"Host: {_server.Authority}\r\n";
        await _socket.SendAsync(Encoding.Latin1.GetBytes($"{method} {target} HTTP/{version}\r\n{host}{header.Name}: {header.Value}\r\n\r\n"));

        var head = new StringBuilder();
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
            head.Append(Encoding.Latin1.GetString(await ReadAsync(1)));

        var lines = head.ToString().Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var headers = lines.Skip(1).Select(line => line.Split(": ", 2)).ToLookup(pair => pair[0], pair => pair[1], StringComparer.OrdinalIgnoreCase);
        _length = headers["Content-Length"].Select(value => long.Parse(value, CultureInfo.InvariantCulture)).FirstOrDefault();
        return (int.Parse(lines[0].Split(' ')[1], CultureInfo.InvariantCulture), headers);
    }

    /// <summary>Reads exactly so many bytes.</summary>
    public async Task<byte[]> ReadAsync(int count)
    {
        var bytes = new byte[count];
        for (var at = 0; at < count;)
        {
            var read = await _socket.ReceiveAsync(bytes.AsMemory(at)).AsTask().WaitAsync(Patience);
            if (read == 0) throw new EndOfStreamException($"the connection ended after {at} of {count} bytes");
            at += read;
        }

        return bytes;
    }

    /// <summary>Reads until Content-Length or the connection ends.</summary>
    /// <param name="already">Bytes of the body that were read before.</param>
    /// <returns>The bytes, and whether they are all that was announced.</returns>
    public async Task<(byte[] Bytes, bool Clean)> ReadRestAsync(long already = 0)
    {
        var left = _length - already;
        using var body = new MemoryStream();
        var buffer = new byte[64 << 10];
        try
        {
            while (body.Length < left)
            {
                var read = await _socket.ReceiveAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, left - body.Length)))
                    .AsTask().WaitAsync(Patience);
                if (read == 0) break;
                body.Write(buffer, 0, read);
            }
        }
        catch (SocketException)
        {
            // A reset: what came before it counts, and is less than was announced.
        }

        return (body.ToArray(), body.Length == left);
    }

    /// <summary>Goes away with a reset, as a killed client does.</summary>
    public void Abort()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
    }

    public void Dispose() => _socket.Dispose();
}
