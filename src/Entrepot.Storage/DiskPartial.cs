using System.Security.Cryptography;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>A blob being written to a file under <c>partial/</c>, hashed from memory as it grows.</summary>
internal sealed class DiskPartial(DiskBlobStore store, Digest digest, string path, SharedFile file) : IPartialBlob
{
    private readonly IncrementalHash _hash = digest.NewHash();
    private bool? _isRight;
    private bool _isPublished;

    /// <summary>Where it is until it is published.</summary>
    public string Path => path;

    public long Length { get; private set; }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancel)
    {
        if (_isRight is not null) throw new InvalidOperationException("a verified blob does not grow");

        // The write goes to the thread pool, so both run at once.
        var write = RandomAccess.WriteAsync(file.Handle, bytes, Length, cancel);
        _hash.AppendData(bytes.Span);
        await write;
        Length += bytes.Length;
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
                store.Publish(this, digest, Length);
                _isPublished = true;
            },
            cancel);
    }

    public ValueTask DisposeAsync()
    {
        if (!_isPublished) store.Discard(this);
        _hash.Dispose();
        file.Release();
        return default;
    }
}
