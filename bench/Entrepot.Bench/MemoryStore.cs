using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Bench;

/// <summary>A store of one blob at a time, in memory that is used again for the next one; it keeps and checks nothing.</summary>
internal sealed class MemoryStore(int capacity) : IBlobStore
{
    private readonly byte[] _bytes = new byte[capacity];

    public bool Contains(Digest digest) => false;

    public ValueTask<Blob?> OpenAsync(Digest digest, CancellationToken cancel) => default;

    public void Touch(Digest digest, DateTimeOffset now)
    {
    }

    public bool Pin(Digest digest) => false;

    public void Unpin(Digest digest)
    {
    }

    public long ShortOf(long bytes) => 0;

    public long Remove(Digest digest, DateTimeOffset unusedSince) => 0;

    public Task<bool?> VerifyAsync(Digest digest, Func<int, ValueTask> hashed, CancellationToken cancel) => Task.FromResult<bool?>(null);

    public bool Drop(Digest digest) => false;

    public ValueTask<IPartialBlob> CreateAsync(Digest digest, FillMode fill, CancellationToken cancel) => new(new Partial(_bytes));

    private sealed class Partial(byte[] bytes) : IPartialBlob
    {
        private readonly Lock _gate = new();
        private readonly Extents _written = new();   // guarded by _gate

        public PartialState? Left => null;

        public Extents Written()
        {
            lock (_gate) return new Extents(_written);
        }

        public void Describe(long size, string? validator)
        {
        }

        public ValueTask<bool> ReserveAsync(long size, CancellationToken cancel) => new(true);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> content, long offset, CancellationToken cancel)
        {
            content.Span.CopyTo(bytes.AsSpan((int)offset));
            lock (_gate) _written.Add(new ByteSpan(offset, offset + content.Length));
            return default;
        }

        public Blob OpenReader(long size) => new Reader(bytes, size);

        public ValueTask<bool> VerifyAsync(CancellationToken cancel) => new(true);

        public ValueTask CommitAsync(CancellationToken cancel) => default;

        public ValueTask<bool> RestAsync(CancellationToken cancel) => new(false);

        public ValueTask DisposeAsync() => default;
    }

    private sealed class Reader(byte[] bytes, long size) : Blob
    {
        public override long Size => size;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
        {
            var count = (int)Math.Min(buffer.Length, size - offset);
            bytes.AsSpan((int)offset, count).CopyTo(buffer.Span);
            return new(count);
        }

        public override ValueTask DisposeAsync() => default;
    }
}
