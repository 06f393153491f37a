using System.Diagnostics;
using System.Security.Cryptography;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Bytes that go from the upstream to one client and are not kept (a bypass).</summary>
/// <remarks>It owns its upstream connection. The reader's own cancellation ends it.</remarks>
internal sealed class PassedBlob : Blob
{
    private readonly UpstreamBlob _source;
    private readonly Digest _digest;
    private readonly IncrementalHash? _hash;
    private readonly long _holdFrom;
    private byte[]? _tail;
    private long _position;

    /// <param name="source">Where the bytes come from; owned from here on.</param>
    /// <param name="digest">The whole blob's digest.</param>
    /// <param name="size">The whole blob's size.</param>
    /// <param name="span">The bytes that are read; unless these are all, there is nothing to verify.</param>
    public PassedBlob(UpstreamBlob source, Digest digest, long size, ByteSpan span)
    {
        (_source, _digest, Size, _position) = (source, digest, size, source.Offset);
        var isWhole = span.Length == size;
        _hash = isWhole ? digest.NewHash() : null;
        _holdFrom = isWhole ? FetchPlan.HoldFrom(size) : size;
    }

    /// <inheritdoc/>
    public override long Size { get; }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
    {
        Debug.Assert(offset == _position, "a connection is read forward, without gaps");
        if (offset == Size) return 0;
        if (offset >= _holdFrom) return await ReadTailAsync(buffer, offset, cancel);

        var count = await _source.Content.ReadAsync(buffer[..(int)Math.Min(buffer.Length, _holdFrom - offset)], cancel);
        if (count == 0) throw new FetchFailedException(RegistryError.BadGateway("the blob ended before its announced size"));
        _hash?.AppendData(buffer.Span[..count]);
        _position += count;
        return count;
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        _hash?.Dispose();
        return _source.DisposeAsync();
    }

    // The last bytes are read, and the whole is verified, before the first of them is given (invariant 5).
    private async ValueTask<int> ReadTailAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
    {
        if (_tail is null)
        {
            var tail = new byte[(int)(Size - _holdFrom)];
            await _source.Content.ReadExactlyAsync(tail, cancel);
            _hash!.AppendData(tail);
            if (Digest.FromHash(_hash.GetHashAndReset()) != _digest)
                throw new FetchFailedException(RegistryError.BadGateway($"the bytes received are not those of {_digest}"));
            _tail = tail;
        }

        var rest = _tail.AsMemory((int)(offset - _holdFrom));
        var count = Math.Min(rest.Length, buffer.Length);
        rest[..count].CopyTo(buffer);
        _position += count;
        return count;
    }
}
