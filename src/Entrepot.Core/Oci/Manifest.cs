using System.Text.Json;

namespace Entrepot.Oci;

/// <summary>What points to some bytes: their digest, size and type (OCI image specification, "Content Descriptors").</summary>
/// <param name="Digest">The bytes' name.</param>
/// <param name="MediaType">Their type; empty if it is not given.</param>
/// <param name="Size">How many they are; 0 if it is not given.</param>
public sealed record Descriptor(Digest Digest, string MediaType, long Size)
{
    private const string SubjectAnnotation = "vnd.docker.reference.digest";

    /// <summary>The platform that the image runs on; <see langword="null"/> if it is not given.</summary>
    public Platform? Platform { get; private init; }

    /// <summary>Of an attestation that an index has beside its images: the image that it is about. Otherwise <see langword="null"/>.</summary>
    public Digest? AttestationOf { get; private init; }

    /// <summary>Whether it is an attestation beside the images of an index, which no machine runs.</summary>
    public bool IsAttestation => AttestationOf is not null || Platform == Oci.Platform.Unknown;

    /// <summary>The same, with what an index says of it.</summary>
    internal Descriptor With(JsonElement element)
    {
        var subject = element.TryGetProperty("annotations", out var annotations) && annotations.ValueKind is JsonValueKind.Object
            && annotations.TryGetProperty(SubjectAnnotation, out var named) && named.ValueKind is JsonValueKind.String && Digest.TryParse(named.GetString(), out var digest)
                ? digest
                : default(Digest?);
        return this with { Platform = Oci.Platform.Of(element), AttestationOf = subject };
    }
}

/// <summary>The parts of a manifest that a cache understands. Immutable.</summary>
/// <remarks>Unknown manifests are served all the same: what is not understood is only not followed.</remarks>
/// <param name="MediaType">The <c>mediaType</c> field, or what the other fields show it to be.</param>
/// <param name="Blobs">Config and layers: what an engine fetches as blobs to have this image.</param>
/// <param name="Manifests">An index's manifests, of which an engine fetches those for its platform.</param>
public sealed record Manifest(string MediaType, IReadOnlyList<Descriptor> Blobs, IReadOnlyList<Descriptor> Manifests)
{
    /// <summary>Most descriptors of a manifest that are followed. Images have some dozen layers, and indexes some dozen platforms; one with more than this is served
    /// like any other, and leads nowhere.</summary>
    public const int MostDescriptors = 10_000;

    /// <summary>Whether engines run it: at least one layer is a file system's. Of anything else (signatures, charts) a client may want no blob, or only some.</summary>
    public bool IsImage { get; private init; }

    /// <summary>The manifest that it refers to: of a signature, what is signed; <see langword="null"/> if it refers to none.</summary>
    public Digest? Subject { get; private init; }

    /// <summary>What a descriptor of it says that it is, if it is no image: its own artifact type, or its config's media type; <see langword="null"/> for images.</summary>
    public string? ArtifactType { get; private init; }

    /// <summary>Reads a manifest.</summary>
    /// <returns><see langword="null"/> if it is not a JSON object, so that no registry would call it a manifest.</returns>
    public static Manifest? TryParse(ReadOnlyMemory<byte> content)
    {
        try
        {
            using var document = JsonDocument.Parse(content);
            var root = document.RootElement;
            return root.ValueKind is JsonValueKind.Object ? Read(root) : null;
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)   // InvalidOperation: a string that is not text
        {
            return null;
        }
    }

    private static Manifest Read(JsonElement root)
    {
        var isIndex = root.TryGetProperty("manifests", out var children);
        var declared = Text(root, "mediaType");
        var mediaType = declared.Length > 0 ? declared : isIndex ? MediaTypes.OciIndex : MediaTypes.OciManifest;
        root.TryGetProperty("layers", out var layers);
        if ((long)CountOf(children) + CountOf(layers) > MostDescriptors) return new Manifest(mediaType, [], []);

        var manifests = new List<Descriptor>();
        if (isIndex && children.ValueKind is JsonValueKind.Array)
            foreach (var child in children.EnumerateArray()) Add(manifests, child);

        var blobs = new List<Descriptor>();
        var isImage = false;
        if (root.TryGetProperty("config", out var config)) Add(blobs, config);
        if (layers.ValueKind is JsonValueKind.Array)
        {
            foreach (var layer in layers.EnumerateArray())
            {
                Add(blobs, layer);
                isImage |= layer.ValueKind is JsonValueKind.Object && MediaTypes.IsImageLayer(Text(layer, "mediaType"));
            }
        }

        return new Manifest(mediaType, blobs, manifests) { IsImage = isImage, Subject = SubjectOf(root), ArtifactType = ArtifactTypeOf(root, config) };
    }

    private static Digest? SubjectOf(JsonElement root) =>
        root.TryGetProperty("subject", out var subject) && subject.ValueKind is JsonValueKind.Object && Digest.TryParse(Text(subject, "digest"), out var digest)
            ? digest
            : null;

    private static string? ArtifactTypeOf(JsonElement root, JsonElement config)
    {
        var type = Text(root, "artifactType");
        if (type.Length == 0 && config.ValueKind is JsonValueKind.Object) type = Text(config, "mediaType");
        return MediaTypes.IsUsable(type) && type is not (MediaTypes.OciConfig or MediaTypes.DockerConfig) ? type : null;
    }

    private static int CountOf(JsonElement list) => list.ValueKind is JsonValueKind.Array ? list.GetArrayLength() : 0;

    // Layers with addresses of their own ("foreign" layers) are fetched from there, not from a registry.
    private static void Add(List<Descriptor> descriptors, JsonElement element)
    {
        if (element.ValueKind is not JsonValueKind.Object || element.TryGetProperty("urls", out _)) return;
        if (!Digest.TryParse(Text(element, "digest"), out var digest)) return;
        var size = element.TryGetProperty("size", out var number) && number.ValueKind is JsonValueKind.Number && number.TryGetInt64(out var bytes) ? bytes : 0;
        descriptors.Add(new Descriptor(digest, Text(element, "mediaType"), size).With(element));
    }

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String ? value.GetString() ?? "" : "";
}
