using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Keeps what is pulled young: a pull of a manifest marks everything that it references as just used.</summary>
/// <remarks>
/// Safe for concurrent use. A client that has a layer never asks for it, and one that has the image asks for no more than a HEAD; recency by what is
/// sent would let go of what everybody has. The marking is off the request, once in <see cref="RecentTouches.Interval"/> for a manifest.
/// </remarks>
internal sealed class Recency(IBlobStore store, TimeProvider clock)
{
    // An index, its images, their layers. An index of indexes is not an image.
    private const int Depth = 2;

    // What an index names as a manifest and is larger than this is none.
    private const int MaxManifestBytes = 8 << 20;

    private readonly RecentTouches _recent = new();
    private readonly Flights<Digest, bool> _marking = new();

    /// <summary>A blob was asked for by its own name.</summary>
    public void Used(Digest blob) => store.Touch(blob, clock.GetUtcNow());

    /// <summary>A manifest was asked for.</summary>
    public void Pulled(Digest manifest)
    {
        var now = clock.GetUtcNow();
        if (!_recent.ShouldTouch(manifest, now)) return;
        _marking.Join(manifest, async () =>
        {
            await TouchAsync(manifest, Depth, now);
            return true;
        });
    }

    /// <summary>Waits until nothing is being marked: store and index may go afterwards.</summary>
    public Task EndedAsync() => _marking.EndedAsync();

    private async Task TouchAsync(Digest digest, int depth, DateTimeOffset now)
    {
        store.Touch(digest, now);
        if (await ReadAsync(digest) is not { } manifest) return;

        foreach (var blob in manifest.Blobs) store.Touch(blob.Digest, now);
        if (depth == 0) return;
        foreach (var child in manifest.Manifests)
            if (store.Contains(child.Digest)) await TouchAsync(child.Digest, depth - 1, now);
    }

    // What cannot be read is not marked; whoever pulls it is told why.
    private async Task<Manifest?> ReadAsync(Digest digest)
    {
        try
        {
            if (await store.OpenAsync(digest, CancellationToken.None) is not { } blob) return null;
            await using (blob) return blob.Size <= MaxManifestBytes ? Manifest.TryParse(await blob.ReadAllAsync(CancellationToken.None)) : null;
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
        {
            return null;
        }
    }
}
