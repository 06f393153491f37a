using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Entrepot.Oci;

namespace Entrepot.Bundles;

/// <summary>What contents and receipts have in common as JSON. Pure.</summary>
internal static class BundleJson
{
    private const int MaxPlatforms = 200;
    private const int MaxPlatformLength = 128;

    // Media types have a plus, which need not be an escape: nobody puts these documents into a page.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A document: one object, and a line's end.</summary>
    public static byte[] Write(Action<Utf8JsonWriter> members)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes, Options))
        {
            writer.WriteStartObject();
            members(writer);
            writer.WriteEndObject();
        }

        bytes.Write("\n"u8);
        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>A list of images.</summary>
    public static void Write(Utf8JsonWriter writer, string name, IReadOnlyList<BundleImage> images)
    {
        writer.WriteStartArray(name);
        foreach (var image in images)
        {
            writer.WriteStartObject();
            writer.WriteString("reference", image.Reference.ToString());
            writer.WriteString("digest", image.Digest.ToString());
            writer.WriteString("mediaType", image.MediaType);
            writer.WriteNumber("size", image.Size);
            writer.WriteStartArray("platforms");
            foreach (var platform in image.Platforms) writer.WriteStringValue(platform);
            writer.WriteEndArray();
            if (image.ArtifactType is { } artifactType) writer.WriteString("artifactType", artifactType);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    /// <summary>A list of blobs.</summary>
    public static void Write(Utf8JsonWriter writer, string name, IReadOnlyList<BundleBlob> blobs)
    {
        writer.WriteStartArray(name);
        foreach (var blob in blobs)
        {
            writer.WriteStartObject();
            writer.WriteString("digest", blob.Digest.ToString());
            writer.WriteNumber("size", blob.Size);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    /// <summary>A list of digests.</summary>
    public static void Write(Utf8JsonWriter writer, string name, IReadOnlyList<Digest> digests)
    {
        writer.WriteStartArray(name);
        foreach (var digest in digests) writer.WriteStringValue(digest.ToString());
        writer.WriteEndArray();
    }

    /// <summary>Whether a document is of the version that is read. Of any other, nothing else is worth saying.</summary>
    public static bool IsReadable(StrictJson reading, JsonElement root)
    {
        var version = reading.Number(root, "version", "", 1, int.MaxValue);
        if (version is not (0 or BundleContents.Version))
            reading.Add("version", $"{version} is newer than this program, which reads {BundleContents.Version}");
        return version == BundleContents.Version;
    }

    /// <summary>What both documents list, checked for what the format promises.</summary>
    public static BundleContents Contents(StrictJson reading, JsonElement root)
    {
        var contents = new BundleContents(
            reading.List(root, "images", "", BundleContents.MaxImages, (element, path) => Image(reading, element, path)),
            reading.List(root, "blobs", "", BundleContents.MaxBlobs, (element, path) => Blob(reading, element, path)),
            reading.List(root, "base", "", BundleContents.MaxBlobs, (element, path) => Blob(reading, element, path)),
            reading.List(root, "since", "", BundleContents.MaxSince, (element, path) => One(reading, element, path)));
        if (reading.Problems.Count == 0) Check(reading, contents);
        return contents;
    }

    private static void Check(StrictJson reading, BundleContents contents)
    {
        Ordered(reading, "images", contents.Images, image => image.Reference.ToString());
        Ordered(reading, "base", contents.Base, blob => blob.Digest.ToString());
        Ordered(reading, "since", contents.Since, digest => digest.ToString());
        var known = new HashSet<Digest>();
        foreach (var blob in contents.Blobs)
            if (!known.Add(blob.Digest)) reading.Add("blobs", $"{blob.Digest} is there twice");
        foreach (var blob in contents.Base)
            if (!known.Add(blob.Digest)) reading.Add("base", $"{blob.Digest} is among the blobs as well");
        foreach (var image in contents.Images)
        {
            if (!known.Contains(image.Digest)) reading.Add("images", $"the manifest of {image.Reference} is neither among the blobs nor the base");
            if (!image.Reference.IsTag && image.Reference.Digest != image.Digest) reading.Add("images", $"{image.Reference} cannot mean {image.Digest}");
        }
    }

    // The order is part of the format: the same content has one form.
    private static void Ordered<T>(StrictJson reading, string name, IReadOnlyList<T> list, Func<T, string> key)
    {
        for (var i = 1; i < list.Count; i++)
            if (string.CompareOrdinal(key(list[i - 1]), key(list[i])) >= 0) reading.Add($"{name}[{i}]", $"{key(list[i])} is out of order, or there twice");
    }

    private static BundleImage Image(StrictJson reading, JsonElement element, string path)
    {
        if (!reading.IsObject(element, path)) return new BundleImage(default, default, "", 0, []);
        path += '.';
        reading.OnlyHas(element, path, "reference", "digest", "mediaType", "size", "platforms", "artifactType");
        var text = reading.Text(element, "reference", path, text => Reference.TryParse(text, out _), "a reference in full, such as docker.io/library/alpine:3.20,");
        _ = Reference.TryParse(text, out var reference);
        return new BundleImage(
            reference,
            reading.Name(element, "digest", path),
            reading.Text(element, "mediaType", path, MediaTypes.IsUsable, "a media type"),
            reading.Number(element, "size", path, 0, StrictJson.MaxBlobBytes),
            reading.List(element, "platforms", path, MaxPlatforms, (platform, at) => Platform(reading, platform, at)),
            element.TryGetProperty("artifactType", out _) ? reading.Text(element, "artifactType", path, MediaTypes.IsUsable, "a media type") : null);
    }

    private static string Platform(StrictJson reading, JsonElement element, string path)
    {
        if (StrictJson.TextOf(element) is { Length: > 0 and <= MaxPlatformLength } text && !text.AsSpan().ContainsAnyExceptInRange('!', '~')) return text;
        reading.Add(path, $"is not a platform of at most {MaxPlatformLength} printable characters, such as linux/amd64");
        return "";
    }

    private static BundleBlob Blob(StrictJson reading, JsonElement element, string path)
    {
        if (!reading.IsObject(element, path)) return default;
        path += '.';
        reading.OnlyHas(element, path, "digest", "size");
        return new BundleBlob(reading.Name(element, "digest", path), reading.Number(element, "size", path, 0, StrictJson.MaxBlobBytes));
    }

    private static Digest One(StrictJson reading, JsonElement element, string path)
    {
        if (Digest.TryParse(StrictJson.TextOf(element), out var digest)) return digest;
        reading.Add(path, "is not a digest");
        return default;
    }
}
