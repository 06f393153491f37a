using System.Net;

namespace Entrepot.Upstream;

/// <summary>Which redirects are followed, and where to. Pure.</summary>
internal static class Redirect
{
    /// <summary>Whether a status asks for the same request elsewhere; GET and HEAD stay what they are with all of them.</summary>
    public static bool Is(HttpStatusCode status) => (int)status is 301 or 302 or 303 or 307 or 308;

    /// <summary>Says what is wrong with a redirect; <see langword="null"/> if it can be followed to <paramref name="target"/>.</summary>
    public static string? Target(Uri from, Uri? location, out Uri? target)
    {
        target = null;
        if (location is null) return "a redirect that says not where to";
        if (!Uri.TryCreate(from, location, out var address)) return "a redirect to something that is no address";
        if (address.Scheme != Uri.UriSchemeHttps && address.Scheme != Uri.UriSchemeHttp) return "a redirect to something else than http or https";
        if (from.Scheme == Uri.UriSchemeHttps && address.Scheme == Uri.UriSchemeHttp) return $"a redirect from https to http, at {address.Host}";

        target = address;
        return null;
    }
}
