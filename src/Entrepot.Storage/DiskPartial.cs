using System.Security.Cryptography;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>A blob being written to a file under <c>partial/</c>, hashed from memory as it grows.</summary>
internal sealed class DiskPartial(DiskBlobStore store, DiskSpace space, Digest digest, string path, SharedFile file) : IPartialBlob
{
    // What a blob of unknown size sets aside at a time: few steps for a large one, little too much for a small one.
    private const long Step = 16 << 20;

    private readonly IncrementalHash _hash = digest.NewHash();
    private long _reserved;   // bytes on disk
    private bool? _isRight;

    /// <summary>Where it is until it is published.</summary>
    public string Path => path;

    /// <summary>Whether the file has its blob's name, and its reservation has become that blob's.</summary>
    public bool IsPublished { get; set; }

    public long Length { get; private set; }

    public async ValueTask<bool> ReserveAsync(long size, CancellationToken cancel)
    {
        var missing = Quota.OnDisk(size) - _reserved;
        if (missing <= 0) return true;
        if (!await space.TryReserveAsync(missing, cancel)) return false;
        _reserved += missing;
        return true;
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancel)
    {
        if (_isRight is not null) throw new InvalidOperationException("a verified blob does not grow");

        var length = Length + bytes.Length;
        if (length > _reserved && !await ReserveAsync(Length + Math.Max(bytes.Length, Step), cancel) && !await ReserveAsync(length, cancel))
            throw new IOException($"there is no room for more than {Length} bytes");

        // The write goes to the thread pool, so both run at once.
        var write = RandomAccess.WriteAsync(file.Handle, bytes, Length, cancel);
        _hash.AppendData(bytes.Span);
        await write;
        Length = length;
        space.Wrote(bytes.Length);
    }

    public Blob OpenReader(long size) => new FileBlob(file.Share(), size);

    public ValueTask<bool> VerifyAsync(CancellationToken cancel) => new(_isRight ??= Digest.FromHash(_hash.GetHashAndReset()) == digest);

    public async ValueTask CommitAsync(CancellationToken cancel)
    {
        if (_isRight is not true) throw new InvalidOperationException("only a verified blob can be committed");

        // Flushing waits for the disk; it has a thread of the pool to itself meanwhile.
        await Task.Run(
            () =>
            {
                RandomAccess.FlushToDisk(file.Handle);
                store.Publish(this, digest, Length, _reserved);
            },
            cancel);
    }

    public ValueTask DisposeAsync()
    {
        if (!IsPublished)
        {
            store.Discard(this);
            space.Release(_reserved, Length);
        }

        _hash.Dispose();
        file.Release();
        return default;
    }
}
