using System.Text.Json;
using System.Text.Json.Serialization;
using Entrepot.Oci;

namespace Entrepot.Storage;

/// <summary>What kind of thing a record remembers or forgets.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RecordKind>))]
internal enum RecordKind
{
    /// <summary>A tag means a digest.</summary>
    Tag = 1,

    /// <summary>A tag is gone.</summary>
    Untag,

    /// <summary>A repository has a manifest, which was received as some media type.</summary>
    Manifest,
}

/// <summary>One thing that bytes cannot tell, as a line of the record log. An immutable value.</summary>
/// <remarks>A line is a checksum and JSON, so that a person can read it and a torn or spoilt one is seen.</remarks>
internal sealed record Record(
    RecordKind Kind, string Upstream, string Repository, string? Tag = null, string? Digest = null, string? MediaType = null, long Size = 0, DateTimeOffset ValidatedAt = default)
{
    public Reference Reference => Tag is { } tag
        ? new Reference(Upstream, Repository, tag)
        : new Reference(Upstream, Repository, Oci.Digest.Parse(Digest!));

    public static Record Of(Reference tag, Pull.TagRecord record) =>
        new(RecordKind.Tag, tag.Upstream, tag.Repository, tag.Tag, record.Digest.ToString(), record.MediaType, record.Size, record.ValidatedAt);

    /// <summary>The line, with its end.</summary>
    public byte[] ToLine() => CheckedLine.Of(JsonSerializer.SerializeToUtf8Bytes(this, RecordJson.Default.Record));

    /// <summary>Reads a line without its end.</summary>
    /// <returns><see langword="null"/> if it is not a line that was written whole.</returns>
    public static Record? FromLine(ReadOnlySpan<byte> line)
    {
        if (!CheckedLine.TryRead(line, out var json)) return null;
        try
        {
            var record = JsonSerializer.Deserialize(json, RecordJson.Default.Record);
            return record is { IsWhole: true } ? record : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    [JsonIgnore]
    private bool IsWhole =>
        Kind is not 0 && Upstream is not null && Repository is not null
        && (Kind is RecordKind.Untag ? Tag is not null : Oci.Digest.TryParse(Digest, out _) && MediaType is not null && (Kind is RecordKind.Tag) == (Tag is not null));
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(Record))]
internal sealed partial class RecordJson : JsonSerializerContext;
