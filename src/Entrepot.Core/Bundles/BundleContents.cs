using System.Text.Json;
using Entrepot.Oci;

namespace Entrepot.Bundles;

/// <summary>What a bundle has: the document <c>entrepot.json</c> in each of its files. Immutable.</summary>
/// <remarks>
/// The same content gives the same bytes: images are in the order of their references, what is left out and <see cref="Since"/> in that of their digests, each once, and
/// nothing tells of a time or a machine. What is neither among the blobs nor the base is not missed by anybody: other platforms of an index, for instance.
/// </remarks>
/// <param name="Images">All images that the bundle is about, also those whose blobs a delta leaves out.</param>
/// <param name="Blobs">What is in this bundle, in the order in which it stands there.</param>
/// <param name="Base">What the images need and this bundle leaves out, since the far side has it.</param>
/// <param name="Since">The documents that told what the far side has, by digest.</param>
/// <param name="Part">Which part this file is; <see langword="null"/> if it is all there is.</param>
public sealed record BundleContents(
    IReadOnlyList<BundleImage> Images, IReadOnlyList<BundleBlob> Blobs, IReadOnlyList<BundleBlob> Base, IReadOnlyList<Digest> Since, BundlePart? Part = null)
{
    /// <summary>The version of the format that is written and read.</summary>
    public const int Version = 1;

    /// <summary>Most bytes of the document.</summary>
    public const int MaxBytes = 128 << 20;

    /// <summary>Most images of a bundle.</summary>
    public const int MaxImages = 100_000;

    /// <summary>Most blobs of a bundle, and of its base.</summary>
    public const int MaxBlobs = 500_000;

    /// <summary>Most documents of <see cref="Since"/>.</summary>
    public const int MaxSince = 1_000;

    /// <summary>The bundle's name: the digest of the document without <see cref="Part"/>, so that all its parts have the same.</summary>
    public Digest Id() => Digest.Of((this with { Part = null }).ToJson());

    /// <summary>The document.</summary>
    public byte[] ToJson() => BundleJson.Write(writer =>
    {
        writer.WriteNumber("version", Version);
        BundleJson.Write(writer, "images", Images);
        BundleJson.Write(writer, "blobs", Blobs);
        BundleJson.Write(writer, "base", Base);
        BundleJson.Write(writer, "since", Since);
        if (Part is not { } part) return;
        writer.WriteStartObject("part");
        writer.WriteNumber("number", part.Number);
        writer.WriteNumber("count", part.Count);
        writer.WriteEndObject();
    });

    /// <summary>The bytes of <c>index.json</c>: an OCI image index of all images, each under its full name.</summary>
    public byte[] ToIndex() => BundleJson.Write(writer =>
    {
        writer.WriteNumber("schemaVersion", 2);
        writer.WriteString("mediaType", MediaTypes.OciIndex);
        writer.WriteStartArray("manifests");
        foreach (var image in Images)
        {
            writer.WriteStartObject();
            writer.WriteString("mediaType", image.MediaType);
            writer.WriteString("digest", image.Digest.ToString());
            writer.WriteNumber("size", image.Size);
            if (image.ArtifactType is { } artifactType) writer.WriteString("artifactType", artifactType);
            writer.WriteStartObject("annotations");
            writer.WriteString("org.opencontainers.image.ref.name", image.Reference.ToString());
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    });

    /// <summary>Reads the document.</summary>
    /// <param name="json">Its bytes.</param>
    /// <param name="problems">Everything that is wrong with it, each with where it stands; empty if nothing is.</param>
    /// <returns>What it says; <see langword="null"/> if anything is wrong.</returns>
    public static BundleContents? Read(ReadOnlyMemory<byte> json, out IReadOnlyList<string> problems)
    {
        var reading = new StrictJson();
        problems = reading.Problems;
        using var document = reading.Open(json, MaxBytes);
        if (document is null) return null;

        var root = document.RootElement;
        if (!BundleJson.IsReadable(reading, root)) return null;
        reading.OnlyHas(root, "", "version", "images", "blobs", "base", "since", "part");
        var contents = BundleJson.Contents(reading, root) with { Part = PartOf(reading, root) };
        return reading.Problems.Count == 0 ? contents : null;
    }

    private static BundlePart? PartOf(StrictJson reading, JsonElement root)
    {
        if (!root.TryGetProperty("part", out var part) || !reading.IsObject(part, "part")) return null;
        reading.OnlyHas(part, "part.", "number", "count");
        var count = (int)reading.Number(part, "count", "part.", 1, BundleNames.MaxParts);
        return new BundlePart((int)reading.Number(part, "number", "part.", 1, Math.Max(1, count)), count);
    }
}
