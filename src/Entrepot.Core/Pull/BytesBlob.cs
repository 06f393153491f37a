namespace Entrepot.Pull;

/// <summary>A stored blob that has been read.</summary>
internal sealed class BytesBlob(ReadOnlyMemory<byte> bytes, DateTimeOffset storedAt) : Blob
{
    public override long Size => bytes.Length;

    public override DateTimeOffset? StoredAt => storedAt;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
    {
        var rest = bytes[(int)Math.Min(offset, bytes.Length)..];
        var count = Math.Min(rest.Length, buffer.Length);
        rest.Span[..count].CopyTo(buffer.Span);
        return new(count);
    }

    public override ValueTask DisposeAsync() => default;
}
