using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Registry;

/// <summary>Some bytes and their name.</summary>
public sealed record TestBlob(Digest Digest, byte[] Bytes)
{
    public int Size => Bytes.Length;

    /// <summary>Bytes that no other seed has and that do not compress.</summary>
    public static TestBlob Random(int size, int seed)
    {
        var bytes = new byte[size];
        new Random(seed).NextBytes(bytes);
        return new TestBlob(Digest.Of(bytes), bytes);
    }
}

/// <summary>A manifest as a registry has it.</summary>
public sealed record TestManifest(Digest Digest, byte[] Bytes, string MediaType);

/// <summary>An image and all that a client asks for to have it.</summary>
public sealed record TestImage(string Repository, string Tag, TestManifest Manifest, TestBlob Config, IReadOnlyList<TestBlob> Layers);

/// <summary>What a registry holds. Safe for concurrent use.</summary>
public sealed class Content
{
    private readonly ConcurrentDictionary<(string Repository, string Target), TestManifest> _manifests = new();
    private readonly ConcurrentDictionary<Digest, byte[]> _blobs = new();

    public byte[]? FindBlob(Digest digest) => _blobs.GetValueOrDefault(digest);

    public TestManifest? FindManifest(string repository, string target) => _manifests.GetValueOrDefault((repository, target));

    public bool HasRepository(string repository) => _manifests.Keys.Any(key => key.Repository == repository);

    public IReadOnlyList<string> Tags(string repository) =>
        [.. _manifests.Keys.Where(key => key.Repository == repository && !key.Target.Contains(':', StringComparison.Ordinal))
            .Select(key => key.Target).Order(StringComparer.Ordinal)];

    /// <summary>The manifests of a repository whose subject is <paramref name="digest"/>.</summary>
    public IReadOnlyList<TestManifest> ReferrersOf(string repository, string digest) =>
        [.. _manifests.Where(entry => entry.Key.Repository == repository && entry.Key.Target.Contains(':', StringComparison.Ordinal))
            .Select(entry => entry.Value).Where(manifest => SubjectOf(manifest) == digest)
            .OrderBy(manifest => manifest.Digest.ToString(), StringComparer.Ordinal)];

    public TestBlob AddBlob(byte[] bytes) => AddBlob(new TestBlob(Digest.Of(bytes), bytes));

    /// <summary>Adds bytes under a name, which need not be right.</summary>
    public TestBlob AddBlob(TestBlob blob)
    {
        _blobs[blob.Digest] = blob.Bytes;
        return blob;
    }

    /// <summary>Adds a blob of random bytes.</summary>
    public TestBlob AddBlob(int size, int seed) => AddBlob(TestBlob.Random(size, seed));

    /// <summary>Adds a manifest under its digest and, if there is one, a tag; a tag that exists moves.</summary>
    public TestManifest AddManifest(string repository, string? tag, byte[] bytes, string mediaType)
    {
        var manifest = new TestManifest(Digest.Of(bytes), bytes, mediaType);
        _manifests[(repository, manifest.Digest.ToString())] = manifest;
        if (tag is not null) _manifests[(repository, tag)] = manifest;
        return manifest;
    }

    public TestManifest AddManifest(string repository, string? tag, JsonNode json, string mediaType) =>
        AddManifest(repository, tag, Encoding.UTF8.GetBytes(json.ToJsonString()), mediaType);

    public void RemoveTag(string repository, string tag) => _manifests.TryRemove((repository, tag), out _);

    /// <summary>Adds an image with its config and layers.</summary>
    public TestImage AddImage(string repository, string tag, params TestBlob[] layers)
    {
        foreach (var layer in layers) AddBlob(layer);
        var config = AddBlob(Encoding.UTF8.GetBytes($$"""{"architecture":"amd64","os":"linux","created_for":"{{repository}}:{{tag}}"}"""));
        var json = new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = MediaTypes.OciManifest,
            ["config"] = Describe("application/vnd.oci.image.config.v1+json", config.Digest, config.Size),
            ["layers"] = new JsonArray([.. layers.Select(layer =>
                Describe("application/vnd.oci.image.layer.v1.tar+gzip", layer.Digest, layer.Size))]),
        };
        return new TestImage(repository, tag, AddManifest(repository, tag, json, MediaTypes.OciManifest), config, layers);
    }

    /// <summary>Adds an index of images of the same repository.</summary>
    public TestManifest AddIndex(string repository, string tag, params TestManifest[] manifests) =>
        AddManifest(repository, tag, IndexOf(manifests), MediaTypes.OciIndex);

    /// <summary>Adds an artifact that refers to a manifest.</summary>
    public TestManifest AddReferrer(string repository, TestManifest subject, string artifactType, string? tag = null)
    {
        var empty = AddBlob("{}"u8.ToArray());
        var json = new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = MediaTypes.OciManifest,
            ["artifactType"] = artifactType,
            ["config"] = Describe("application/vnd.oci.empty.v1+json", empty.Digest, empty.Size),
            ["layers"] = new JsonArray(Describe("application/vnd.oci.empty.v1+json", empty.Digest, empty.Size)),
            ["subject"] = Describe(subject.MediaType, subject.Digest, subject.Bytes.Length),
        };
        return AddManifest(repository, tag, json, MediaTypes.OciManifest);
    }

    /// <summary>An image index of these manifests, artifact types included.</summary>
    public static JsonObject IndexOf(IEnumerable<TestManifest> manifests) => new()
    {
        ["schemaVersion"] = 2,
        ["mediaType"] = MediaTypes.OciIndex,
        ["manifests"] = new JsonArray([.. manifests.Select(manifest =>
        {
            var entry = Describe(manifest.MediaType, manifest.Digest, manifest.Bytes.Length);
            if (ArtifactTypeOf(manifest) is { } type) entry["artifactType"] = type;
            return (JsonNode)entry;
        })]),
    };

    internal static string? ArtifactTypeOf(TestManifest manifest) => (string?)Parse(manifest)?["artifactType"];

    private static string? SubjectOf(TestManifest manifest) => (string?)Parse(manifest)?["subject"]?["digest"];

    private static JsonObject? Parse(TestManifest manifest) =>
        manifest.MediaType.EndsWith("json", StringComparison.Ordinal) && manifest.Bytes is [(byte)'{', ..]
            ? JsonNode.Parse(manifest.Bytes) as JsonObject
            : null;

    private static JsonObject Describe(string mediaType, Digest digest, long size) =>
        new() { ["mediaType"] = mediaType, ["digest"] = digest.ToString(), ["size"] = size };
}
