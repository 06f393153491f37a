using Entrepot.Oci;

namespace Entrepot.Bundles;

/// <summary>What of some images is stored, and could go into a bundle. Immutable.</summary>
/// <param name="Images">The images that are all there, and what refers to them, each reference once, in no order.</param>
/// <param name="Blobs">All that they need, each once.</param>
/// <param name="Manifests">Which of those are manifests.</param>
/// <param name="Missing">What of the images that were asked for is not there; empty if nothing is missing.</param>
public sealed record BundleStock(
    IReadOnlyList<BundleImage> Images, IReadOnlyList<BundleBlob> Blobs, IReadOnlySet<Digest> Manifests, IReadOnlyList<BundleLack> Missing)
{
    /// <summary>Images that are all there, and of which nobody knows what refers to them, though an upstream can be asked; empty if that is not wanted.</summary>
    public IReadOnlyList<Reference> Unasked { get; init; } = [];
}

/// <summary>Why an image is not all there.</summary>
/// <param name="Reference">The image, as it was asked for.</param>
/// <param name="What">What is missing of it: the end of a sentence.</param>
/// <param name="IsOffline">Whether nobody can be asked for it: it is a pattern, or its upstream is never asked.</param>
public sealed record BundleLack(string Reference, string What, bool IsOffline);
