using Entrepot.Pull;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>A blob in a file. What of it is in memory is read at once; the rest by threads that may wait for the disk (invariant 9).</summary>
public sealed class FileBlob : Blob
{
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

    /// <summary>Completes when a range is in memory, so that sending it waits for no disk, unless it leaves just then.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="count">Bytes; at most some hundred thousand.</param>
    /// <param name="cancel">Ends this wait.</param>
    /// <exception cref="IOException">The disk failed.</exception>
    public ValueTask ReadyAsync(long offset, int count, CancellationToken cancel) =>
        _cold.Files.Holds(Handle, offset, count) ? default : new ValueTask(_cold.FetchAsync(Handle, offset, count, cancel));

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

    private async ValueTask<int> ReadColdAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
    {
        var count = await _cold.ReadAsync(Handle, buffer, offset, cancel);
        return count > 0 ? count : throw new IOException($"the file ends at {offset} bytes; it should have {Size}");
    }
}
