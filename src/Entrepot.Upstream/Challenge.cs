using System.Buffers;

namespace Entrepot.Upstream;

/// <summary>One challenge of a <c>WWW-Authenticate</c> header (RFC 9110, section 11.6.1). Immutable.</summary>
/// <param name="Scheme">As sent; compared without regard to case.</param>
/// <param name="Realm">Empty if there was none.</param>
/// <param name="Service">Empty if there was none.</param>
internal sealed record Challenge(string Scheme, string Realm, string Service)
{
    // RFC 9110, section 5.6.2, and the characters of token68 (section 11.2).
    private static readonly SearchValues<char> Token =
        SearchValues.Create("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    private static readonly SearchValues<char> Token68 =
        SearchValues.Create("-._~+/0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    /// <summary>Whether it asks for a token.</summary>
    public bool IsBearer => Scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether it asks for a name and a password.</summary>
    public bool IsBasic => Scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase);

    /// <summary>The challenge to answer: a token rather than a password; <see langword="null"/> if none is understood.</summary>
    public static Challenge? Choose(IEnumerable<string> headers)
    {
        Challenge? basic = null;
        foreach (var header in headers)
        {
            foreach (var challenge in Parse(header))
            {
                if (challenge.IsBearer) return challenge;
                if (challenge.IsBasic) basic ??= challenge;
            }
        }
        return basic;
    }

    /// <summary>Reads one header line, which may hold several challenges; what follows a mistake is left out.</summary>
    public static IReadOnlyList<Challenge> Parse(string header)
    {
        var found = new List<Challenge>();
        var rest = header.AsSpan();
        while (true)
        {
            rest = rest.TrimStart(" \t,");
            var name = Take(ref rest, Token);
            if (name.IsEmpty) return found;

            // A name that is followed by "=" is a parameter; any other begins a challenge.
            var after = rest.TrimStart(" \t");
            if (found.Count > 0 && after.StartsWith('='))
            {
                rest = after[1..].TrimStart(" \t");
                if (!TryTakeValue(ref rest, out var value)) return found;
                found[^1] = found[^1].With(name, value);
            }
            else
            {
                found.Add(new Challenge(name.ToString(), "", ""));
                SkipToken68(ref rest);
            }
        }
    }

    private Challenge With(ReadOnlySpan<char> name, string value)
    {
        if (name.Equals("realm", StringComparison.OrdinalIgnoreCase) && Realm.Length == 0) return this with { Realm = value };
        if (name.Equals("service", StringComparison.OrdinalIgnoreCase) && Service.Length == 0) return this with { Service = value };
        return this;
    }

    private static ReadOnlySpan<char> Take(scoped ref ReadOnlySpan<char> rest, SearchValues<char> allowed)
    {
        var length = rest.IndexOfAnyExcept(allowed);
        var taken = length < 0 ? rest : rest[..length];
        rest = rest[taken.Length..];
        return taken;
    }

    private static bool TryTakeValue(scoped ref ReadOnlySpan<char> rest, out string value)
    {
        value = "";
        if (!rest.StartsWith('"'))
        {
            value = Take(ref rest, Token).ToString();
            return true;
        }

        var text = new System.Text.StringBuilder();
        for (var i = 1; i < rest.Length; i++)
        {
            if (rest[i] == '"')
            {
                value = text.ToString();
                rest = rest[(i + 1)..];
                return true;
            }
            if (rest[i] == '\\' && i + 1 < rest.Length) i++;
            text.Append(rest[i]);
        }
        return false;
    }

    // "Negotiate YWJj==": what stands alone up to the next comma belongs to the scheme and is not a parameter.
    private static void SkipToken68(scoped ref ReadOnlySpan<char> rest)
    {
        var text = rest.TrimStart(" \t");
        Take(ref text, Token68);
        text = text.TrimStart('=').TrimStart(" \t");
        if (text.IsEmpty || text[0] == ',') rest = text;
    }
}
