using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>What imported images consist of, found out from their manifests before any of it is visible. For one import, by one task.</summary>
/// <param name="blobs">What was said to belong to them.</param>
/// <param name="read">A manifest's bytes; <see langword="null"/> if it is not there.</param>
/// <param name="isHere">Whether a blob is there.</param>
internal sealed class ImportedParts(IReadOnlySet<Digest> blobs, Func<Digest, CancellationToken, Task<ReadOnlyMemory<byte>?>> read, Func<Digest, bool> isHere)
{
    private readonly Dictionary<Reference, string> _manifests = [];
    private readonly Dictionary<Digest, (Manifest? Content, int Size)> _read = [];
    private readonly Dictionary<Digest, (Digest Subject, ReadOnlyMemory<byte> Bytes)> _referring = [];
    private readonly Dictionary<Reference, List<(string MediaType, ReadOnlyMemory<byte> Bytes)>> _referrers = [];
    private readonly List<Digest> _order = [];          // manifests, those that name others after them
    private readonly HashSet<Digest> _named = [];       // config and layers

    /// <summary>The manifests that repositories are to have, and their media types.</summary>
    public IReadOnlyDictionary<Reference, string> Manifests => _manifests;

    /// <summary>Manifests that others refer to, with those others.</summary>
    public IEnumerable<KeyValuePair<Reference, IReadOnlyList<(string MediaType, ReadOnlyMemory<byte> Bytes)>>> Referrers =>
        _referrers.Select(one => KeyValuePair.Create(one.Key, (IReadOnlyList<(string, ReadOnlyMemory<byte>)>)one.Value));

    /// <summary>All that is needed, in the order in which it may become visible: blobs, then manifests, those that name others last.</summary>
    public IReadOnlyList<Digest> Order => [.. _named.Where(digest => !_read.ContainsKey(digest)), .. _order];

    /// <summary>Adds an image.</summary>
    /// <returns>What is wrong with it; <see langword="null"/> if it is whole.</returns>
    public async Task<Objection?> AddAsync(ImportedImage image, CancellationToken cancel)
    {
        var (missing, _) = await FollowAsync(image.Reference.At(image.Digest), image.MediaType, ImageParts.Depth, cancel);
        return missing is null ? null : new Objection(409, $"{image.Reference} is not whole: {missing}; nothing was imported");
    }

    /// <summary>Bytes of a manifest that was added.</summary>
    public int SizeOf(Digest manifest) => _read[manifest].Size;

    private async Task<(string? Wrong, bool IsWhole)> FollowAsync(Reference manifest, string mediaType, int depth, CancellationToken cancel)
    {
        if (_manifests.ContainsKey(manifest)) return (null, true);   // followed already, or being followed: a manifest cannot contain itself
        var digest = manifest.Digest;
        if (!_read.TryGetValue(digest, out var known))
        {
            if (await read(digest, cancel) is not { } bytes) return ($"the manifest {digest} is missing", false);
            _read.Add(digest, known = (Manifest.TryParse(bytes), bytes.Length));
            if (ReferrerIndex.SubjectOf(bytes) is { } found) _referring.Add(digest, (found, bytes));
        }

        if (known.Content is not { } content) return ($"{digest} should be a manifest and is none", false);
        mediaType = MediaTypes.IsUsable(mediaType) ? mediaType : MediaTypes.IsUsable(content.MediaType) ? content.MediaType : MediaTypes.OciManifest;
        _manifests.Add(manifest, mediaType);
        if (_referring.TryGetValue(digest, out var referring)) ReferrersOf(manifest.At(referring.Subject)).Add((mediaType, referring.Bytes));

        if (content.Blobs.FirstOrDefault(blob => !isHere(blob.Digest)) is { } missing) return ($"it needs {missing.Digest}, which is neither here nor stored", false);
        _named.UnionWith(content.Blobs.Select(blob => blob.Digest));

        var whole = content.Manifests.Count == 0;
        foreach (var child in content.Manifests.Where(child => depth > 0 && blobs.Contains(child.Digest)))
        {
            var (wrong, isWhole) = await FollowAsync(manifest.At(child.Digest), child.MediaType, depth - 1, cancel);
            if (wrong is not null) return (wrong, false);
            whole |= isWhole;
        }

        if (!whole) return ($"the index {digest} comes without any of its images", false);
        if (!_order.Contains(digest)) _order.Add(digest);
        return (null, true);
    }

    private List<(string MediaType, ReadOnlyMemory<byte> Bytes)> ReferrersOf(Reference subject)
    {
        if (!_referrers.TryGetValue(subject, out var known)) _referrers.Add(subject, known = []);
        return known;
    }
}
