using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Upstream;

/// <summary>One image index made of the pages of a list of referrers; each descriptor is passed on as it came. Used by one caller.</summary>
internal sealed class ReferrerIndex : IDisposable
{
    private readonly string? _artifactType;
    private readonly ArrayBufferWriter<byte> _content = new();
    private readonly Utf8JsonWriter _writer;

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

    /// <summary>Adds a page; <see langword="false"/> if it is no index.</summary>
    /// <param name="page">The page as received.</param>
    /// <param name="isFiltered">Whether the upstream has left out other types.</param>
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
                if (_artifactType is null || isFiltered || TypeOf(descriptor) == _artifactType)
                    _writer.WriteRawValue(descriptor.GetRawText(), skipInputValidation: true);
            }
            return true;
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)   // InvalidOperation: a string that is not text
        {
            return false;
        }
    }

    /// <summary>The index; nothing can be added afterwards.</summary>
    public ReferrerList Finish()
    {
        _writer.WriteEndArray();
        _writer.WriteEndObject();
        _writer.Flush();
        return new ReferrerList(_content.WrittenMemory, Filtered: _artifactType is not null);
    }

    /// <inheritdoc/>
    public void Dispose() => _writer.Dispose();

    private static string? TypeOf(JsonElement descriptor) =>
        descriptor.TryGetProperty("artifactType", out var type) && type.ValueKind == JsonValueKind.String ? type.GetString() : null;
}
