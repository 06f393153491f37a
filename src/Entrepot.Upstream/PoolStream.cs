using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Entrepot.Upstream;

/// <summary>A connection to an upstream, whose reads and writes continue on the thread pool. It is as safe for concurrent use as the connection, which it disposes.</summary>
/// <remarks>
/// The process has sockets' continuations run where the event was taken. What follows the reading of a body (deciphering, hashing, writing to a disk)
/// would be in the way of all other sockets there. What is at hand continues at once.
/// </remarks>
internal sealed class PoolStream(Stream network) : Stream
{
    private readonly IPAddress _address = IPAddress.None;

    private PoolStream(Stream network, IPAddress address) : this(network) => _address = address;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Connects to a host, by each of its addresses in turn; tells the one that answered, too.</summary>
    public static async ValueTask<(Stream Stream, IPAddress Address)> ConnectAsync(DnsEndPoint host, CancellationToken cancel)
    {
        var stream = await ConnectAsync((socket, ct) => socket.ConnectAsync(host, ct), cancel);
        return (stream, stream._address);
    }

    /// <summary>Connects to one of these addresses, in turn.</summary>
    public static async ValueTask<Stream> ConnectAsync(IPAddress[] addresses, int port, CancellationToken cancel) =>
        await ConnectAsync((socket, ct) => socket.ConnectAsync(addresses, port, ct), cancel);

    private static async ValueTask<PoolStream> ConnectAsync(Func<Socket, CancellationToken, ValueTask> connect, CancellationToken cancel)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await connect(socket, cancel);
            return new PoolStream(new NetworkStream(socket, ownsSocket: true), ((IPEndPoint)socket.RemoteEndPoint!).Address);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        finally
        {
            await Task.Yield();
        }
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var reading = network.ReadAsync(buffer, cancellationToken);
        return reading.IsCompleted ? reading : OnPoolAsync(reading);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var writing = network.WriteAsync(buffer, cancellationToken);
        return writing.IsCompleted ? writing : OnPoolAsync(writing);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => network.Read(buffer, offset, count);
    public override void Write(byte[] buffer, int offset, int count) => network.Write(buffer, offset, count);
    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) network.Dispose();
        base.Dispose(disposing);
    }

    // A failure continues there, too.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private static async ValueTask<int> OnPoolAsync(ValueTask<int> reading)
    {
        try
        {
            return await reading;
        }
        finally
        {
            await Task.Yield();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private static async ValueTask OnPoolAsync(ValueTask writing)
    {
        try
        {
            await writing;
        }
        finally
        {
            await Task.Yield();
        }
    }
}
