using System.IO.Pipelines;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.Edge;
using Entrepot.Tests.Kit;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Entrepot.Tests.Edge;

/// <summary>Where a response goes on after its client was waited for.</summary>
public sealed class BodyOutputTests
{
    [Fact]
    public async Task WriteAsync_FlushEndsOnASocketsThread_ReadsOnOnThePool()
    {
        var writer = new SocketsWriter();
        var context = new DefaultHttpContext();
        context.Features.Set<IHttpResponseBodyFeature>(new BodyFeature(writer));
        var blob = new WatchedBlob(200_000);

        SynchronizationContext.SetSynchronizationContext(null);   // a server has none; that of the tests would take it to threads of its own
        var writing = new BodyOutput(context, () => { }).WriteAsync(blob, new ByteSpan(0, blob.Size), default);
        var before = blob.OnPool.Count;
        writer.EndFlushes();
        await writing.Soon();

        Assert.InRange(before, 1, blob.OnPool.Count - 1);
        Assert.All(blob.OnPool.Skip(before), Assert.True);
    }

    // Its flushes end when they are told to, and what follows them runs where that is done: on a thread that is not of the pool.
    private sealed class SocketsWriter : PipeWriter
    {
        private readonly byte[] _buffer = new byte[1 << 20];
        private readonly TaskCompletionSource<FlushResult> _flush = new();

        public void EndFlushes()
        {
            var thread = new Thread(() => _flush.SetResult(default));
            thread.Start();
            thread.Join();
        }

        public override void Advance(int bytes)
        {
        }

        public override Memory<byte> GetMemory(int sizeHint = 0) => _buffer;

        public override Span<byte> GetSpan(int sizeHint = 0) => _buffer;

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => new(_flush.Task);

        public override void CancelPendingFlush()
        {
        }

        public override void Complete(Exception? exception = null)
        {
        }
    }

    private sealed class WatchedBlob(long size) : Blob
    {
        public List<bool> OnPool { get; } = [];

        public override long Size => size;

        public override DateTimeOffset? StoredAt => null;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
        {
            OnPool.Add(Thread.CurrentThread.IsThreadPoolThread);
            return new((int)Math.Min(buffer.Length, size - offset));
        }

        public override ValueTask DisposeAsync() => default;
    }

    private sealed class BodyFeature(PipeWriter writer) : IHttpResponseBodyFeature
    {
        public Stream Stream => Stream.Null;

        public PipeWriter Writer => writer;

        public void DisableBuffering()
        {
        }

        public Task StartAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;

        public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public Task CompleteAsync() => Task.CompletedTask;
    }
}
