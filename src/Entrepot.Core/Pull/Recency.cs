using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Keeps what is pulled young: a pull of a manifest marks everything that it references as just used.</summary>
/// <remarks>
/// Safe for concurrent use. A client that has a layer never asks for it, and one that has the image asks for no more than a HEAD; recency by what is
/// sent would let go of what everybody has. The marking is off the request, once in <see cref="RecentTouches.Interval"/> for a manifest, and goes as far as
/// <see cref="ImageParts"/> does: whoever names more has made it up.
/// </remarks>
/// <param name="store">What is marked.</param>
/// <param name="clock">The time.</param>
/// <param name="stop">Ends what is being marked: it matters to nobody who waits for the end.</param>
internal sealed class Recency(IBlobStore store, TimeProvider clock, CancellationToken stop)
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
            await TouchAsync(manifest, now);
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

    private async Task TouchAsync(Digest manifest, DateTimeOffset now)
    {
        store.Touch(manifest, now);

        // What cannot be read is not marked; whoever pulls it is told why.
        var parts = await _manifests.PartsAsync(manifest, [], mustRead: false, stop);
        foreach (var part in parts.Sizes.Keys)
            if (part != manifest && (!parts.Children.Contains(part) || store.Contains(part))) store.Touch(part, now);
    }
}
