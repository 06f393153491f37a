using System.Buffers;
using System.Text.Json;
using Entrepot.Oci;

namespace Entrepot.Bundles;

/// <summary>An image in the <c>manifest.json</c> of a <c>docker save</c> archive.</summary>
/// <param name="Config">The member that is its config.</param>
/// <param name="Tags">Its names, short or full; none if it was saved by its id.</param>
/// <param name="Layers">The members that are its layers, the lowest first.</param>
public sealed record DockerImage(string Config, IReadOnlyList<string> Tags, IReadOnlyList<string> Layers);

/// <summary>How a layer is packed.</summary>
public enum LayerPacking
{
    /// <summary>A plain tar.</summary>
    None,

    /// <summary>Packed by gzip.</summary>
    Gzip,

    /// <summary>Packed by Zstandard.</summary>
    Zstd,
}

/// <summary>Reads archives of <c>docker save</c> in their old form, which have no manifests of a registry, and makes those. Pure.</summary>
public static class DockerSave
{
    private const string ConfigExtension = ".json";

    /// <summary>Reads <c>manifest.json</c>.</summary>
    /// <returns>Its images; <see langword="null"/> if it is none.</returns>
    public static IReadOnlyList<DockerImage>? TryParse(ReadOnlyMemory<byte> content)
    {
        try
        {
            using var document = JsonDocument.Parse(content);
            return [.. document.RootElement.EnumerateArray().Select(image => new DockerImage(
                image.GetProperty("Config").GetString() ?? "", Texts(image, "RepoTags"), Texts(image, "Layers")))];
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return null;
        }
    }

    /// <summary>The digests that a config has of its layers, unpacked.</summary>
    /// <returns><see langword="null"/> if it is no config.</returns>
    public static IReadOnlyList<Digest>? DiffIdsOf(ReadOnlyMemory<byte> config)
    {
        try
        {
            using var document = JsonDocument.Parse(config);
            var ids = document.RootElement.GetProperty("rootfs").GetProperty("diff_ids");
            return ids.ValueKind is JsonValueKind.Null ? [] : [.. ids.EnumerateArray().Select(id => Digest.Parse(id.GetString() ?? ""))];
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            return null;
        }
    }

    /// <summary>The digest that a config's member is named after: docker writes <c>HEX.json</c> or <c>blobs/sha256/HEX</c>, crane <c>sha256:HEX</c>.</summary>
    /// <returns><see langword="null"/> if it is named otherwise.</returns>
    public static Digest? DigestOf(string member)
    {
        var name = member.AsSpan(member.LastIndexOf('/') + 1);
        if (name.EndsWith(ConfigExtension, StringComparison.Ordinal)) name = name[..^ConfigExtension.Length];
        return Digest.TryParse(name, out var digest) || Digest.TryParse($"sha256:{name}", out digest) ? digest : null;
    }

    /// <summary>How a layer is packed, by its first bytes; a plain tar begins with a name.</summary>
    public static LayerPacking PackingOf(ReadOnlySpan<byte> start) =>
        start.StartsWith((ReadOnlySpan<byte>)[0x1f, 0x8b]) ? LayerPacking.Gzip
        : start.StartsWith((ReadOnlySpan<byte>)[0x28, 0xb5, 0x2f, 0xfd]) ? LayerPacking.Zstd
        : LayerPacking.None;

    /// <summary>
    /// The manifest of an image: the same for the same image, and with types that say how each layer is packed. It is Docker's own, like the config, but where a
    /// layer is packed as Docker's types have no name for.
    /// </summary>
    /// <param name="config">The config and its bytes.</param>
    /// <param name="layers">The layers, the lowest first.</param>
    /// <returns>Its bytes and its media type.</returns>
    public static (byte[] Content, string MediaType) ManifestOf((Digest Digest, long Size) config, IReadOnlyList<(Digest Digest, long Size, LayerPacking Packing)> layers)
    {
        var isOci = layers.Any(layer => layer.Packing is LayerPacking.Zstd);
        var mediaType = isOci ? MediaTypes.OciManifest : MediaTypes.DockerManifest;
        var content = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(content))
        {
            writer.WriteStartObject();
            writer.WriteNumber("schemaVersion", 2);
            writer.WriteString("mediaType", mediaType);
            writer.WritePropertyName("config");
            Write(writer, isOci ? MediaTypes.OciConfig : MediaTypes.DockerConfig, config.Digest, config.Size);
            writer.WriteStartArray("layers");
            foreach (var (digest, size, packing) in layers) Write(writer, TypeOf(packing, isOci), digest, size);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        return (content.WrittenSpan.ToArray(), mediaType);
    }

    private static string TypeOf(LayerPacking packing, bool isOci) => (packing, isOci) switch
    {
        (LayerPacking.None, false) => "application/vnd.docker.image.rootfs.diff.tar",
        (LayerPacking.Gzip, false) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        (LayerPacking.None, true) => "application/vnd.oci.image.layer.v1.tar",
        (LayerPacking.Gzip, true) => "application/vnd.oci.image.layer.v1.tar+gzip",
        _ => "application/vnd.oci.image.layer.v1.tar+zstd",
    };

    private static void Write(Utf8JsonWriter writer, string mediaType, Digest digest, long size)
    {
        writer.WriteStartObject();
        writer.WriteString("mediaType", mediaType);
        writer.WriteNumber("size", size);
        writer.WriteString("digest", digest.ToString());
        writer.WriteEndObject();
    }

    private static List<string> Texts(JsonElement image, string name) =>
        image.TryGetProperty(name, out var texts) && texts.ValueKind is JsonValueKind.Array ? [.. texts.EnumerateArray().Select(text => text.GetString() ?? "")] : [];
}
