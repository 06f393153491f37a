using System.Text.Json;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Upstream;

/// <summary>Reads lists of tags and cuts pages from them. Pure.</summary>
internal static class TagList
{
    /// <summary>The tags that fit the grammar, in the upstream's order; <see langword="null"/> if this is no such list.</summary>
    public static IReadOnlyList<string>? Read(ReadOnlyMemory<byte> content)
    {
        try
        {
            using var document = JsonDocument.Parse(content);
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("tags", out var tags)) return null;

            // A repository whose tags were all deleted has null.
            if (tags.ValueKind == JsonValueKind.Null) return [];
            if (tags.ValueKind != JsonValueKind.Array) return null;
            return
            [
                .. tags.EnumerateArray()
                    .Where(tag => tag.ValueKind == JsonValueKind.String)
                    .Select(tag => tag.GetString()!)
                    .Where(tag => Grammar.IsTag(tag)),
            ];
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)   // InvalidOperation: a string that is not text
        {
            return null;
        }
    }

    /// <summary>The page that was asked for.</summary>
    /// <remarks>
    /// Registries without paging (docker-registry before 3) answer with everything whatever is asked; then the page is cut here.
    /// </remarks>
    public static TagPage Page(IReadOnlyList<string> tags, int? count, string? last, bool hasNext)
    {
        var begin = 0;
        for (var i = 0; i < tags.Count; i++)
            if (tags[i] == last) begin = i + 1;

        var left = tags.Count - begin;
        var length = count is { } most ? Math.Min(most, left) : left;
        // Without a tag on this page there is nothing to ask for the next one with.
        return new TagPage([.. tags.Skip(begin).Take(length)], length > 0 && (hasNext || length < left));
    }
}
