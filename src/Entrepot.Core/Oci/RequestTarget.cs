namespace Entrepot.Oci;

/// <summary>What a request of the distribution API is about.</summary>
public enum TargetKind
{
    /// <summary><c>/v2/</c>: is this a registry?</summary>
    Base,

    /// <summary><c>/v2/NAME/manifests/REFERENCE</c></summary>
    Manifest,

    /// <summary><c>/v2/NAME/blobs/DIGEST</c></summary>
    Blob,

    /// <summary><c>/v2/NAME/tags/list</c></summary>
    Tags,

    /// <summary><c>/v2/NAME/referrers/DIGEST</c></summary>
    Referrers,

    /// <summary><c>/v2/_catalog</c></summary>
    Catalog,
}

/// <summary>What a request asks for, from its path, query and host (OCI distribution specification 1.1, "Endpoints"). Pure.</summary>
/// <remarks>Names, tags and digests in a target have been checked; nothing else looks at them before that.</remarks>
/// <param name="Kind">What it is about.</param>
/// <param name="Reference">The upstream; with a repository, and a tag or digest, where the kind has them, else empty.</param>
/// <param name="IsNamespaced">Whether the upstream was given by <c>?ns=</c>, which the answer then repeats.</param>
public readonly record struct RequestTarget(TargetKind Kind, Reference Reference, bool IsNamespaced)
{
    private const string Prefix = "/v2/";

    /// <summary>Reads a target.</summary>
    /// <param name="path">The path, percent-decoded.</param>
    /// <param name="query">The query as it was sent.</param>
    /// <param name="host">The <c>Host</c> header.</param>
    /// <param name="routes">The configured upstreams.</param>
    /// <param name="target">What is asked for, if there is no error.</param>
    /// <returns>What the client is told if this is no question; else <see langword="null"/>.</returns>
    public static RegistryError? Parse(
        ReadOnlySpan<char> path, ReadOnlySpan<char> query, ReadOnlySpan<char> host, UpstreamRoutes routes, out RequestTarget target)
    {
        target = default;
        var namespaced = QueryValues.TryFind(query, "ns", out var ns);
        if (ns.Contains('%')) ns = Uri.UnescapeDataString(ns);   // containerd encodes the colon before a port
        var upstream = namespaced ? routes.ByName(ns) : routes.ByHost(host);
        if (upstream is null) return RegistryError.NameUnknown with { Detail = "the registry named by ns is not configured here" };

        if (path is "/v2" or Prefix)
        {
            target = new RequestTarget(TargetKind.Base, new Reference(upstream, "", ""), namespaced);
            return null;
        }

        if (!path.StartsWith(Prefix, StringComparison.Ordinal)) return NotFound;
        path = path[Prefix.Length..];
        if (path is "_catalog")
        {
            target = new RequestTarget(TargetKind.Catalog, new Reference(upstream, "", ""), namespaced);
            return null;
        }

        // Split from the end: a repository may have components named "blobs" or "manifests" itself.
        var slash = path.LastIndexOf('/');
        if (slash <= 0) return NotFound;
        var last = path[(slash + 1)..];
        var name = path[..slash];
        slash = name.LastIndexOf('/');
        if (slash <= 0) return NotFound;
        var kind = KindOf(name[(slash + 1)..], last);
        if (kind is null) return NotFound;
        name = name[..slash];

        if (!namespaced) StripUpstream(ref name, ref upstream, routes);
        if (!Grammar.IsRepository(name)) return RegistryError.NameInvalid;

        var error = ReadLast(kind.Value, last, out var tag, out var digest);
        if (error is not null) return error;
        target = new RequestTarget(kind.Value, new Reference(upstream, UpstreamRoutes.FullName(upstream, name), tag, digest), namespaced);
        return null;
    }

    private static RegistryError NotFound { get; } =
        new(404, "NAME_UNKNOWN", "no such endpoint", "the registry API is under /v2/: manifests, blobs, tags/list, referrers, _catalog");

    private static TargetKind? KindOf(ReadOnlySpan<char> segment, ReadOnlySpan<char> last) => segment switch
    {
        "manifests" => TargetKind.Manifest,
        "blobs" => TargetKind.Blob,
        "referrers" => TargetKind.Referrers,
        "tags" when last is "list" => TargetKind.Tags,
        _ => null,
    };

    // A first segment that is a configured upstream's name selects it and is not part of the repository.
    private static void StripUpstream(ref ReadOnlySpan<char> name, ref string upstream, UpstreamRoutes routes)
    {
        var slash = name.IndexOf('/');
        if (slash <= 0 || routes.ByName(name[..slash]) is not { } named) return;
        upstream = named;
        name = name[(slash + 1)..];
    }

    private static RegistryError? ReadLast(TargetKind kind, ReadOnlySpan<char> last, out string tag, out Digest digest)
    {
        tag = "";
        digest = default;
        if (kind is TargetKind.Tags) return null;
        if (Digest.TryParse(last, out digest)) return null;

        // Only a digest holds a colon, so this was meant as one.
        if (kind is not TargetKind.Manifest || last.Contains(':')) return RegistryError.DigestInvalid;
        if (!Grammar.IsTag(last)) return RegistryError.TagInvalid;
        tag = last.ToString();
        return null;
    }
}
