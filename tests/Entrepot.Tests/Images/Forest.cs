using CsCheck;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Images;

/// <summary>Images that share manifests and blobs as it happens: indexes over images over blobs, of which some are not stored.</summary>
internal sealed class Forest
{
    public static readonly Digest[] Blobs = Make("blob", 6), Plain = Make("image", 5), Indexes = Make("index", 3);

    private readonly Dictionary<Digest, Manifest> _manifests = [];

    /// <summary>What each plain image and each index names: a bit for each blob or image.</summary>
    public static Gen<Forest> Any { get; } =
        Gen.Select(Gen.Int[0, 63].Array[Plain.Length], Gen.Int[0, 31].Array[Indexes.Length], Gen.Int[0, 0x3FFF]).Select((images, indexes, stored) =>
        {
            var forest = new Forest { Stored = [.. Blobs.Concat(Plain).Concat(Indexes).Where((_, i) => (stored >> i & 1) == 1)] };
            for (var i = 0; i < Plain.Length; i++) forest._manifests[Plain[i]] = new Manifest(MediaTypes.OciManifest, Pick(Blobs, images[i]), []);
            for (var i = 0; i < Indexes.Length; i++) forest._manifests[Indexes[i]] = new Manifest(MediaTypes.OciIndex, [], Pick(Plain, indexes[i]));
            return forest;
        });

    public required HashSet<Digest> Stored { get; init; }

    public Manifest? Find(Digest digest) => Stored.Contains(digest) ? _manifests.GetValueOrDefault(digest) : null;

    public ImageParts PartsOf(Digest root) => ImageParts.Of(root, Find);

    /// <summary>All that can be reached from a manifest, told in the simplest words.</summary>
    public HashSet<Digest> Reach(Digest root)
    {
        HashSet<Digest> reached = [root];
        foreach (var child in Find(root)?.Manifests ?? []) reached.UnionWith(Reach(child.Digest));
        reached.UnionWith(Find(root)?.Blobs.Select(blob => blob.Digest) ?? []);
        return reached;
    }

    private static Descriptor[] Pick(Digest[] from, int bits) =>
        [.. from.Where((_, i) => (bits >> i & 1) == 1).Select(digest => new Descriptor(digest, "", 10))];

    private static Digest[] Make(string kind, int count) =>
        [.. Enumerable.Range(0, count).Select(i => Digest.Of(System.Text.Encoding.UTF8.GetBytes($"{kind} {i}")))];
}
