using System.Buffers;
using System.Security.Cryptography;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>A blob that is being fetched, as one client reads it: if the store fails under the fetch, the rest comes straight from the upstream.</summary>
/// <remarks>What has been given is read back and hashed then, so that the last bytes of the whole wait for verification all the same (invariant 5).</remarks>
internal sealed class CarriedBlob(FollowedBlob shared, Reference reference, IUpstream upstream) : Blob
{
    private const int BufferBytes = 128 << 10;

    private IncrementalHash? _hash;
    private PassedBlob? _own;

    public override long Size => shared.Size;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
    {
        if (_own is null)
        {
            try
            {
                return await shared.ReadAsync(buffer, offset, cancel);
            }
            catch (FetchFailedException failed) when (failed.IsStoreFault)
            {
                _own = await GoOnAsync(offset, cancel);
            }
        }

        return await _own.ReadAsync(buffer, offset, cancel);
    }

    public override async ValueTask<(Blob At, long End)> ArrivedAsync(long offset, CancellationToken cancel)
    {
        try
        {
            return _own is null ? await shared.ArrivedAsync(offset, cancel) : (this, offset);
        }
        catch (FetchFailedException failed) when (failed.IsStoreFault)
        {
            return (this, offset);   // only reading goes on
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (_own is not null) await _own.DisposeAsync();
        _hash?.Dispose();
        await shared.DisposeAsync();
    }

    private async Task<PassedBlob> GoOnAsync(long offset, CancellationToken cancel)
    {
        if (shared.HoldTail && offset > 0) _hash = await HashBackAsync(offset, cancel);
        var opened = await upstream.OpenBlobAsync(reference, new BlobPart(offset, shared.To == Size ? null : shared.To), cancel);
        if (!opened.Has(out var source, out var error)) throw new FetchFailedException(error);
        if (source.Offset == offset && (source.Size ?? Size) == Size)
            return _hash is { } begun ? new PassedBlob(source, reference.Digest, Size, begun) : new PassedBlob(source, reference.Digest, Size, new ByteSpan(offset, shared.To));

        await source.DisposeAsync();
        throw new FetchFailedException(RegistryError.BadGateway("the upstream does not go on where the store failed"));
    }

    private async Task<IncrementalHash> HashBackAsync(long end, CancellationToken cancel)
    {
        var hash = reference.Digest.NewHash();
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            for (var done = 0L; done < end;)
            {
                var count = await shared.ReadBackAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, end - done)), done, cancel);
                hash.AppendData(buffer, 0, count);
                done += count;
            }

            return hash;
        }
        catch
        {
            hash.Dispose();
            throw;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
