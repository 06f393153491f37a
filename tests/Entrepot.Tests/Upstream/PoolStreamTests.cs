using Entrepot.Tests.Kit;
using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

/// <summary>Where what an upstream sends is gone on with.</summary>
public sealed class PoolStreamTests
{
    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public async Task Stream_EndsOnASocketsThread_IsGoneOnWithOnThePool(bool isRead, bool isFailure)
    {
        var network = new SocketsStream();
        await using var stream = new PoolStream(network);

        var onPool = OnPoolAfterAsync(isRead ? stream.ReadAsync(new byte[1]).AsTask() : stream.WriteAsync(new byte[1]).AsTask());
        network.End(isFailure ? new IOException("reset") : null);

        Assert.True(await onPool.Soon());
    }

    [Fact]
    public async Task ReadAsync_AtHand_EndsAtOnce()
    {
        var network = new SocketsStream();
        network.End(null);
        await using var stream = new PoolStream(network);

        var reading = stream.ReadAsync(new byte[1]).AsTask();

        Assert.True(reading.IsCompletedSuccessfully);
        Assert.Equal(1, await reading);
    }

    private static async Task<bool> OnPoolAfterAsync(Task task)
    {
        await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return Thread.CurrentThread.IsThreadPoolThread;
    }

    // What waits for it goes on where it is ended: on a thread that is not of the pool.
    private sealed class SocketsStream : Stream
    {
        private readonly TaskCompletionSource<int> _end = new();

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public void End(Exception? fault)
        {
            var thread = new Thread(() => _ = fault is null ? _end.TrySetResult(1) : _end.TrySetException(fault));
            thread.Start();
            thread.Join();
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(_end.Task);
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => new(_end.Task);
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override void Flush() => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
