using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>A blob in a file. Reads go to the thread pool, since any of them may wait for the disk (invariant 9).</summary>
internal sealed class FileBlob(SharedFile file, long size, DateTimeOffset? storedAt = null) : Blob
{
    private int _closed;

    public override long Size => size;

    public override DateTimeOffset? StoredAt => storedAt;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
    {
        if (offset >= size) return 0;
        if (buffer.Length > size - offset) buffer = buffer[..(int)(size - offset)];

        var count = await RandomAccess.ReadAsync(file.Handle, buffer, offset, cancel);
        return count > 0 ? count : throw new IOException($"the file ends at {offset} bytes; it should have {size}");
    }

    public override ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0) file.Release();
        return default;
    }
}
