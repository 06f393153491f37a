using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Entrepot.Oci;

/// <summary>One image index made of lists of referrers, or of manifests that refer to something; each descriptor is passed on as it came, each digest once. Used by one caller.</summary>
public sealed class ReferrerIndex : IDisposable
{
    private readonly string? _artifactType;
    private readonly ArrayBufferWriter<byte> _content = new();
    private readonly HashSet<string> _digests = [];
    private readonly Utf8JsonWriter _writer;

    /// <summary>An index without entries.</summary>
    /// <param name="artifactType">The only type wanted; <see langword="null"/> for all.</param>
    public ReferrerIndex(string? artifactType)
    {
        _artifactType = artifactType;
        _writer = new Utf8JsonWriter(_content, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        _writer.WriteStartObject();
        _writer.WriteNumber("schemaVersion", 2);
        _writer.WriteString("mediaType", MediaTypes.OciIndex);
        _writer.WriteStartArray("manifests");
    }

    /// <summary>A list of nothing, as it is written down.</summary>
    public static ReadOnlyMemory<byte> Empty { get; } = WriteEmpty();

    /// <summary>The tag that clients keep a list of referrers under where a registry has no API for it (OCI distribution specification 1.1, "Referrers Tag Schema").</summary>
    /// <remarks>The specification cuts the hash at 64 digits, so that sha512 fits into a tag.</remarks>
    /// <param name="subject">A manifest, by digest.</param>
    public static Reference TagOf(Reference subject) =>
        new(subject.Upstream, subject.Repository, $"{subject.Digest.Algorithm}-{subject.Digest.Hex[..64]}");

    /// <summary>Adds a list; <see langword="false"/> if it is no index.</summary>
    /// <param name="page">The list as received.</param>
    /// <param name="isFiltered">Whether other types have been left out of it already.</param>
    public bool TryAdd(ReadOnlyMemory<byte> page, bool isFiltered)
    {
        try
        {
            using var document = JsonDocument.Parse(page);
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("manifests", out var manifests)) return false;
            if (manifests.ValueKind == JsonValueKind.Null) return true;
            if (manifests.ValueKind != JsonValueKind.Array) return false;

            foreach (var descriptor in manifests.EnumerateArray())
            {
                if (descriptor.ValueKind != JsonValueKind.Object) return false;
                if (_artifactType is not null && !isFiltered && TextOf(descriptor, "artifactType") != _artifactType) continue;
                if (TextOf(descriptor, "digest") is not { } digest || _digests.Add(digest)) _writer.WriteRawValue(descriptor.GetRawText(), skipInputValidation: true);
            }
            return true;
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)   // InvalidOperation: a string that is not text
        {
            return false;
        }
    }

    /// <summary>Adds a manifest that refers to something, described as a registry describes it: with its artifact type, or else its config's media type, and its annotations.</summary>
    /// <param name="mediaType">What it was received as.</param>
    /// <param name="manifest">Its bytes.</param>
    /// <returns>Whether it is a manifest with a subject.</returns>
    public bool TryAddManifest(string mediaType, ReadOnlyMemory<byte> manifest)
    {
        try
        {
            using var document = JsonDocument.Parse(manifest);
            var root = document.RootElement;
            if (SubjectOf(root) is null) return false;

            var type = TextOf(root, "artifactType");
            if (string.IsNullOrEmpty(type)) type = root.TryGetProperty("config", out var config) ? TextOf(config, "mediaType") : null;
            if (_artifactType is not null && type != _artifactType) return true;

            var digest = Digest.Of(manifest.Span).ToString();
            if (!_digests.Add(digest)) return true;
            _writer.WriteStartObject();
            _writer.WriteString("mediaType", mediaType);
            _writer.WriteString("digest", digest);
            _writer.WriteNumber("size", manifest.Length);
            if (!string.IsNullOrEmpty(type)) _writer.WriteString("artifactType", type);
            if (root.TryGetProperty("annotations", out var annotations) && annotations.ValueKind is JsonValueKind.Object)
            {
                _writer.WritePropertyName("annotations");
                _writer.WriteRawValue(annotations.GetRawText(), skipInputValidation: true);
            }

            _writer.WriteEndObject();
            return true;
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)   // InvalidOperation: a string that is not text
        {
            return false;
        }
    }

    /// <summary>What a manifest says that it refers to.</summary>
    /// <returns><see langword="null"/> if it is no manifest, or refers to nothing.</returns>
    public static Digest? SubjectOf(ReadOnlyMemory<byte> manifest)
    {
        try
        {
            using var document = JsonDocument.Parse(manifest);
            return SubjectOf(document.RootElement);
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>The index; nothing can be added afterwards.</summary>
    public ReadOnlyMemory<byte> Finish()
    {
        _writer.WriteEndArray();
        _writer.WriteEndObject();
        _writer.Flush();
        return _content.WrittenMemory;
    }

    /// <inheritdoc/>
    public void Dispose() => _writer.Dispose();

    private static ReadOnlyMemory<byte> WriteEmpty()
    {
        using var index = new ReferrerIndex(null);
        return index.Finish();
    }

    private static Digest? SubjectOf(JsonElement manifest) =>
        manifest.ValueKind is JsonValueKind.Object && manifest.TryGetProperty("subject", out var subject) && Digest.TryParse(TextOf(subject, "digest"), out var digest)
            ? digest
            : null;

    private static string? TextOf(JsonElement element, string name) =>
        element.ValueKind is JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
