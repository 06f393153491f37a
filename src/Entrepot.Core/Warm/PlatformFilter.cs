using Entrepot.Oci;

namespace Entrepot.Warm;

/// <summary>Which of an index's manifests are wanted. Pure.</summary>
internal static class PlatformFilter
{
    /// <summary>The manifests of an index that are wanted, in its order: those of the platforms, and the attestations of those.</summary>
    /// <remarks>What says no platform is wanted in any case, and so is the only platform that there is.</remarks>
    /// <param name="index">The index.</param>
    /// <param name="platforms">The platforms; none for all.</param>
    /// <returns>None if it has other platforms only.</returns>
    public static IReadOnlyList<Descriptor> Keep(Manifest index, IReadOnlyList<Platform> platforms)
    {
        if (platforms.Count == 0) return index.Manifests;

        var images = index.Manifests.Where(child => !child.IsAttestation).ToList();
        var kept = images.Count == 1 ? images : images.FindAll(child => child.Platform is not { } own || platforms.Any(wanted => wanted.Includes(own)));
        var digests = kept.Select(child => child.Digest).ToHashSet();
        return [.. index.Manifests.Where(child => child.AttestationOf is { } subject ? digests.Contains(subject) : digests.Contains(child.Digest))];
    }

    /// <summary>The platforms of an index, as people write them.</summary>
    public static string PlatformsOf(Manifest index) => string.Join(
        ", ", index.Manifests.Where(child => !child.IsAttestation).Select(child => child.Platform).OfType<Platform>().Select(platform => platform.ToString()).Distinct());
}
