using System.Threading.Channels;

namespace Entrepot.Tests.Kit;

/// <summary>A body that comes as the test gives it, and then ends, breaks, or says nothing more.</summary>
internal sealed class ScriptedBody : Stream
{
    private readonly Channel<ReadOnlyMemory<byte>> _given = Channel.CreateUnbounded<ReadOnlyMemory<byte>>();
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ReadOnlyMemory<byte> _rest;

    /// <summary>Completes when the reader gives the connection back.</summary>
    public Task Disposed => _disposed.Task;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public ScriptedBody Give(ReadOnlyMemory<byte> bytes)
    {
        _given.Writer.TryWrite(bytes);
        return this;
    }

    public ScriptedBody End()
    {
        _given.Writer.TryComplete();
        return this;
    }

    public ScriptedBody Break(Exception? fault = null)
    {
        _given.Writer.TryComplete(fault ?? new IOException("connection reset"));
        return this;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_rest.IsEmpty)
        {
            if (!await _given.Reader.WaitToReadAsync(cancellationToken)) return 0;
            _given.Reader.TryRead(out _rest);
        }

        var count = Math.Min(buffer.Length, _rest.Length);
        _rest[..count].CopyTo(buffer);
        _rest = _rest[count..];
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override void Flush() => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _disposed.TrySetResult();
        base.Dispose(disposing);
    }
}
