namespace Entrepot.Oci;

/// <summary>What names and tags may look like (OCI distribution specification 1.1, "Pulling manifests"). Pure.</summary>
public static class Grammar
{
    /// <summary>Most characters of a repository name; the specification recommends 255 together with a host name.</summary>
    public const int MaxRepositoryLength = 255;

    /// <summary>Most characters of a tag.</summary>
    public const int MaxTagLength = 128;

    /// <summary>
    /// Whether this is a repository name: components of lower-case letters and digits, joined within by one <c>.</c>,
    /// one or two <c>_</c> or any number of <c>-</c>, and joined to each other by <c>/</c>.
    /// </summary>
    public static bool IsRepository(ReadOnlySpan<char> name)
    {
        if (name.IsEmpty || name.Length > MaxRepositoryLength) return false;

        while (true)
        {
            var slash = name.IndexOf('/');
            if (!IsComponent(slash < 0 ? name : name[..slash])) return false;
            if (slash < 0) return true;
            name = name[(slash + 1)..];
        }
    }

    /// <summary>Whether this is a tag: a letter, digit or <c>_</c>, then up to 127 of those, <c>.</c> and <c>-</c>.</summary>
    public static bool IsTag(ReadOnlySpan<char> tag)
    {
        if (tag.IsEmpty || tag.Length > MaxTagLength || tag[0] is '.' or '-') return false;
        foreach (var c in tag)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '.' or '-')) return false;
        return true;
    }

    private static bool IsComponent(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || !IsAlphanumeric(text[0]) || !IsAlphanumeric(text[^1])) return false;

        for (var i = 1; i < text.Length; i++)
        {
            if (IsAlphanumeric(text[i])) continue;
            var run = i;
            while (!IsAlphanumeric(text[i + 1])) i++;   // ends: the last character is alphanumeric
            var separator = text[run..(i + 1)];
            var allowed = separator is "." or "_" or "__" || !separator.ContainsAnyExcept('-');
            if (!allowed) return false;
        }

        return true;
    }

    private static bool IsAlphanumeric(char c) => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c);
}
