using System.Text.Json.Nodes;
using Entrepot.ClientTests.Images;

namespace Entrepot.ClientTests.AirGap;

/// <summary>OCI image layouts as directories.</summary>
internal static class LayoutFolder
{
    /// <summary>Writes one of images of a registry.</summary>
    public static async Task WriteAsync(string folder, IReadOnlyList<TestImage> images, string registry = "docker.io")
    {
        var blobs = Directory.CreateDirectory(Path.Combine(folder, "blobs", "sha256")).FullName;
        foreach (var content in images.SelectMany(image => image.Blobs.Concat(image.Manifests)).DistinctBy(content => content.Digest))
            await File.WriteAllBytesAsync(Path.Combine(blobs, content.Hex), content.Bytes);
        await File.WriteAllTextAsync(Path.Combine(folder, "oci-layout"), """{"imageLayoutVersion":"1.0.0"}""");
        var entries = images.Select(image =>
        {
            var entry = image.Root.Descriptor();
            entry["annotations"] = new JsonObject { ["org.opencontainers.image.ref.name"] = $"{registry}/{image}" };
            return (JsonNode)entry;
        });
        await File.WriteAllTextAsync(Path.Combine(folder, "index.json"), new JsonObject { ["schemaVersion"] = 2, ["manifests"] = new JsonArray([.. entries]) }.ToJsonString());
    }
}
