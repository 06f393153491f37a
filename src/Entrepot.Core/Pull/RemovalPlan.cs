using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>What goes when images go: everything that no image which stays has a part in. Pure.</summary>
internal static class RemovalPlan
{
    /// <summary>Says what goes with each image.</summary>
    /// <param name="gone">Images whose names have been taken away.</param>
    /// <param name="listed">All images that are known, those with them that are only known by digest now.</param>
    /// <param name="isPinned">Whether a blob is pinned. A manifest that is stays known, too: nobody could serve it otherwise.</param>
    public static IReadOnlyList<Removal> Of(IReadOnlyList<CachedImage> gone, IReadOnlyList<CachedImage> listed, Func<Digest, bool> isPinned)
    {
        // A name that has come back meanwhile, with a pull, keeps its image.
        var names = gone.Select(image => image.Reference).ToHashSet();
        var staying = listed.Where(image => image.Tags.Count > 0 || !names.Contains(image.Reference)).ToList();
        names.ExceptWith(staying.Select(image => image.Reference));

        var kept = staying.SelectMany(image => image.Parts.Sizes.Keys).ToHashSet();
        var keptBy = staying.SelectMany(image => image.Parts.Sizes.Keys, (image, digest) => image.Reference.At(digest)).ToHashSet();
        var keepers = keptBy.DistinctBy(name => name.Digest).ToDictionary(name => name.Digest);
        var taken = new HashSet<Digest>();
        var removals = new List<Removal>();
        foreach (var image in gone)
        {
            if (!names.Contains(image.Reference))
            {
                removals.Add(new Removal(image, [], []));
                continue;
            }

            var manifests = image.Parts.Children.Prepend(image.Parts.Root).Select(image.Reference.At).Where(manifest => !keptBy.Contains(manifest) && !isPinned(manifest.Digest)).ToList();
            var blobs = image.Parts.Sizes.Keys.Where(digest => !kept.Contains(digest) && !isPinned(digest) && taken.Add(digest)).ToList();
            removals.Add(new Removal(image, [.. manifests.Select(manifest => (manifest, keepers.TryGetValue(manifest.Digest, out var keeper) ? keeper : default(Reference?)))], blobs));
        }

        return removals;
    }
}

/// <summary>What goes with an image.</summary>
/// <param name="Image">The image.</param>
/// <param name="Manifests">Manifests that its repository does not have any more, and one that has them; <see langword="null"/> if none has.</param>
/// <param name="Blobs">Blobs that nobody needs any more, manifests first.</param>
internal sealed record Removal(CachedImage Image, IReadOnlyList<(Reference Manifest, Reference? KeptIn)> Manifests, IReadOnlyList<Digest> Blobs);
