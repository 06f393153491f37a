using Entrepot.Oci;

namespace Entrepot.Warm;

/// <summary>An image that is to be in the store before anybody pulls it. Immutable.</summary>
/// <param name="Reference">The image, by tag or by digest.</param>
/// <param name="Platforms">The platforms that are wanted of an image with several; none for all.</param>
public sealed record WarmImage(Reference Reference, IReadOnlyList<Platform> Platforms)
{
    /// <summary>Each image once, in the order in which it first comes, with the platforms of all times that it comes. Pure.</summary>
    public static IReadOnlyList<WarmImage> Merge(IEnumerable<WarmImage> images) =>
    [
        .. images.GroupBy(image => image.Reference).Select(same => new WarmImage(
            same.Key, same.Any(image => image.Platforms.Count == 0) ? [] : [.. same.SelectMany(image => image.Platforms).Distinct()])),
    ];
}

/// <summary>How images are warmed. Immutable.</summary>
public sealed record WarmRules
{
    /// <summary>Most blobs that are fetched at once, and most images that are worked on at once.</summary>
    public const int MostParallel = 64;

    /// <summary>Most blobs that are fetched at once, and most images that are worked on at once.</summary>
    /// <value>1 to <see cref="MostParallel"/>. Default 4: as many as an engine or two would, so that clients have their part of the upstream.</value>
    public int Parallel { get; init; } = 4;

    /// <summary>Whether images that are whole then are pinned, and what belongs to them.</summary>
    public bool Pin { get; init; }

    /// <summary>Whether what refers to an image comes along: signatures, SBOMs, attestations.</summary>
    public bool WithReferrers { get; init; } = true;

    /// <summary>Whether a tag that is known, and whose manifest is stored, means what it is known to mean without its upstream being asked.</summary>
    public bool MissingOnly { get; init; }

    /// <summary>Whether it is only found out what would be fetched. Manifests that are not stored have to be asked for all the same; nothing is kept.</summary>
    public bool DryRun { get; init; }
}

/// <summary>How the warming of an image ended.</summary>
public enum WarmStatus
{
    /// <summary>It is whole, and something of it was fetched.</summary>
    Fetched,

    /// <summary>It is whole, and was before.</summary>
    Unchanged,

    /// <summary>Nothing was fetched of what would have been: this was a dry run.</summary>
    Planned,

    /// <summary>It is not whole, or not pinned though it should be.</summary>
    Failed,
}

/// <summary>What came of the warming of an image. Immutable.</summary>
/// <param name="Reference">The image, as it was asked for.</param>
/// <param name="Status">How it ended.</param>
public sealed record WarmedImage(Reference Reference, WarmStatus Status)
{
    /// <summary>Its manifest; <see langword="null"/> if that did not become known.</summary>
    public Digest? Digest { get; init; }

    /// <summary>Bytes of what was fetched, or would be, manifests included.</summary>
    public long Bytes { get; init; }

    /// <summary>Bytes of all that was wanted of it, stored before or not.</summary>
    public long Size { get; init; }

    /// <summary>Requests that a registry with a rate limit counts, which it took or would take: GETs of manifests.</summary>
    public int Requests { get; init; }

    /// <summary>Why it failed, one line; <see langword="null"/> if it did not.</summary>
    public string? Error { get; init; }
}
