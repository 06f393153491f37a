using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>What an image consists of, as far as its stored manifests tell. Immutable.</summary>
internal sealed class ImageParts
{
    /// <summary>How deep manifests are followed: an index, its images, their layers. An index of indexes of indexes is not an image.</summary>
    public const int Depth = 2;

    /// <summary>Most parts that are followed: some hundred platforms of as many layers. A manifest that would bring more is taken for one that is not stored.</summary>
    public const int Most = 50_000;

    private readonly Dictionary<Digest, long> _sizes = [];
    private readonly HashSet<Digest> _children = [];
    private readonly List<Digest> _manifests = [];
    private readonly List<(Digest Manifest, IReadOnlyList<Descriptor> Blobs)> _platforms = [];
    private readonly Dictionary<Digest, Digest> _parents = [];
    private readonly HashSet<Digest> _attestations = [];
    private bool _hasImages;

    private ImageParts(Digest root) => (Root, _sizes[root]) = (root, 0);

    /// <summary>The manifest that the image is named by.</summary>
    public Digest Root { get; }

    /// <summary>All that belongs to it, stored or not, the root first: bytes as manifests say them, 0 for those that nobody says.</summary>
    public IReadOnlyDictionary<Digest, long> Sizes => _sizes;

    /// <summary>Of those, the manifests that other manifests of it name.</summary>
    public IReadOnlySet<Digest> Children => _children;

    /// <summary>Of those, the manifests that are stored and understood.</summary>
    public IReadOnlyList<Digest> Manifests => _manifests;

    /// <summary>Finds out what an image consists of. Pure.</summary>
    /// <param name="root">The manifest that it is named by.</param>
    /// <param name="find">A stored manifest; <see langword="null"/> if it is not stored, or not understood.</param>
    public static ImageParts Of(Digest root, Func<Digest, Manifest?> find)
    {
        var parts = new ImageParts(root);
        parts.Follow(root, Depth, find);
        return parts;
    }

    /// <summary>Whether at least one platform's manifests, config and layers are all there; of a plain image, everything. Attestations are of no platform.</summary>
    public bool IsComplete(Func<Digest, bool> isStored)
    {
        if (_manifests.Count == 0) return isStored(Root);   // a manifest that is not understood is all there is

        // What is told beside the images does not make one; where there is nothing else, it is what there is.
        return _platforms.Exists(platform => !(_hasImages && _attestations.Contains(platform.Manifest)) && Path(platform.Manifest).All(isStored) && platform.Blobs.All(blob => isStored(blob.Digest)));
    }

    private IEnumerable<Digest> Path(Digest manifest)
    {
        yield return manifest;
        while (_parents.TryGetValue(manifest, out manifest)) yield return manifest;
    }

    private void Follow(Digest digest, int depth, Func<Digest, Manifest?> find)
    {
        if (find(digest) is not { } manifest || _sizes.Count + manifest.Blobs.Count + manifest.Manifests.Count > Most) return;

        _manifests.Add(digest);
        foreach (var blob in manifest.Blobs) _sizes.TryAdd(blob.Digest, blob.Size);
        if (manifest.Manifests.Count == 0) _platforms.Add((digest, manifest.Blobs));
        if (depth == 0) return;

        foreach (var child in manifest.Manifests)
        {
            _sizes.TryAdd(child.Digest, child.Size);
            if (child.IsAttestation) _attestations.Add(child.Digest);
            else _hasImages = true;
            if (!_children.Add(child.Digest)) continue;
            _parents[child.Digest] = digest;
            Follow(child.Digest, depth - 1, find);
        }
    }
}
