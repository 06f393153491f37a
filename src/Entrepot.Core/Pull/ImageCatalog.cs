using System.Runtime.CompilerServices;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Finds out which images are cached. Holds nothing, so pulls go on beside it; what changes meanwhile may be seen or not. Safe for concurrent use.</summary>
internal sealed class ImageCatalog(IBlobStore store, ICacheIndex index, Pins pins)
{
    private readonly StoredManifests _manifests = new(store);

    /// <summary>
    /// The images of some repositories, by upstream, repository, first tag and digest in ordinal order. Names are read before this returns, and manifests a
    /// repository at a time, as images are asked for: what it holds is the names, and the manifests of one repository.
    /// </summary>
    /// <param name="isMeant">Which repositories: those of which it says so of one reference.</param>
    /// <param name="mustRead">Whether a manifest that the disk refuses is a failure, rather than one that is not stored.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="IOException">The disk refuses.</exception>
    public IAsyncEnumerable<CachedImage> List(Func<Reference, bool> isMeant, bool mustRead, CancellationToken cancel)
    {
        var meant = new HashSet<(string, string)>();
        var repositories = new Dictionary<(string Upstream, string Repository), Known>();
        foreach (var reference in index.References())
        {
            cancel.ThrowIfCancellationRequested();
            var of = (reference.Upstream, reference.Repository);
            if (!meant.Contains(of) && isMeant(reference)) meant.Add(of);
            if (!repositories.TryGetValue(of, out var known)) repositories.Add(of, known = new Known());
            if (!reference.IsTag) known.Manifests.Add(reference.Digest);
            else if (index.FindTag(reference) is { } tag) known.Add(reference.Tag, tag);
        }

        var ordered = repositories.Where(one => meant.Contains(one.Key))
            .OrderBy(one => one.Key.Upstream, StringComparer.Ordinal).ThenBy(one => one.Key.Repository, StringComparer.Ordinal)
            .Select(one => (one.Key.Upstream, one.Key.Repository, one.Value)).ToList();
        return ReadAsync(ordered, mustRead, cancel);
    }

    private async IAsyncEnumerable<CachedImage> ReadAsync(
        IEnumerable<(string Upstream, string Repository, Known Known)> repositories, bool mustRead, [EnumeratorCancellation] CancellationToken cancel)
    {
        foreach (var (upstream, repository, known) in repositories)
        {
            var images = await ReadAsync(upstream, repository, known, mustRead, cancel);
            foreach (var image in images.OrderBy(image => image.Tags is [var first, ..] ? first : "", StringComparer.Ordinal)
                .ThenBy(image => image.Reference.Digest.ToString(), StringComparer.Ordinal))
                yield return image;
        }
    }

    private async Task<IEnumerable<CachedImage>> ReadAsync(string upstream, string repository, Known known, bool mustRead, CancellationToken cancel)
    {
        var parts = new List<ImageParts>();
        var read = new Dictionary<Digest, Manifest?>();
        foreach (var root in known.Tags.Keys.Union(known.Manifests)) parts.Add(await _manifests.PartsAsync(root, read, mustRead, cancel));

        // What was evicted is still known by its digest; only a tag is worth telling without its manifest.
        var contained = parts.SelectMany(image => image.Children).ToHashSet();
        return parts.Where(image => known.Tags.ContainsKey(image.Root) || (!contained.Contains(image.Root) && store.Contains(image.Root)))
            .Select(image => Describe(new Reference(upstream, repository, image.Root), known.Tags.GetValueOrDefault(image.Root), image));
    }

    private CachedImage Describe(Reference reference, (TagRecord Record, SortedSet<string> Names)? tags, ImageParts parts)
    {
        var stored = parts.Sizes.Where(blob => store.Contains(blob.Key)).ToDictionary(blob => blob.Key, blob => index.FindBlob(blob.Key)?.Size ?? blob.Value);
        var image = new CachedImage(
            reference,
            [.. tags?.Names ?? []],
            index.FindMediaType(reference.Digest) ?? tags?.Record.MediaType ?? "",
            stored.Values.Sum(),
            parts.IsComplete(stored.ContainsKey),
            IsPinned: false,
            index.FindBlob(reference.Digest)?.LastAccess,
            [.. stored.Keys])
        {
            Parts = parts,
        };
        var names = image.TagReferences.Where(pins.Has).Union(pins.Of(reference)).ToList();
        return image with { IsPinned = names.Count > 0, Sets = [.. names.SelectMany(pins.SetsOf).Distinct().Order(StringComparer.Ordinal)] };
    }

    // What is known of a repository.
    private sealed class Known
    {
        public Dictionary<Digest, (TagRecord Record, SortedSet<string> Names)?> Tags { get; } = [];

        public HashSet<Digest> Manifests { get; } = [];

        public void Add(string tag, TagRecord record)
        {
            if (Tags.GetValueOrDefault(record.Digest) is { } known) known.Names.Add(tag);
            else Tags.Add(record.Digest, (record, new SortedSet<string>(StringComparer.Ordinal) { tag }));
        }
    }
}
