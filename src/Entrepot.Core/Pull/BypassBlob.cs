using System.Security.Cryptography;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>A whole blob that is not kept, as one client sees it: the shared run while it can be followed, then a run of its own.</summary>
/// <remarks>It hashes what it gives, so that the last bytes wait for verification whichever run they come from (invariant 5).</remarks>
internal sealed class BypassBlob(FollowedBlob shared, Reference reference, IUpstream upstream) : Blob
{
    private readonly IncrementalHash _hash = reference.Digest.NewHash();
    private PassedBlob? _own;
    private bool _hasLeft;   // the shared run

    public override long Size => shared.Size;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel)
    {
        if (!_hasLeft)
        {
            try
            {
                var count = await shared.ReadAsync(buffer, offset, cancel);
                _hash.AppendData(buffer.Span[..count]);
                return count;
            }
            catch (IOException)   // too slow for the shared run, or that run has failed: neither is this client's end
            {
                // The shared run does not wait for a reader that follows it no longer.
                await LeaveAsync();
                _own = await OpenAsync(offset, cancel);
            }
        }

        if (_own is null) throw new IOException("the shared run was left, and no other was had");
        return await _own.ReadAsync(buffer, offset, cancel);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_own is not null) await _own.DisposeAsync();
        _hash.Dispose();
        await LeaveAsync();
    }

    private async ValueTask LeaveAsync()
    {
        if (_hasLeft) return;
        _hasLeft = true;
        await shared.DisposeAsync();
    }

    private async Task<PassedBlob> OpenAsync(long offset, CancellationToken cancel)
    {
        if (!(await upstream.OpenBlobAsync(reference, new BlobPart(offset), cancel)).Has(out var source, out var error)) throw new FetchFailedException(error);
        if (source.Offset == offset && (source.Size ?? Size) == Size) return new PassedBlob(source, reference.Digest, Size, _hash);

        await source.DisposeAsync();
        throw new FetchFailedException(RegistryError.BadGateway("the upstream does not go on where the shared run was left"));
    }
}
