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

    /// <summary>What opened blobs tell of when they were stored.</summary>
    public DateTimeOffset? StoredAt { get; set; }

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

    /// <summary>What is pinned, stored or not.</summary>
    public ConcurrentDictionary<Digest, bool> Pinned { get; } = new();

    /// <summary>Bytes that may be pinned in all.</summary>
    public long PinRoom { get; set; } = long.MaxValue;

    /// <summary>What a commit waits for, if anything.</summary>
    public Task Flush { get; set; } = Task.CompletedTask;

    /// <summary>What verifying a blob waits for, if anything.</summary>
    public Task Hash { get; set; } = Task.CompletedTask;

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

    /// <summary>Puts bytes under a name that is not theirs.</summary>
    public void Spoil(Digest digest, byte[] content) => _blobs[digest] = content;

    public void Remove(Digest digest) => _blobs.TryRemove(digest, out _);

    public void Touch(Digest digest, DateTimeOffset now) => Touched.Enqueue(digest);

    public bool Contains(Digest digest) => _blobs.ContainsKey(digest);

    public bool Pin(Digest digest)
    {
        Pinned[digest] = true;
        return Contains(digest);
    }

    public void Unpin(Digest digest) => Pinned.TryRemove(digest, out _);

    public long ShortOf(long bytes) => Math.Max(0, bytes - PinRoom);

    /// <summary>What was to be removed as unused, in order.</summary>
    public ConcurrentQueue<Digest> Removed { get; } = new();

    public long Remove(Digest digest, DateTimeOffset unusedSince)
    {
        Removed.Enqueue(digest);
        return !Pinned.ContainsKey(digest) && _blobs.TryRemove(digest, out var content) ? Quota.OnDisk(content.Length) : 0;
    }

    public bool Drop(Digest digest) => _blobs.TryRemove(digest, out _);

    public async Task<bool?> VerifyAsync(Digest digest, Func<int, ValueTask> hashed, CancellationToken cancel)
    {
        await Look.WaitAsync(cancel);
        if (OpenFault is { } fault) throw fault;
        if (!_blobs.TryGetValue(digest, out var content)) return null;
        await hashed(content.Length);
        return digest.Matches(content) || !_blobs.TryRemove(digest, out _);
    }

    public async ValueTask<Blob?> OpenAsync(Digest digest, CancellationToken cancel)
    {
        await Look.WaitAsync(cancel);
        if (OpenFault is { } fault) throw fault;
        if (_blobs.TryGetValue(digest, out var content)) return new Reader(content.Length, (buffer, offset) => Copy(content, offset, buffer), StoredAt);
        Missed?.Invoke(digest);
        return null;
    }

    /// <summary>What rests, and which bytes of it there are.</summary>
    public ConcurrentDictionary<Digest, (PartialState State, byte[] Content)> Resting { get; } = new();

    public ValueTask<IPartialBlob> CreateAsync(Digest digest, FillMode fill, CancellationToken cancel)
    {
        if (CreateFault is { } fault) throw fault;
        Interlocked.Increment(ref _created);
        Interlocked.Increment(ref _partials);
        return new(Resting.TryRemove(digest, out var left) ? new Partial(this, digest, left.State, left.Content) : new Partial(this, digest, null, []));
    }

    private static int Copy(ReadOnlySpan<byte> content, long offset, Memory<byte> buffer)
    {
        var rest = content[(int)offset..];
        if (rest.Length > buffer.Length) rest = rest[..buffer.Length];
        rest.CopyTo(buffer.Span);
        return rest.Length;
    }

    private sealed class Reader(long size, Func<Memory<byte>, long, int> read, DateTimeOffset? storedAt = null) : Blob
    {
        public override long Size => size;

        public override DateTimeOffset? StoredAt => storedAt;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
        {
            if (offset >= size) return new(0);
            var count = read(buffer[..(int)Math.Min(buffer.Length, size - offset)], offset);
            return count > 0 ? new(count) : throw new IOException($"nothing was written at {offset}");
        }

        public override ValueTask DisposeAsync() => default;
    }

    private sealed class Partial(MemoryBlobStore store, Digest digest, PartialState? left, byte[] content) : IPartialBlob
    {
        private readonly Lock _gate = new();
        private readonly Extents _written = left is null ? new() : new(left.Written);   // guarded by _gate
        private byte[] _content = content;                                              // guarded by _gate
        private (long Size, string? Validator)? _description = left is null ? null : (left.Size, left.Validator);
        private bool? _isRight;
        private bool _disposed;

        public PartialState? Left => left;

        public Extents Written()
        {
            lock (_gate) return new Extents(_written);
        }

        public void Describe(long size, string? validator) => _description = (size, validator);

        public ValueTask<bool> ReserveAsync(long size, CancellationToken cancel) => new(!store.IsFull || size <= store.Room);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, long offset, CancellationToken cancel)
        {
            lock (_gate)
            {
                if (_isRight is not null) throw new InvalidOperationException("a verified blob does not grow");
                if (store.WriteFault is { } fault && _written.Total + bytes.Length > store.Room) throw fault;
                var span = new ByteSpan(offset, offset + bytes.Length);
                Assert.True(bytes.IsEmpty || _written.FirstGap(offset, span.To) == span, "no byte is written twice");
                if (_content.Length < span.To) Array.Resize(ref _content, (int)Math.Max(span.To, 2L * _content.Length));
                bytes.CopyTo(_content.AsMemory((int)offset));
                _written.Add(span);
            }

            Interlocked.Add(ref store._written, bytes.Length);
            return default;
        }

        public Blob OpenReader(long size)
        {
            Assert.False(_disposed, "a partial blob is not read after its disposal by those who were not there before");
            return new Reader(size, (buffer, offset) =>
            {
                lock (_gate)
                {
                    var end = Math.Min(_written.EndFrom(offset), offset + buffer.Length);
                    return Copy(_content.AsSpan(0, (int)end), offset, buffer);
                }
            });
        }

        public async ValueTask<bool> VerifyAsync(CancellationToken cancel)
        {
            await store.Hash.WaitAsync(cancel);
            return _isRight ??= digest.Matches(Bytes());
        }

        public async ValueTask CommitAsync(CancellationToken cancel)
        {
            if (_isRight is not true) throw new InvalidOperationException("only a verified blob can be committed");
            await store.Flush.WaitAsync(cancel);
            if (store.CommitFault is { } fault) throw fault;
            store._blobs[digest] = Bytes();
        }

        public ValueTask<bool> RestAsync(CancellationToken cancel)
        {
            Assert.NotNull(_description);
            store.Resting[digest] = (new PartialState(_description.Value.Size, _description.Value.Validator, Written()), _content);
            return new(true);
        }

        public ValueTask DisposeAsync()
        {
            Assert.False(_disposed, "a partial blob is disposed once");
            _disposed = true;
            Interlocked.Decrement(ref store._partials);
            return default;
        }

        private byte[] Bytes()
        {
            lock (_gate) return _content[..(int)_written.EndFrom(0)];
        }
    }
}
