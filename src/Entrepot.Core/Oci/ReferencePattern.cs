namespace Entrepot.Oci;

/// <summary>Which images an administrator means: one reference, or all whose full form fits a text with <c>*</c> in it. An immutable value.</summary>
/// <remarks>
/// <para>A reference without a registry is of the default upstream, and one without a tag or digest means <c>latest</c>, as Docker has it. With both, the
/// digest counts.</para>
/// <para>In a pattern <c>*</c> is any text, also none; nothing is completed. One with a tag (<c>ghcr.io/*:v1*</c>) means tags alone, one with <c>@</c>
/// digests alone, and one with neither (<c>docker.io/library/*</c>) both.</para>
/// </remarks>
public readonly record struct ReferencePattern
{
    /// <summary>Most characters.</summary>
    public const int MaxLength = 1024;

    private const string DockerHub = "docker.io";

    private ReferencePattern(string text, Reference? exact) => (Text, Exact) = (text, exact);

    /// <summary>The full form of the reference, or the pattern as it was given.</summary>
    public string Text { get; }

    /// <summary>The reference that is meant; <see langword="null"/> if it is a pattern.</summary>
    public Reference? Exact { get; }

    /// <summary>Reads what an administrator typed.</summary>
    /// <param name="text">A reference or a pattern.</param>
    /// <param name="routes">The configured upstreams.</param>
    /// <param name="former">Upstreams that may be meant although they are not configured any more: what came from them is still cached.</param>
    /// <param name="pattern">What is meant, if there is no objection.</param>
    /// <returns>Why it means nothing; <see langword="null"/> if it does.</returns>
    public static Objection? Parse(string text, UpstreamRoutes routes, IReadOnlyCollection<string> former, out ReferencePattern pattern)
    {
        pattern = default;
        if (text.Length is 0 or > MaxLength || text.AsSpan().ContainsAnyExceptInRange('!', '~'))
            return new(400, $"a reference has 1 to {MaxLength} printable characters and no space, such as docker.io/library/alpine:3.20");

        if (text.Contains('*', StringComparison.Ordinal))
        {
            pattern = new ReferencePattern(text, null);
            return null;
        }

        var objection = ParseReference(text, routes, former, out var reference);
        if (objection is null) pattern = new ReferencePattern(reference.ToString(), reference);
        return objection;
    }

    /// <summary>Whether this name is meant: a tag, or a digest.</summary>
    public bool Matches(Reference name)
    {
        if (Exact is { } exact) return exact == name;
        if (Text.Contains('@', StringComparison.Ordinal)) return !name.IsTag && IsLike(name.ToString(), Text);
        return (name.IsTag || !HasTag(Text)) && IsLike(name.ToString(), Text);
    }

    /// <summary>Whether a text fits a pattern in which <c>*</c> is any text and everything else itself. Takes time for the product of their lengths at worst.</summary>
    internal static bool IsLike(ReadOnlySpan<char> text, ReadOnlySpan<char> pattern)
    {
        // Where the last star stands, and how much of the text it takes: when the rest does not fit, it takes one more.
        var (at, of, star, taken) = (0, 0, -1, 0);
        while (at < text.Length)
        {
            if (of < pattern.Length && pattern[of] == '*')
            {
                (star, taken) = (of++, at);
            }
            else if (of < pattern.Length && pattern[of] == text[at])
            {
                of++;
                at++;
            }
            else if (star >= 0)
            {
                (of, at) = (star + 1, ++taken);
            }
            else
            {
                return false;
            }
        }

        return !pattern[of..].ContainsAnyExcept('*');
    }

    /// <summary>The pattern or the full form of the reference.</summary>
    public override string ToString() => Text;

    private static Objection? ParseReference(string text, UpstreamRoutes routes, IReadOnlyCollection<string> former, out Reference reference)
    {
        reference = default;
        var name = text.AsSpan();
        var digest = default(Digest);
        var at = text.IndexOf('@', StringComparison.Ordinal);
        if (at >= 0 && !Digest.TryParse(name[(at + 1)..], out digest))
            return new(400, $"'{text[(at + 1)..]}' is not a digest: sha256: and 64, or sha512: and 128, lower-case hex digits are");
        if (at >= 0) name = name[..at];

        var tag = "latest";
        if (HasTag(name))
        {
            var colon = name.LastIndexOf(':');
            tag = name[(colon + 1)..].ToString();
            name = name[..colon];
            if (!Grammar.IsTag(tag)) return new(400, $"'{tag}' is not a tag: up to {Grammar.MaxTagLength} letters, digits, '_', '.' and '-' are");
        }

        if (Route(ref name, routes, former) is not { } upstream)
            return new(404, $"no upstream is called '{name[..name.IndexOf('/')]}'; configured are: {string.Join(", ", routes.Names)}");
        var repository = UpstreamRoutes.FullName(upstream, name);
        if (!Grammar.IsRepository(repository))
            return new(400, $"'{name}' is not a repository: lower-case letters and digits, joined by '.', '_', '-' and '/', are, such as library/alpine");

        reference = at >= 0 ? new Reference(upstream, repository, digest) : new Reference(upstream, repository, tag);
        return null;
    }

    // The upstream of a name, which loses it; null if it names one that is not configured, and never was.
    private static string? Route(ref ReadOnlySpan<char> name, UpstreamRoutes routes, IReadOnlyCollection<string> former)
    {
        var slash = name.IndexOf('/');
        if (slash < 0) return routes.Default;

        var first = name[..slash];
        var named = first is "index.docker.io" ? DockerHub : first.ToString();
        var upstream = routes.ByName(named) ?? former.FirstOrDefault(one => one.Equals(named, StringComparison.OrdinalIgnoreCase));
        if (upstream is null && !IsHost(first)) return routes.Default;
        if (upstream is not null) name = name[(slash + 1)..];
        return upstream;
    }

    // As Docker tells a registry from a part of a repository's name.
    private static bool IsHost(ReadOnlySpan<char> part) => part.ContainsAny('.', ':') || part is "localhost";

    // A colon before a slash is of a port.
    private static bool HasTag(ReadOnlySpan<char> text) => text.LastIndexOf(':') > text.LastIndexOf('/');
}
