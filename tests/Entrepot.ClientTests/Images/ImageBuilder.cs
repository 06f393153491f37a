using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Entrepot.ClientTests.Images;

/// <summary>The two families of media types that images are written in, and the way each is usually spelled.</summary>
internal sealed record ImageFormat(string Manifest, string Index, string Config, JsonSerializerOptions Spelling)
{
    public static ImageFormat Oci { get; } = new(
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.config.v1+json",
        new JsonSerializerOptions());

    /// <summary>Schema 2 with dockerd's own three spaces: a cache that parses and writes again changes it.</summary>
    public static ImageFormat Docker { get; } = new(
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.container.image.v1+json",
        new JsonSerializerOptions { WriteIndented = true, IndentSize = 3 });
}

/// <summary>Writes configs, manifests and indexes.</summary>
internal static class ImageBuilder
{
    private const string InToto = "application/vnd.in-toto+json";

    /// <summary>An image of one platform.</summary>
    public static PlatformImage Platform(ImageFormat format, string architecture, params IReadOnlyList<Layer> layers)
    {
        var config = Json(format.Config, format, new JsonObject
        {
            ["created"] = "2024-01-01T00:00:00Z",
            ["architecture"] = architecture,
            ["os"] = "linux",
            ["config"] = new JsonObject { ["Cmd"] = new JsonArray("/bin/sh") },
            ["rootfs"] = new JsonObject { ["type"] = "layers", ["diff_ids"] = Array(layers.Select(layer => JsonValue.Create(layer.DiffId))) },
            ["history"] = Array(layers.Select(layer => new JsonObject { ["created_by"] = layer.DiffId })),
        });
        return new PlatformImage(architecture, Manifest(format, config, layers), config, layers);
    }

    /// <summary>What BuildKit writes beside an image: a manifest of no platform, whose layer is a statement about the image.</summary>
    public static PlatformImage Attestation(PlatformImage subject)
    {
        var statement = Json(InToto, ImageFormat.Oci, new JsonObject
        {
            ["_type"] = "https://in-toto.io/Statement/v0.1",
            ["predicateType"] = "https://slsa.dev/provenance/v0.2",
            ["subject"] = Array([new JsonObject { ["digest"] = new JsonObject { ["sha256"] = subject.Manifest.Hex } }]),
        });
        return Platform(ImageFormat.Oci, "unknown", new Layer(statement, statement.Digest));
    }

    /// <summary>A tag of one platform.</summary>
    public static TestImage Single(string repository, PlatformImage platform) => new(repository, "1", null, [platform]);

    /// <summary>A tag of an index.</summary>
    public static TestImage Index(string repository, ImageFormat format, params IReadOnlyList<PlatformImage> platforms)
    {
        var index = Json(format.Index, format, new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = format.Index,
            ["manifests"] = Array(platforms.Select(Entry)),
        });
        return new TestImage(repository, "1", index, platforms);
    }

    private static Content Manifest(ImageFormat format, Content config, IEnumerable<Layer> layers) => Json(format.Manifest, format, new JsonObject
    {
        ["schemaVersion"] = 2,
        ["mediaType"] = format.Manifest,
        ["config"] = config.Descriptor(),
        ["layers"] = Array(layers.Select(layer => layer.Blob.Descriptor())),
    });

    private static JsonObject Entry(PlatformImage platform)
    {
        var descriptor = platform.Manifest.Descriptor();
        var os = platform.Architecture == "unknown" ? "unknown" : "linux";
        descriptor["platform"] = new JsonObject { ["architecture"] = platform.Architecture, ["os"] = os };
        return descriptor;
    }

    private static JsonArray Array(IEnumerable<JsonNode?> items) => [.. items];

    private static Content Json(string mediaType, ImageFormat format, JsonObject json) =>
        new(mediaType, Encoding.UTF8.GetBytes(json.ToJsonString(format.Spelling)));
}
