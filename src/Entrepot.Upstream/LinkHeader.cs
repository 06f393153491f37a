namespace Entrepot.Upstream;

/// <summary>Reads <c>Link</c> headers (RFC 8288), as far as paging needs them. Pure.</summary>
internal static class LinkHeader
{
    /// <summary>The target of the first link whose relation is <c>next</c>, as sent; <see langword="null"/> if there is none.</summary>
    public static string? Next(IEnumerable<string> headers)
    {
        foreach (var header in headers)
        {
            var rest = header.AsSpan().TrimStart(" \t,");
            while (rest.StartsWith('<'))
            {
                var close = rest.IndexOf('>');
                if (close < 0) break;
                var target = rest[1..close];
                rest = rest[(close + 1)..];

                var end = EndOfLink(rest);
                if (IsNext(rest[..end])) return target.ToString();
                rest = rest[end..].TrimStart(" \t,");
            }
        }
        return null;
    }

    // A comma inside quotes ends nothing.
    private static int EndOfLink(ReadOnlySpan<char> text)
    {
        var quoted = false;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && quoted) i++;
            else if (text[i] == '"') quoted = !quoted;
            else if (text[i] == ',' && !quoted) return i;
        }
        return text.Length;
    }

    private static bool IsNext(ReadOnlySpan<char> parameters)
    {
        foreach (var part in parameters.Split(';'))
        {
            var parameter = parameters[part].Trim(" \t");
            var equals = parameter.IndexOf('=');
            if (equals < 0 || !parameter[..equals].TrimEnd(" \t").Equals("rel", StringComparison.OrdinalIgnoreCase)) continue;

            var relations = parameter[(equals + 1)..].Trim(" \t\"");
            foreach (var relation in relations.Split(' '))
                if (relations[relation].Equals("next", StringComparison.OrdinalIgnoreCase)) return true;
        }
        return false;
    }
}
