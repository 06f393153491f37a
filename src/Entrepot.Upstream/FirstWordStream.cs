namespace Entrepot.Upstream;

/// <summary>The other side of a new connection closed or reset it without having said a word.</summary>
internal sealed class ClosedUnansweredException() : Exception("the connection was closed without an answer");

/// <summary>A connection of HTTP/1.1, on which an end before the first byte that it ever brought is a failure of its own.</summary>
/// <remarks>
/// The handler takes a connection that ended before its answer for one that had been idle for too long, and asks again on another one, several times. That is
/// right where earlier answers came over it. On a new connection it would multiply the tries that <see cref="RegistryTransport"/> counts.
/// </remarks>
internal sealed class FirstWordStream(Stream connection) : Stream
{
    private bool _hasSpoken;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _hasSpoken ? connection.ReadAsync(buffer, cancellationToken) : ReadFirstAsync(buffer, cancellationToken);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            await connection.WriteAsync(buffer, cancellationToken);
        }
        catch (IOException) when (!_hasSpoken)
        {
            throw new ClosedUnansweredException();
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => connection.FlushAsync(cancellationToken);

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) connection.Dispose();
        base.Dispose(disposing);
    }

    private async ValueTask<int> ReadFirstAsync(Memory<byte> buffer, CancellationToken cancel)
    {
        int count;
        try
        {
            count = await connection.ReadAsync(buffer, cancel);
        }
        catch (IOException)
        {
            throw new ClosedUnansweredException();
        }

        if (buffer.IsEmpty) return count;   // only waits for bytes
        if (count == 0) throw new ClosedUnansweredException();
        _hasSpoken = true;
        return count;
    }
}
