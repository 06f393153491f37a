using System.Text.Json;
using Entrepot.Oci;

namespace Entrepot.Bundles;

/// <summary>An image in the <c>index.json</c> of an OCI image layout.</summary>
/// <param name="Image">Its manifest.</param>
/// <param name="Name">Its full name, as containerd and Docker write it; <see langword="null"/> if there is none.</param>
/// <param name="RefName">Its <c>org.opencontainers.image.ref.name</c>; <see langword="null"/> if there is none.</param>
public sealed record LayoutImage(Descriptor Image, string? Name, string? RefName);

/// <summary>The <c>index.json</c> of an OCI image layout (OCI image specification, "Image Layout"). Pure.</summary>
public static class LayoutIndex
{
    private const string ContainerdName = "io.containerd.image.name";
    private const string RefName = "org.opencontainers.image.ref.name";

    /// <summary>Reads it.</summary>
    /// <returns>Its images, in its order; <see langword="null"/> if it is none.</returns>
    public static IReadOnlyList<LayoutImage>? TryParse(ReadOnlyMemory<byte> content)
    {
        try
        {
            using var document = JsonDocument.Parse(content);
            if (document.RootElement.ValueKind is not JsonValueKind.Object || !document.RootElement.TryGetProperty("manifests", out var manifests)) return null;
            if (manifests.ValueKind is JsonValueKind.Null) return [];
            var images = new List<LayoutImage>();
            foreach (var entry in manifests.EnumerateArray())
            {
                if (!Digest.TryParse(entry.GetProperty("digest").GetString(), out var digest)) return null;
                var size = entry.TryGetProperty("size", out var number) && number.TryGetInt64(out var bytes) ? bytes : 0;
                var mediaType = entry.TryGetProperty("mediaType", out var type) ? type.GetString() ?? "" : "";
                var annotations = entry.TryGetProperty("annotations", out var found) && found.ValueKind is JsonValueKind.Object ? found : default;
                images.Add(new LayoutImage(new Descriptor(digest, mediaType, size), Text(annotations, ContainerdName), Text(annotations, RefName)));
            }

            return images;
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return null;
        }
    }

    private static string? Text(JsonElement annotations, string name) =>
        annotations.ValueKind is JsonValueKind.Object && annotations.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String ? value.GetString() : null;
}
