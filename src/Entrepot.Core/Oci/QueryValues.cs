namespace Entrepot.Oci;

/// <summary>Reads single values out of a query string. Pure.</summary>
public static class QueryValues
{
    /// <summary>The first value of a key, decoded; <see langword="null"/> if the key is not there.</summary>
    /// <param name="query">The query as it was sent, with or without the leading <c>?</c>.</param>
    /// <param name="key">A key in plain letters.</param>
    public static string? Find(ReadOnlySpan<char> query, string key)
    {
        if (!TryFind(query, key, out var value)) return null;
        return value.ContainsAny('%', '+') ? Uri.UnescapeDataString(value.ToString().Replace('+', ' ')) : value.ToString();
    }

    /// <summary>The first value of a key as it was sent.</summary>
    public static bool TryFind(ReadOnlySpan<char> query, string key, out ReadOnlySpan<char> value)
    {
        if (query.StartsWith('?')) query = query[1..];
        while (!query.IsEmpty)
        {
            var end = query.IndexOf('&');
            var pair = end < 0 ? query : query[..end];
            query = end < 0 ? default : query[(end + 1)..];

            if (!pair.StartsWith(key, StringComparison.Ordinal)) continue;
            if (pair.Length == key.Length)
            {
                value = default;
                return true;
            }

            if (pair[key.Length] != '=') continue;
            value = pair[(key.Length + 1)..];
            return true;
        }

        value = default;
        return false;
    }
}
