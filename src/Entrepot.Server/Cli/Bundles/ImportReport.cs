using System.Text.Json.Serialization;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>What <c>bundle import --output json</c> prints: what the import came to.</summary>
/// <param name="Set">The set that the images make up.</param>
/// <param name="Images">The images.</param>
/// <param name="Blobs">Blobs that they need and that were in the files.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="SentBlobs">Of those, blobs that the server did not have.</param>
/// <param name="SentBytes">Their bytes.</param>
/// <param name="Removed">What the set had before and has not any more, in full form.</param>
/// <param name="FreedBytes">Bytes on disk that this freed.</param>
/// <param name="Unproven">Layers packed by Zstandard of which only their own bytes are known, not whether they unpack to what the image's config says.</param>
/// <param name="Mirrors">What the machines of the site need to pull the images by their own names.</param>
internal sealed record ImportReport(
    string Set, IReadOnlyList<ImportedReference> Images, int Blobs, long Bytes, int SentBlobs, long SentBytes, IReadOnlyList<string> Removed, long FreedBytes,
    IReadOnlyList<string> Unproven, MirrorHints Mirrors);

/// <summary>An image that was imported.</summary>
/// <param name="Reference">Its name in full form.</param>
/// <param name="Digest">Its manifest.</param>
internal sealed record ImportedReference(string Reference, string Digest);

/// <summary>How the report looks as JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ImportReport))]
internal sealed partial class ImportJson : JsonSerializerContext;
