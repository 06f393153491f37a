using System.Security.Cryptography;
using Entrepot.Oci;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Server.Cli;

/// <summary>Writes one file after the other in pieces, and hashes them, while the next piece arrives. Used by one task.</summary>
/// <remarks>Two buffers take turns: what was given to be written must not be touched before the piece after it has been given, too.</remarks>
internal sealed class PieceWriter : IDisposable
{
    // Few system calls for a gigabyte, and small enough for what lies in the processor's caches.
    private const int PieceBytes = 1 << 20;

    private readonly byte[][] _buffers = [new byte[PieceBytes], new byte[PieceBytes]];
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private SafeFileHandle? _file;
    private Task _writing = Task.CompletedTask;
    private int _next;

    /// <summary>Bytes of the file that were there and have not turned out to be wrong.</summary>
    public long Found { get; private set; }

    /// <summary>Where the next piece goes.</summary>
    public long Position { get; private set; }

    /// <summary>Begins a file. It stays the caller's.</summary>
    /// <param name="file">The file, open for reading and writing.</param>
    /// <param name="length">Its bytes.</param>
    public void Begin(SafeFileHandle file, long length)
    {
        (_file, Found, Position) = (file, length, 0);
        _hash.GetHashAndReset();
    }

    /// <summary>Ends the file, which is durable then.</summary>
    /// <returns>The digest of all of it.</returns>
    public Digest End(long size)
    {
        RandomAccess.SetLength(_file!, size);
        RandomAccess.FlushToDisk(_file!);
        return Digest.FromHash(_hash.GetHashAndReset());
    }

    /// <summary>Where the next piece may be put together, until it is written.</summary>
    public Memory<byte> Next() => _buffers[_next ^= 1];

    /// <summary>Writes bytes that are known: what is found in their place and differs ends what counts as found.</summary>
    public async Task WriteKnownAsync(byte[] bytes)
    {
        if (bytes.Length == 0) return;
        await SettleAsync();
        if (Found >= Position + bytes.Length)
        {
            var found = new byte[bytes.Length];
            if (await ReadAsync(found, Position) == found.Length && found.AsSpan().SequenceEqual(bytes))
            {
                _hash.AppendData(bytes);
                Position += bytes.Length;
                return;
            }
        }

        Forget(Position);
        _hash.AppendData(bytes);
        await RandomAccess.WriteAsync(_file!, bytes, Position, CancellationToken.None);
        Position += bytes.Length;
    }

    /// <summary>Takes bytes that were found as they are.</summary>
    /// <param name="count">How many.</param>
    /// <param name="hash">What hashes them besides.</param>
    /// <param name="told">Told how many have been taken.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task ReadFoundAsync(long count, IncrementalHash hash, Func<long, Task> told, CancellationToken cancel)
    {
        for (var done = 0L; done < count;)
        {
            cancel.ThrowIfCancellationRequested();
            var piece = Next();
            piece = piece[..(int)Math.Min(piece.Length, count - done)];
            if (await ReadAsync(piece, Position) != piece.Length) throw new IOException("the file of an earlier export became shorter while it was read");
            await SettleAsync();
            _writing = HashAsync(piece, hash);
            Position += piece.Length;
            done += piece.Length;
            await told(done);
        }
    }

    /// <summary>Writes a piece that <see cref="Next"/> gave room for. What was written before is settled when this completes.</summary>
    /// <param name="piece">The bytes.</param>
    /// <param name="hash">What hashes them besides.</param>
    public async Task WriteAsync(Memory<byte> piece, IncrementalHash hash)
    {
        await SettleAsync();
        Forget(Position);
        var (file, at) = (_file!, Position);
        _writing = Task.WhenAll(HashAsync(piece, hash), Task.Run(() => RandomAccess.Write(file, piece.Span, at)));
        Position += piece.Length;
    }

    /// <summary>Waits until everything that was given is hashed and written.</summary>
    public async Task SettleAsync()
    {
        var writing = _writing;
        _writing = Task.CompletedTask;
        await writing;
    }

    /// <inheritdoc/>
    public void Dispose() => _hash.Dispose();

    private Task HashAsync(ReadOnlyMemory<byte> piece, IncrementalHash hash) =>
        Task.WhenAll(Task.Run(() => _hash.AppendData(piece.Span)), Task.Run(() => hash.AppendData(piece.Span)));

    private void Forget(long from)
    {
        if (Found <= from) return;
        RandomAccess.SetLength(_file!, from);
        Found = from;
    }

    private async ValueTask<int> ReadAsync(Memory<byte> into, long from)
    {
        var done = 0;
        while (done < into.Length && await RandomAccess.ReadAsync(_file!, into[done..], from + done, CancellationToken.None) is > 0 and var count) done += count;
        return done;
    }
}
