using Entrepot.Oci;
using Microsoft.Extensions.Primitives;

namespace Entrepot.Server.Edge;

/// <summary>Entity tags: a content's digest in quotes. Pure.</summary>
internal static class EntityTags
{
    /// <summary>The tag of a content.</summary>
    public static string Of(Digest digest) => Of(digest.ToString());

    /// <summary>The tag of the content that a digest, as text, names.</summary>
    public static string Of(string name) => string.Concat("\"", name, "\"");

    /// <summary>Whether an If-None-Match holds the tag, or <c>*</c>; compared weakly, as the RFC says there.</summary>
    public static bool Match(StringValues ifNoneMatch, Digest digest)
    {
        if (ifNoneMatch.Count == 0) return false;

        var mine = Of(digest);
        foreach (var line in ifNoneMatch)
        {
            foreach (var one in (line ?? "").Split(',', StringSplitOptions.TrimEntries))
                if (one == "*" || one.AsSpan(one.StartsWith("W/", StringComparison.Ordinal) ? 2 : 0).SequenceEqual(mine)) return true;
        }

        return false;
    }

    /// <summary>Whether a range applies: there is no If-Range, or it holds exactly this tag (RFC 9110, section 13.1.5).</summary>
    public static bool AllowsRange(StringValues ifRange, Digest digest) => ifRange.Count == 0 || ifRange.ToString() == Of(digest);
}
