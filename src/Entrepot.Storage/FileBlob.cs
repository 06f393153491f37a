using Entrepot.Pull;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>A blob in a file. What of it is in memory is read at once; the rest by threads that may wait for the disk (invariant 9).</summary>
public sealed class FileBlob : Blob
{
    // Who waits for a disk is not kept longer than for so many bytes, and takes its turn with others.
    private const int ColdBytes = 512 << 10;

    private readonly SharedFile _file;
    private readonly ColdReads _cold;
    private readonly DateTimeOffset? _storedAt;
    private int _closed;

    internal FileBlob(SharedFile file, ColdReads cold, long size, DateTimeOffset? storedAt = null) =>
        (_file, _cold, Size, _storedAt) = (file, cold, size, storedAt);

    /// <inheritdoc/>
    public override long Size { get; }

    /// <inheritdoc/>
    public override DateTimeOffset? StoredAt => _storedAt;

    /// <summary>The file, whose bytes are the blob's at the same offsets; valid until disposal, and not the caller's to close.</summary>
    public SafeFileHandle Handle => _file.Handle;

    /// <summary>Completes when the beginning of a range is in memory, so that sending it waits for no disk, unless it leaves just then.</summary>
    /// <remarks>At once if it is; after a disk has been waited for, what follows runs on the thread pool.</remarks>
    /// <returns>Bytes from <paramref name="offset"/> on that are there; more than none. Those that the file does not have are counted.</returns>
    /// <param name="offset">The first byte.</param>
    /// <param name="count">Most bytes that are of use; more than none.</param>
    /// <param name="cancel">Ends this wait.</param>
    /// <exception cref="IOException">The disk failed.</exception>
    public ValueTask<int> ReadyAsync(long offset, int count, CancellationToken cancel) =>
        _cold.Files.Held(Handle, offset, count) is > 0 and var held ? new(held) : FetchAsync(offset, Math.Min(count, ColdBytes), cancel);

    /// <inheritdoc/>
    public override ValueTask<(Blob At, long End)> ArrivedAsync(long offset, CancellationToken cancel) => new((this, Size));

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
    {
        if (offset >= Size) return new(0);
        if (buffer.Length > Size - offset) buffer = buffer[..(int)(Size - offset)];
        return _cold.Files.TryRead(Handle, buffer.Span, offset) is > 0 and var count ? new(count) : ReadColdAsync(buffer, offset, cancel);
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0) _file.Release();
        return default;
    }

    private async ValueTask<int> FetchAsync(long offset, int count, CancellationToken cancel)
    {
        await _cold.FetchAsync(Handle, offset, count, cancel);
        return count;
    }

    private async ValueTask<int> ReadColdAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
    {
        var count = await _cold.ReadAsync(Handle, buffer, offset, cancel);
        return count > 0 ? count : throw new IOException($"the file ends at {offset} bytes; it should have {Size}");
    }
}
