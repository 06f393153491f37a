using System.Diagnostics;
using System.Security.Cryptography;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>A blob that is not kept: a bounded window of it in memory, which moves with the fastest of those who read it (a bypass).</summary>
/// <remarks>
/// Safe for concurrent use. The writer waits for the fastest reader, so that one client's pace is the upstream's. It goes half the window ahead of that one;
/// the other half stays behind for those who read along, and who falls out of it is told so and gets a run of his own. When the last reader has left, writing
/// ends with <see cref="NobodyReadsException"/>.
/// </remarks>
internal sealed class PassingPartial : IPartialBlob
{
    /// <summary>Bytes of the window: some tens of milliseconds of a fast upstream, within which clients that begin together stay together.</summary>
    public const int WindowBytes = 4 << 20;

    private readonly Lock _gate = new();
    private readonly Digest _digest;
    private readonly IncrementalHash _hash;   // the writer's
    private readonly long _ahead;             // most bytes that are written and nobody has read
    private readonly byte[] _window;          // guarded by _gate, like all below
    private readonly List<Reader> _readers = [];
    private TaskCompletionSource? _moved;
    private bool _isLeft;                     // whoever wanted it has gone
    private bool? _isRight;
    private long _length;

    /// <param name="digest">What the bytes have to be.</param>
    /// <param name="size">Bytes of the whole.</param>
    public PassingPartial(Digest digest, long size)
    {
        _digest = digest;
        _hash = digest.NewHash();
        _window = new byte[Math.Min(size, WindowBytes)];
        _ahead = _window.Length == size ? _window.Length : _window.Length / 2;
    }

    /// <inheritdoc/>
    public PartialState? Left => null;

    /// <inheritdoc/>
    public Extents Written()
    {
        var written = new Extents();
        lock (_gate) written.Add(new ByteSpan(0, _length));
        return written;
    }

    /// <inheritdoc/>
    public void Describe(long size, string? validator)
    {
    }

    /// <inheritdoc/>
    public ValueTask<bool> ReserveAsync(long size, CancellationToken cancel) => new(true);

    /// <inheritdoc/>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, long offset, CancellationToken cancel)
    {
        Debug.Assert(offset == _length, "what passes through comes in order");
        _hash.AppendData(bytes.Span);
        while (!bytes.IsEmpty)
        {
            Task? moved = null;
            lock (_gate)
            {
                if (_isLeft && _readers.Count == 0) throw new NobodyReadsException();
                var room = (int)Math.Min(bytes.Length, _ahead - (_length - FastestLocked()));
                if (room > 0)
                {
                    CopyLocked(bytes.Span[..room]);
                    bytes = bytes[room..];
                }
                else
                {
                    moved = (_moved ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
                }
            }

            if (moved is not null) await moved.WaitAsync(cancel);
        }
    }

    /// <summary>Nobody waits for it to begin any longer: unless somebody reads it, writing ends.</summary>
    public void Abandon()
    {
        TaskCompletionSource? moved;
        lock (_gate)
        {
            _isLeft = true;
            (moved, _moved) = (_moved, null);
        }

        moved?.SetResult();
    }

    /// <inheritdoc/>
    public Blob OpenReader(long size)
    {
        var reader = new Reader(this, size);
        lock (_gate)
        {
            _readers.Add(reader);
        }

        return reader;
    }

    /// <inheritdoc/>
    public ValueTask<bool> VerifyAsync(CancellationToken cancel) => new(_isRight ??= Digest.FromHash(_hash.GetHashAndReset()) == _digest);

    /// <inheritdoc/>
    public ValueTask CommitAsync(CancellationToken cancel) => throw new InvalidOperationException("what passes through is not kept");

    /// <inheritdoc/>
    public ValueTask<bool> RestAsync(CancellationToken cancel) => throw new InvalidOperationException("what passes through is not kept");

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _hash.Dispose();
        return default;
    }

    private long FastestLocked()
    {
        var fastest = 0L;
        foreach (var reader in _readers) fastest = Math.Max(fastest, reader.Position);
        return fastest;
    }

    private void CopyLocked(ReadOnlySpan<byte> bytes)
    {
        var at = (int)(_length % _window.Length);
        var first = Math.Min(bytes.Length, _window.Length - at);
        bytes[..first].CopyTo(_window.AsSpan(at));
        bytes[first..].CopyTo(_window);
        _length += bytes.Length;
    }

    private int Read(Reader reader, Span<byte> buffer, long offset)
    {
        TaskCompletionSource? moved;
        int count;
        lock (_gate)
        {
            if (offset < _length - _window.Length) throw new IOException("the window of this bypass has moved past these bytes");
            Debug.Assert(offset < _length, "a reader asks only for what has arrived");

            var at = (int)(offset % _window.Length);
            count = (int)Math.Min(buffer.Length, Math.Min(_length - offset, _window.Length - at));
            _window.AsSpan(at, count).CopyTo(buffer);
            reader.Position = offset + count;
            (moved, _moved) = (_moved, null);
        }

        moved?.SetResult();
        return count;
    }

    private void Leave(Reader reader)
    {
        TaskCompletionSource? moved;
        lock (_gate)
        {
            _isLeft |= _readers.Remove(reader);
            (moved, _moved) = (_moved, null);
        }

        moved?.SetResult();
    }

    private sealed class Reader(PassingPartial passing, long size) : Blob
    {
        public long Position { get; set; }   // guarded by the partial's gate

        public override long Size => size;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel) => new(passing.Read(this, buffer.Span, offset));

        public override ValueTask DisposeAsync()
        {
            passing.Leave(this);
            return default;
        }
    }
}

/// <summary>All who read a bypass have left; there is nobody to write for.</summary>
internal sealed class NobodyReadsException : Exception;
