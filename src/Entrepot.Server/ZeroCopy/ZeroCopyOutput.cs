using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Entrepot.Server.ZeroCopy;

/// <summary>Gives connections an output that can send files. Safe for concurrent use.</summary>
/// <param name="minRate">The least bytes a second that a client may read.</param>
/// <param name="clock">The time.</param>
/// <param name="calls">What output is made of.</param>
internal sealed class ZeroCopyOutput(double minRate, TimeProvider clock, SocketCalls calls)
{
    /// <summary>What was sent of files.</summary>
    public ZeroCopyCounts Counts { get; } = new();

    /// <summary>Has the connections of a listener use it, where that can be: over a socket of Linux, with nothing between that and HTTP. Comes after TLS, if there is any.</summary>
    public void UseFor(ListenOptions listen)
    {
        if (OperatingSystem.IsLinux()) listen.Use(next => connection => RunAsync(connection, next));
    }

    private Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var isEncrypted = connection.Features.Get<ITlsHandshakeFeature>() is not null;
        return !isEncrypted && connection.Features.Get<IConnectionSocketFeature>()?.Socket is { } socket ? RunAsync(connection, socket, next) : next(connection);
    }

    private async Task RunAsync(ConnectionContext connection, Socket socket, ConnectionDelegate next)
    {
        var original = connection.Transport;
        var output = new SocketOutput(connection, socket, calls, new ReadingPace(minRate, clock), Counts, clock);
        connection.Transport = new Joined(original.Input, output);
        connection.Features.Set(output);
        connection.Features.Get<IConnectionHeartbeatFeature>()?.OnHeartbeat(state => ((SocketOutput)state).Beat(), output);
        try
        {
            await next(connection);
        }
        finally
        {
            connection.Transport = original;   // whose end the transport waits for
        }
    }

    private sealed record Joined(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}

/// <summary>How many bytes of files were sent, and how. Safe for concurrent use.</summary>
internal sealed class ZeroCopyCounts
{
    private long _sent;
    private long _copied;

    /// <summary>Bytes that went from the page cache to a socket, and through no memory of this process.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Bytes of files that were copied, on connections that can do without: where the socket was full, or sendfile refused.</summary>
    public long Copied => Interlocked.Read(ref _copied);

    /// <summary>Counts bytes that a socket has taken.</summary>
    public void Add(int count, bool isCopied) => Interlocked.Add(ref isCopied ? ref _copied : ref _sent, count);
}
