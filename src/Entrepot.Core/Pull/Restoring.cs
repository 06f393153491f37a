using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Fetches again what was found wrong and dropped. Safe for concurrent use.</summary>
/// <remarks>It asks as a client would, from the repository of a stored manifest that names the blob: so it takes the ways, limits and single flights of all pulls.</remarks>
internal sealed class Restoring(IBlobStore store, ICacheIndex index, ManifestPull manifests, BlobPull blobs, Func<Reference, IUpstream> upstream)
{
    private readonly StoredManifests _stored = new(store);

    /// <summary>Fetches a blob, if something that is stored names it and its upstream gives it.</summary>
    /// <returns>Whether it is stored again, or about to be.</returns>
    public async Task<bool> TryRestoreAsync(Digest digest, CancellationToken cancel)
    {
        foreach (var known in index.References())
        {
            if (known.IsTag) continue;
            if (known.Digest == digest) return (await manifests.GetAsync(known, headOnly: false, upstream(known), cancel)).Error is null;
            if (await _stored.TryFindAsync(known.Digest, cancel) is not { } manifest || !manifest.Blobs.Any(blob => blob.Digest == digest)) continue;

            // Another repository may still have what this one does not give.
            if (await TryFetchAsync(known.At(digest), cancel)) return true;
        }

        return false;
    }

    private async Task<bool> TryFetchAsync(Reference blob, CancellationToken cancel)
    {
        if ((await blobs.GetAsync(blob, null, upstream(blob), cancel)).Content is not { } content) return false;
        await using (content)
        {
            try
            {
                for (var offset = 0L; offset < content.Size;)
                {
                    var (_, end) = await content.Blob!.ArrivedAsync(offset, cancel);
                    if (end == offset) return false;   // it is not kept
                    offset = end;
                }

                return true;
            }
            catch (IOException)   // the fetch has told why
            {
                return false;
            }
        }
    }
}
