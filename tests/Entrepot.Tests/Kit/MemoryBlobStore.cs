using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Kit;

/// <summary>A store in memory, whose faults are chosen by the test.</summary>
internal sealed class MemoryBlobStore : IBlobStore
{
    private readonly ConcurrentDictionary<Digest, byte[]> _blobs = new();
    private int _created;
    private int _partials;
    private long _written;

    public Exception? OpenFault { get; set; }

    public Exception? CreateFault { get; set; }

    /// <summary>Thrown by the write that would bring a blob past <see cref="Room"/>.</summary>
    public Exception? WriteFault { get; set; }

    public long Room { get; set; }

    public Exception? CommitFault { get; set; }

    /// <summary>Blobs that were marked as used, in the order of the marking.</summary>
    public ConcurrentQueue<Digest> Touched { get; } = new();

    /// <summary>Whether nothing larger than <see cref="Room"/> fits.</summary>
    public bool IsFull { get; set; }

    /// <summary>What a commit waits for, if anything.</summary>
    public Task Flush { get; set; } = Task.CompletedTask;

    /// <summary>What looking for a blob waits for, if anything.</summary>
    public Task Look { get; set; } = Task.CompletedTask;

    /// <summary>Called when a look for a blob has found nothing.</summary>
    public Action<Digest>? Missed { get; set; }

    /// <summary>Blobs begun since the start.</summary>
    public int Created => Volatile.Read(ref _created);

    /// <summary>Blobs begun and not yet disposed.</summary>
    public int Partials => Volatile.Read(ref _partials);

    /// <summary>Bytes written since the start.</summary>
    public long Written => Interlocked.Read(ref _written);

    public Digest Put(byte[] content)
    {
        var digest = Digest.Of(content);
        _blobs[digest] = content;
        return digest;
    }

    public void Remove(Digest digest) => _blobs.TryRemove(digest, out _);

    public void Touch(Digest digest, DateTimeOffset now) => Touched.Enqueue(digest);

    public bool Contains(Digest digest) => _blobs.ContainsKey(digest);

    public async ValueTask<Blob?> OpenAsync(Digest digest, CancellationToken cancel)
    {
        await Look.WaitAsync(cancel);
        if (OpenFault is { } fault) throw fault;
        if (_blobs.TryGetValue(digest, out var content)) return new Reader(content.Length, (buffer, offset) => Copy(content, offset, buffer));
        Missed?.Invoke(digest);
        return null;
    }

    public ValueTask<IPartialBlob> CreateAsync(Digest digest, CancellationToken cancel)
    {
        if (CreateFault is { } fault) throw fault;
        Interlocked.Increment(ref _created);
        Interlocked.Increment(ref _partials);
        return new(new Partial(this, digest));
    }

    private static int Copy(ReadOnlySpan<byte> content, long offset, Memory<byte> buffer)
    {
        var rest = content[(int)offset..];
        if (rest.Length > buffer.Length) rest = rest[..buffer.Length];
        rest.CopyTo(buffer.Span);
        return rest.Length;
    }

    private sealed class Reader(long size, Func<Memory<byte>, long, int> read) : Blob
    {
        public override long Size => size;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
        {
            if (offset >= size) return new(0);
            var count = read(buffer[..(int)Math.Min(buffer.Length, size - offset)], offset);
            return count > 0 ? new(count) : throw new IOException($"nothing was written at {offset}");
        }

        public override ValueTask DisposeAsync() => default;
    }

    private sealed class Partial(MemoryBlobStore store, Digest digest) : IPartialBlob
    {
        private readonly Lock _gate = new();
        private readonly MemoryStream _content = new();   // guarded by _gate
        private bool? _isRight;
        private bool _disposed;

        public long Length { get { lock (_gate) return _content.Length; } }

        public ValueTask<bool> ReserveAsync(long size, CancellationToken cancel) => new(!store.IsFull || size <= store.Room);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancel)
        {
            if (_isRight is not null) throw new InvalidOperationException("a verified blob does not grow");
            if (store.WriteFault is { } fault && Length + bytes.Length > store.Room) throw fault;
            lock (_gate) _content.Write(bytes.Span);
            Interlocked.Add(ref store._written, bytes.Length);
            return default;
        }

        public Blob OpenReader(long size)
        {
            Assert.False(_disposed, "a partial blob is not read after its disposal by those who were not there before");
            return new Reader(size, (buffer, offset) =>
            {
                lock (_gate) return Copy(_content.GetBuffer().AsSpan(0, (int)_content.Length), offset, buffer);
            });
        }

        public ValueTask<bool> VerifyAsync(CancellationToken cancel) => new(_isRight ??= digest.Matches(_content.ToArray()));

        public async ValueTask CommitAsync(CancellationToken cancel)
        {
            if (_isRight is not true) throw new InvalidOperationException("only a verified blob can be committed");
            await store.Flush.WaitAsync(cancel);
            if (store.CommitFault is { } fault) throw fault;
            store._blobs[digest] = _content.ToArray();
        }

        public ValueTask DisposeAsync()
        {
            Assert.False(_disposed, "a partial blob is disposed once");
            _disposed = true;
            Interlocked.Decrement(ref store._partials);
            return default;
        }
    }
}
