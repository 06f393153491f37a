using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>An image that is cached: what a tag points to, or a manifest by digest that no other image of its repository contains.</summary>
/// <param name="Reference">Its manifest, by digest.</param>
/// <param name="Tags">Tags that point to it, in ordinal order.</param>
/// <param name="MediaType">Its manifest's media type; empty if that is not known.</param>
/// <param name="Size">Bytes of its blobs that are stored, manifests included.</param>
/// <param name="IsComplete">Whether all is stored that at least one platform needs.</param>
/// <param name="IsPinned">Whether it is pinned, by its digest or by one of its tags, or kept by a set.</param>
/// <param name="LastUse">When its manifest was last used; <see langword="null"/> if it is not stored.</param>
/// <param name="Blobs">Its blobs that are stored, manifests included.</param>
public sealed record CachedImage(
    Reference Reference, IReadOnlyList<string> Tags, string MediaType, long Size, bool IsComplete, bool IsPinned, DateTimeOffset? LastUse,
    IReadOnlyList<Digest> Blobs)
{
    /// <summary>The sets that keep it, in ordinal order.</summary>
    public IReadOnlyList<string> Sets { get; init; } = [];

    /// <summary>What it consists of.</summary>
    internal ImageParts Parts { get; init; } = null!;   // set by who finds it

    /// <summary>Its tags, as references.</summary>
    internal IEnumerable<Reference> TagReferences
    {
        get
        {
            var (upstream, repository) = (Reference.Upstream, Reference.Repository);
            return Tags.Select(tag => new Reference(upstream, repository, tag));
        }
    }

    /// <summary>By which of its names a pattern means it: its tags if it has any, else its digest, unless digests are what is meant.</summary>
    internal IReadOnlyList<Reference> NamesIn(ReferencePattern pattern)
    {
        var tags = TagReferences.Where(pattern.Matches).ToList();
        return tags.Count > 0 ? tags : pattern.Matches(Reference) ? [Reference] : [];
    }
}

/// <summary>What became of an image.</summary>
public enum ImageFate
{
    /// <summary>It is never evicted.</summary>
    Pinned,

    /// <summary>It may be evicted again.</summary>
    Unpinned,

    /// <summary>It is not cached any more.</summary>
    Removed,

    /// <summary>Its tag means what it did.</summary>
    Unchanged,

    /// <summary>Its tag means something else, or something at all.</summary>
    Moved,

    /// <summary>Its upstream has no such tag.</summary>
    Gone,

    /// <summary>Nothing could be found out.</summary>
    Failed,
}

/// <summary>What an administrator's request did to an image.</summary>
/// <param name="Reference">The image, as it was meant: by tag or by digest.</param>
/// <param name="Fate">What became of it.</param>
public sealed record ImageChange(Reference Reference, ImageFate Fate)
{
    /// <summary>Its manifest now.</summary>
    public Digest? Digest { get; init; }

    /// <summary>Its manifest before.</summary>
    public Digest? Previous { get; init; }

    /// <summary>Bytes on disk that this is about; <see langword="null"/> if it is about none.</summary>
    public long? Bytes { get; init; }

    /// <summary>Why it failed.</summary>
    public string? Error { get; init; }
}
