using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Keeps what is pulled young: a pull of a manifest marks everything that it references as just used.</summary>
/// <remarks>
/// Safe for concurrent use. A client that has a layer never asks for it, and one that has the image asks for no more than a HEAD; recency by what is
/// sent would let go of what everybody has. The marking is off the request, once in <see cref="RecentTouches.Interval"/> for a manifest.
/// </remarks>
internal sealed class Recency(IBlobStore store, TimeProvider clock)
{
    private readonly StoredManifests _manifests = new(store);
    private readonly RecentTouches _recent = new();
    private readonly Flights<Digest, bool> _marking = new();

    /// <summary>A blob was asked for by its own name.</summary>
    public void Used(Digest blob) => store.Touch(blob, clock.GetUtcNow());

    /// <summary>A blob was served from memory. Once in a while its file is looked at, so that one whose file is gone does not stay known for ever.</summary>
    public void Served(Digest blob)
    {
        var now = clock.GetUtcNow();
        _marking.Join(blob, async () =>
        {
            store.Touch(blob, now);
            return !_recent.ShouldTouch(blob, now) || await ExistsAsync(blob);
        });
    }

    /// <summary>A manifest was asked for.</summary>
    public void Pulled(Digest manifest)
    {
        var now = clock.GetUtcNow();
        if (!_recent.ShouldTouch(manifest, now)) return;
        _marking.Join(manifest, async () =>
        {
            await TouchAsync(manifest, ImageParts.Depth, now);
            return true;
        });
    }

    /// <summary>Waits until nothing is being marked: store and index may go afterwards.</summary>
    public Task EndedAsync() => _marking.EndedAsync();

    private async Task<bool> ExistsAsync(Digest blob)
    {
        try
        {
            if (await store.OpenAsync(blob, CancellationToken.None) is not { } stored) return false;
            await stored.DisposeAsync();
            return true;
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))   // whoever reads it from the disk is told
        {
            return false;
        }
    }

    private async Task TouchAsync(Digest digest, int depth, DateTimeOffset now)
    {
        store.Touch(digest, now);

        // What cannot be read is not marked; whoever pulls it is told why.
        if (await _manifests.TryFindAsync(digest, CancellationToken.None) is not { } manifest) return;

        foreach (var blob in manifest.Blobs) store.Touch(blob.Digest, now);
        if (depth == 0) return;
        foreach (var child in manifest.Manifests.DistinctBy(child => child.Digest))
            if (store.Contains(child.Digest)) await TouchAsync(child.Digest, depth - 1, now);
    }
}
