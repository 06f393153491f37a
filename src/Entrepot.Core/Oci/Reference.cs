namespace Entrepot.Oci;

/// <summary>What a person asks for: an upstream, a repository there, and a tag or a digest.</summary>
/// <remarks>An immutable value whose parts have been checked against the specification's grammar by whoever made it.</remarks>
/// <param name="Upstream">The configured upstream's name, e.g. <c>docker.io</c>.</param>
/// <param name="Repository">The repository at that upstream in full, e.g. <c>library/alpine</c>.</param>
/// <param name="Tag">The tag; empty when a digest is asked for.</param>
/// <param name="Digest">The digest; <c>default</c> when a tag is asked for.</param>
public readonly record struct Reference(string Upstream, string Repository, string Tag, Digest Digest)
{
    /// <summary>A reference by tag.</summary>
    public Reference(string upstream, string repository, string tag) : this(upstream, repository, tag, default) { }

    /// <summary>A reference by digest.</summary>
    public Reference(string upstream, string repository, Digest digest) : this(upstream, repository, "", digest) { }

    /// <summary>Whether this asks for a tag, whose meaning may change, rather than for a digest.</summary>
    public bool IsTag => Tag.Length > 0;

    /// <summary>The last part of the request's path: the tag or the digest.</summary>
    public string Target => IsTag ? Tag : Digest.ToString();

    /// <summary>The same repository, asked by digest.</summary>
    public Reference At(Digest digest) => new(Upstream, Repository, digest);

    /// <summary>Reads the full form, as <see cref="ToString"/> has it; nothing is completed.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Reference reference)
    {
        reference = default;
        var slash = text.IndexOf('/');
        if (slash <= 0 || text[..slash].ContainsAnyExceptInRange('!', '~')) return false;

        var upstream = text[..slash].ToString();
        var name = text[(slash + 1)..];
        var at = name.IndexOf('@');
        if (at >= 0)
        {
            if (!Grammar.IsRepository(name[..at]) || !Digest.TryParse(name[(at + 1)..], out var digest)) return false;
            reference = new Reference(upstream, name[..at].ToString(), digest);
            return true;
        }

        var colon = name.LastIndexOf(':');
        if (colon < 0 || !Grammar.IsRepository(name[..colon]) || !Grammar.IsTag(name[(colon + 1)..])) return false;
        reference = new Reference(upstream, name[..colon].ToString(), name[(colon + 1)..].ToString());
        return true;
    }

    /// <summary>The full form, <c>docker.io/library/alpine:3.20</c> or <c>docker.io/library/alpine@sha256:…</c>.</summary>
    public override string ToString() => IsTag ? $"{Upstream}/{Repository}:{Tag}" : $"{Upstream}/{Repository}@{Digest}";
}
