namespace Entrepot.Pull;

/// <summary>Something to serve: whole on disk, still arriving, or passed through. The HTTP edge cannot tell which.</summary>
/// <remarks>One reader at a time; many blobs of the same bytes may be open at once. The opener disposes it.</remarks>
public abstract class Blob : IAsyncDisposable
{
    /// <summary>Bytes of the whole blob, known before they have all arrived.</summary>
    public abstract long Size { get; }

    /// <summary>When it was stored; <see langword="null"/> if it is still on its way.</summary>
    public virtual DateTimeOffset? StoredAt => null;

    /// <summary>Reads some bytes at <paramref name="offset"/>, waiting for bytes that have not arrived.</summary>
    /// <returns>Bytes read; 0 only at <see cref="Size"/>.</returns>
    /// <param name="buffer">Where the bytes go; not empty.</param>
    /// <param name="offset">Bytes from the start of the whole blob. Readers go forward, without gaps, unless it is stored.</param>
    /// <param name="cancel">Ends this wait, and nothing else.</param>
    /// <exception cref="IOException">The bytes cannot be had; what was read before must not be completed cleanly.</exception>
    public abstract ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel);

    /// <summary>Waits for bytes at <paramref name="offset"/> without reading them, for whoever can take them from where they lie.</summary>
    /// <returns>
    /// Where they lie, which may be another blob of the same bytes, valid until this one is asked again or disposed; and the first byte behind them
    /// that may not be taken yet. If that is <paramref name="offset"/> itself, only <see cref="ReadAsync"/> has them.
    /// </returns>
    /// <param name="offset">As for <see cref="ReadAsync"/>; less than <see cref="Size"/>.</param>
    /// <param name="cancel">Ends this wait, and nothing else.</param>
    /// <exception cref="IOException">The bytes cannot be had.</exception>
    public virtual ValueTask<(Blob At, long End)> ArrivedAsync(long offset, CancellationToken cancel) => new((this, offset));

    /// <summary>Reads all of it: for manifests, whose size is bounded.</summary>
    /// <exception cref="IOException">The bytes cannot be had.</exception>
    internal async ValueTask<byte[]> ReadAllAsync(CancellationToken cancel)
    {
        var bytes = new byte[Size];
        for (var done = 0; done < bytes.Length;)
        {
            var count = await ReadAsync(bytes.AsMemory(done), done, cancel);
            if (count == 0) throw new IOException($"the blob ends at {done} of {Size} bytes");
            done += count;
        }

        return bytes;
    }

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}
