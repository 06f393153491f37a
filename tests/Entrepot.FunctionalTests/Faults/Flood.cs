using System.Net;
using System.Net.Sockets;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>Many connections of one client at once, which send what they are told and read nothing unless asked to. Not for concurrent use.</summary>
/// <param name="server">Where they go to.</param>
/// <param name="client">Where they come from: every address of 127.0.0.0/8 is another client.</param>
internal sealed class Flood(Uri server, string client) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly List<Socket> _sockets = [];
    private int _refused;

    /// <summary>Connects so many more.</summary>
    /// <param name="count">How many.</param>
    /// <param name="receiveBuffer">Bytes that each takes without being read; <see langword="null"/> for what is usual.</param>
    public async Task ConnectAsync(int count, int? receiveBuffer = null)
    {
        var address = new IPEndPoint(IPAddress.Parse(server.Host), server.Port);
        for (var i = 0; i < count; i++)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            if (receiveBuffer is { } bytes) socket.ReceiveBufferSize = bytes;
            socket.Bind(new IPEndPoint(IPAddress.Parse(client), 0));
            try
            {
                await socket.ConnectAsync(address).WaitAsync(Patience);
                _sockets.Add(socket);
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset)
            {
                // The server has ended it already.
                socket.Dispose();
                _refused++;
            }
        }
    }

    /// <summary>Sends the same on each connection.</summary>
    public async Task SendAsync(byte[] bytes)
    {
        foreach (var socket in _sockets) await socket.SendAsync(bytes).WaitAsync(Patience);
    }

    /// <summary>Waits until the server has ended each connection, and returns how each answer began: its status, or 0 for none.</summary>
    public async Task<IReadOnlyList<int>> EndedAsync() => await Task.WhenAll(_sockets.Select(EndedAsync));

    /// <summary>How many connections the server has ended, as far as their clients know.</summary>
    public int Ended() => _refused + _sockets.Count(IsEnded);

    public void Dispose()
    {
        foreach (var socket in _sockets) socket.Dispose();
    }

    private static bool IsEnded(Socket socket)
    {
        try
        {
            return socket.Poll(0, SelectMode.SelectRead) && socket.Available == 0;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    private static async Task<int> EndedAsync(Socket socket)
    {
        var (buffer, status, first) = (new byte[4096], 0, true);
        try
        {
            int count;
            while ((count = await socket.ReceiveAsync(buffer).WaitAsync(Patience)) > 0)
            {
                if (first && count >= 12) status = int.Parse(buffer.AsSpan(9, 3), System.Globalization.CultureInfo.InvariantCulture);
                first = false;
            }
        }
        catch (SocketException)
        {
            // A reset ends it, too.
        }

        return status;
    }
}
