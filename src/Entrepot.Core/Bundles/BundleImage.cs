using Entrepot.Oci;

namespace Entrepot.Bundles;

/// <summary>An image of a bundle: a name and what it means. An immutable value.</summary>
/// <param name="Reference">The name, by tag or by digest.</param>
/// <param name="Digest">Its manifest.</param>
/// <param name="MediaType">That manifest's media type.</param>
/// <param name="Size">Bytes of that manifest.</param>
/// <param name="Platforms">
/// The platforms of an index that the bundle has, such as <c>linux/amd64</c>, in ordinal order; empty for all else.
/// </param>
/// <param name="ArtifactType">What it is, if it is no image: <see cref="Manifest.ArtifactType"/>.</param>
public sealed record BundleImage(Reference Reference, Digest Digest, string MediaType, long Size, IReadOnlyList<string> Platforms, string? ArtifactType = null);

/// <summary>Some bytes that a bundle has or counts on.</summary>
/// <param name="Digest">Their name.</param>
/// <param name="Size">How many they are.</param>
public readonly record struct BundleBlob(Digest Digest, long Size);

/// <summary>Which part of a bundle a file is.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Count">How many there are: at most <see cref="BundleNames.MaxParts"/>.</param>
public readonly record struct BundlePart(int Number, int Count);

/// <summary>A file of a bundle, as its receipt has it.</summary>
/// <param name="Name">The file's name, without a directory.</param>
/// <param name="Size">Its bytes.</param>
/// <param name="Digest">Their digest.</param>
public sealed record BundleFile(string Name, long Size, Digest Digest);
