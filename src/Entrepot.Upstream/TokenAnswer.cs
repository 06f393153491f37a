using System.Text.Json;

namespace Entrepot.Upstream;

/// <summary>Reads what a token service answers (Docker's token authentication specification). Pure.</summary>
internal static class TokenAnswer
{
    private static readonly TimeSpan WhenUnsaid = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(10);

    /// <summary>The token, or <see langword="null"/> if there is none in it that could be sent.</summary>
    /// <param name="content">The answer's body.</param>
    /// <param name="asked">When it was asked for: its life is counted from there, since it travelled.</param>
    public static Token? Read(ReadOnlyMemory<byte> content, DateTimeOffset asked)
    {
        try
        {
            using var document = JsonDocument.Parse(content);
            if (document.RootElement.ValueKind != JsonValueKind.Object) return null;

            var text = Text(document.RootElement, "token") ?? Text(document.RootElement, "access_token");
            if (text is null || !text.All(c => c is > ' ' and <= '~')) return null;

            var life = LifeOf(document.RootElement);
            // Some seconds before its end, but never so early that a short one is not used at all.
            var margin = life / 4 < Margin ? life / 4 : Margin;
            return new Token(text, asked + life - margin);
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)   // InvalidOperation: a string that is not text
        {
            return null;
        }
    }

    private static TimeSpan LifeOf(JsonElement root)
    {
        if (!root.TryGetProperty("expires_in", out var value) || value.ValueKind != JsonValueKind.Number ||
            !value.TryGetDouble(out var seconds) || !(seconds > 0)) return WhenUnsaid;
        return seconds < Longest.TotalSeconds ? TimeSpan.FromSeconds(seconds) : Longest;
    }

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text ? text : null;
}
