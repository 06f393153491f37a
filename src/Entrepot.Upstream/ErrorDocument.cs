using System.Text.Json;

namespace Entrepot.Upstream;

/// <summary>Reads the error documents of registries (OCI distribution specification 1.1, "Error Codes"). Pure.</summary>
internal static class ErrorDocument
{
    /// <summary>The first error's message, fit for one line; <see langword="null"/> if there is none.</summary>
    public static string? FirstMessage(ReadOnlyMemory<byte> content)
    {
        try
        {
            using var document = JsonDocument.Parse(content);
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("errors", out var errors)
                && errors.ValueKind == JsonValueKind.Array
                && errors.GetArrayLength() > 0
                && errors[0].ValueKind == JsonValueKind.Object
                && errors[0].TryGetProperty("message", out var message)
                && message.ValueKind == JsonValueKind.String
                && Plain.Line(message.GetString()!) is { Length: > 0 } line ? line : null;
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)   // InvalidOperation: a string that is not text
        {
            return null;
        }
    }
}
