using System.Security.Cryptography;
using Entrepot.Oci;
using Entrepot.Storage;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Server.Cli;

/// <summary>Writes one file of a bundle after the other, keeps what is found in them and right, and hashes both while the next bytes arrive. Used by one task.</summary>
internal sealed class PieceWriter : IAsyncDisposable
{
    private readonly BlockWriter _blocks = new(new FileCalls(), _ => { });
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private SafeFileHandle? _file;

    /// <summary>Bytes of the file that were there and have not turned out to be wrong.</summary>
    public long Found { get; private set; }

    /// <summary>Where the next bytes go.</summary>
    public long Position => _blocks.Position;

    /// <summary>Where they may be put together, until they are written.</summary>
    public Memory<byte> Room => _blocks.Room;

    /// <summary>Begins a file. It stays the caller's.</summary>
    /// <param name="file">The file, open for reading and writing.</param>
    /// <param name="length">Its bytes.</param>
    public void Begin(SafeFileHandle file, long length)
    {
        (_file, Found) = (file, length);
        _blocks.Begin(file);
        _hash.GetHashAndReset();
    }

    /// <summary>Ends the file, which is durable then.</summary>
    /// <returns>The digest of all of it.</returns>
    public async Task<Digest> EndAsync(long size)
    {
        await _blocks.EndAsync();
        RandomAccess.SetLength(_file!, size);
        RandomAccess.FlushToDisk(_file!);
        return Digest.FromHash(_hash.GetHashAndReset());
    }

    /// <summary>Writes bytes that are known: what is found in their place and differs ends what counts as found.</summary>
    public async Task WriteKnownAsync(ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var room = Room;
            var count = Math.Min(room.Length, bytes.Length);
            var isThere = Found >= Position + count && await ReadAsync(room[..count]) && room.Span[..count].SequenceEqual(bytes.Span[..count]);
            if (!isThere)
            {
                Forget();
                bytes[..count].CopyTo(room);
            }

            await _blocks.AddAsync(count, isThere, _hash);
            bytes = bytes[count..];
        }
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
            var room = Room;
            if (room.Length > count - done) room = room[..(int)(count - done)];
            if (!await ReadAsync(room)) throw new IOException("the file of an earlier export became shorter while it was read");
            await _blocks.AddAsync(room.Length, isThere: true, _hash, hash);
            done += room.Length;
            await told(done);
        }
    }

    /// <summary>Writes bytes that have been put into <see cref="Room"/>.</summary>
    /// <param name="count">How many.</param>
    /// <param name="hash">What hashes them besides.</param>
    public ValueTask WriteAsync(int count, IncrementalHash hash)
    {
        Forget();
        return _blocks.AddAsync(count, isThere: false, _hash, hash);
    }

    /// <summary>Waits until everything that was given is hashed.</summary>
    public Task HashedAsync() => _blocks.HashedAsync();

    /// <summary>Waits until everything that was given is hashed, and all but the last of it written.</summary>
    public Task SettleAsync() => _blocks.SettleAsync();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _blocks.DisposeAsync();
        _hash.Dispose();
    }

    private void Forget()
    {
        if (Found <= Position) return;
        RandomAccess.SetLength(_file!, Position);
        Found = Position;
    }

    private async ValueTask<bool> ReadAsync(Memory<byte> into)
    {
        var done = 0;
        while (done < into.Length && await RandomAccess.ReadAsync(_file!, into[done..], Position + done, CancellationToken.None) is > 0 and var count) done += count;
        return done == into.Length;
    }
}
