using System.Net;
using System.Net.Sockets;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>A port whose queue is full and that accepts nobody: further connections are neither made nor refused.</summary>
internal sealed class FullListener : IAsyncDisposable
{
    // More than the kernel makes of a queue of one.
    private const int Fillers = 16;

    private readonly Socket _listener = new(SocketType.Stream, ProtocolType.Tcp);
    private readonly List<Socket> _fillers = [];

    public FullListener()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(1);
        for (var i = 0; i < Fillers; i++)
        {
            var filler = new Socket(SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
            _fillers.Add(filler);
            try
            {
                filler.Connect(_listener.LocalEndPoint!);
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
            {
                // In the queue, or waiting before it.
            }
        }
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}");

    public ValueTask DisposeAsync()
    {
        foreach (var filler in _fillers) filler.Dispose();
        _listener.Dispose();
        return default;
    }
}
