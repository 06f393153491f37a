using Entrepot.Oci;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>The order in which bundles were made, as far as they and their receipts tell it. Pure.</summary>
internal static class BundleOrder
{
    /// <summary>Orders bundles so that each comes after those that it was made after: by the receipts that it names, or since it counts on what they have.</summary>
    /// <param name="bundles">Bundles, in the order in which they were given, which is kept where it does not matter.</param>
    /// <param name="receipts">The digests of their receipts, of those that have one, in the same order.</param>
    /// <exception cref="ArchiveException">It cannot be known which of two is the newer one, and a tag has another meaning in either.</exception>
    public static IReadOnlyList<BundlePieces> Of(IReadOnlyList<BundlePieces> bundles, IReadOnlyList<Digest?> receipts)
    {
        var earlier = Earlier(bundles, receipts);
        Check(bundles, earlier);
        var (ordered, left) = (new List<BundlePieces>(), Enumerable.Range(0, bundles.Count).ToList());
        while (left.Count > 0)
        {
            // Where bundles count on each other there is no order, and the one given is as good as any.
            var next = left.FirstOrDefault(one => !left.Exists(other => other != one && earlier[one].Contains(other)), left[0]);
            ordered.Add(bundles[next]);
            left.Remove(next);
        }

        return ordered;
    }

    // Of each bundle those that were made before it, also those that were made before these.
    private static List<HashSet<int>> Earlier(IReadOnlyList<BundlePieces> bundles, IReadOnlyList<Digest?> receipts)
    {
        var known = receipts.OfType<Digest>().ToHashSet();
        var owners = bundles.SelectMany((bundle, i) => bundle.Contents.Blobs.Select(blob => (blob.Digest, Owner: i))).ToLookup(blob => blob.Digest, blob => blob.Owner);
        var earlier = new List<HashSet<int>>();
        foreach (var later in bundles)
        {
            var since = later.Contents.Since;
            var before = Enumerable.Range(0, bundles.Count).Where(one => receipts[one] is { } receipt && since.Contains(receipt)).ToHashSet();

            // What a bundle leaves out tells of an earlier one only if no other can have brought it, and only if the receipts that it was made since do not tell more.
            if (since.Count == 0 || !since.All(known.Contains))
                before.UnionWith(later.Contents.Base.Select(blob => owners[blob.Digest].ToList()).Where(owner => owner.Count == 1).Select(owner => owner[0]));
            earlier.Add(before);
        }

        for (var via = 0; via < bundles.Count; via++)
            foreach (var before in earlier.Where(before => before.Contains(via)).ToList()) before.UnionWith(earlier[via]);
        for (var one = 0; one < bundles.Count; one++) earlier[one].Remove(one);
        return earlier;
    }

    // A tag means what the newest bundle says. That is the one that is not earlier than any other with the tag; if several are, they have to agree.
    private static void Check(IReadOnlyList<BundlePieces> bundles, List<HashSet<int>> earlier)
    {
        var tags = bundles.SelectMany((bundle, i) => bundle.Contents.Images.Where(image => image.Reference.IsTag).Select(image => (image.Reference, image.Digest, Bundle: i)));
        foreach (var tag in tags.GroupBy(image => image.Reference))
        {
            var newest = tag.Where(one => !tag.Any(other => IsEarlier(one.Bundle, other.Bundle))).ToList();
            var other = newest.FindIndex(one => one.Digest != newest[0].Digest);
            if (other < 0) continue;
            throw new ArchiveException(
                $"{bundles[newest[0].Bundle].Place} and {bundles[newest[other].Bundle].Place} have different images as {tag.Key}, and which is the newer bundle cannot be known: "
                + "put their receipts beside them, or import one after the other, the newest last; nothing was imported");
        }

        bool IsEarlier(int one, int other) => earlier[other].Contains(one) && !earlier[one].Contains(other);
    }
}
