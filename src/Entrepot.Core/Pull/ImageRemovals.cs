using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Takes away what images leave behind whose names are gone. Safe for concurrent use.</summary>
internal sealed class ImageRemovals(IBlobStore store, ICacheIndex index, Pins pins)
{
    /// <summary>Forgets manifests and removes blobs, but those that were pinned meanwhile.</summary>
    /// <param name="removal">What goes.</param>
    /// <param name="began">When the names were gone: blobs that were used since stay.</param>
    /// <param name="leaving">Told of each manifest before it is forgotten, while no pin changes; what it throws ends this, with nothing forgotten.</param>
    /// <returns>Bytes on disk that this freed.</returns>
    public async Task<long> DoAsync(Removal removal, DateTimeOffset began, Func<Reference, Task>? leaving = null)
    {
        var lists = removal.Manifests.Select(one => (one.KeptIn, index.FindReferrers(one.Manifest)?.List))
            .Where(one => one.KeptIn is not { } other || index.FindReferrers(other)?.List != one.List).Select(one => one.List).OfType<Digest>().ToList();
        await pins.WhileUnchangedAsync(() => ForgetAsync(removal, leaving), CancellationToken.None);

        // The image's own manifest last: after a crash it tells what else was to go.
        return lists.Concat(removal.Blobs.Reverse()).Sum(blob => store.Remove(blob, began));
    }

    // A manifest that is pinned meanwhile stays known. Before a repository forgets one that another still has, that one is written down as having it:
    // the media type is in the records of those who have it.
    private async Task<bool> ForgetAsync(Removal removal, Func<Reference, Task>? leaving)
    {
        // Together, so that they share a flush; and those that have to be first, first.
        var going = removal.Manifests.Where(one => !pins.Reaches(one.Manifest.Digest)).ToList();
        foreach (var (manifest, _) in going)
            if (leaving is not null) await leaving(manifest);
        await Task.WhenAll(going.Select(async one =>
        {
            if (one.KeptIn is { } other && index.FindMediaType(one.Manifest.Digest) is { } mediaType)
                await index.AddManifestAsync(other, mediaType, CancellationToken.None);
        }));
        await Task.WhenAll(going.Select(one => index.RemoveManifestAsync(one.Manifest, isLast: one.KeptIn is null, CancellationToken.None).AsTask()));
        return true;
    }
}
