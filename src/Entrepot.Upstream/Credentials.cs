using System.Text;

namespace Entrepot.Upstream;

/// <summary>Who asks. Immutable; it never shows its secret.</summary>
/// <param name="Username">The account's name; empty for anonymous and for identity tokens.</param>
/// <param name="Secret">The password, or the identity token.</param>
/// <param name="IsIdentityToken">Whether the secret is an OAuth 2 refresh token, which only a token service takes.</param>
internal sealed record Credentials(string Username, string Secret, bool IsIdentityToken)
{
    /// <summary>Nobody.</summary>
    public static Credentials None { get; } = new("", "", false);

    /// <summary>Whether there are none.</summary>
    public bool IsNone => Secret.Length == 0 && Username.Length == 0;

    /// <summary>Whether they can be sent with the Basic scheme.</summary>
    public bool IsPassword => !IsNone && !IsIdentityToken;

    /// <summary>The value of a Basic Authorization header after its scheme.</summary>
    public string Basic => Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Username}:{Secret}"));

    /// <summary>Whether a text shows what a request was allowed by: as it was sent or, of a name and a password, the password.</summary>
    /// <param name="sent">The value of an Authorization header after its scheme; <see langword="null"/> if there was none.</param>
    /// <param name="text">The text.</param>
    public static bool Show(string? sent, string text)
    {
        if (string.IsNullOrEmpty(sent)) return false;
        if (text.Contains(sent, StringComparison.Ordinal)) return true;

        var bytes = new byte[sent.Length];
        if (!Convert.TryFromBase64String(sent, bytes, out var count)) return false;
        var plain = Encoding.UTF8.GetString(bytes, 0, count);
        var secret = plain[(plain.IndexOf(':', StringComparison.Ordinal) + 1)..];
        return secret.Length > 0 && text.Contains(secret, StringComparison.Ordinal);
    }

    /// <inheritdoc/>
    public override string ToString() => IsNone ? "anonymous" : "credentials";
}
