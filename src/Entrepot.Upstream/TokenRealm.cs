using System.Globalization;
using System.Net;

namespace Entrepot.Upstream;

/// <summary>Which token service a registry may send us to. Pure.</summary>
/// <remarks>Without such a rule a registry gets the password of another by naming a realm of its choice.</remarks>
internal static class TokenRealm
{
    /// <summary>Whether a token may be asked for at <paramref name="realm"/> on behalf of <paramref name="registry"/>.</summary>
    /// <param name="registry">The registry's address.</param>
    /// <param name="realm">The address that its challenge names.</param>
    /// <param name="listed">Hosts that the configuration allows beyond the rule.</param>
    public static bool Allows(Uri registry, Uri realm, IReadOnlyList<string> listed)
    {
        if (realm.Scheme != Uri.UriSchemeHttps && (realm.Scheme != Uri.UriSchemeHttp || registry.Scheme == Uri.UriSchemeHttps)) return false;

        var (from, to) = (HostOf(registry), HostOf(realm));
        if (from == to || listed.Any(host => host.TrimEnd('.').Equals(to, StringComparison.OrdinalIgnoreCase))) return true;
        if (!IsDomain(from) || !IsDomain(to)) return false;

        var owner = PublicSuffixes.BuiltIn.RegistrableDomain(from);
        return owner is not null && owner == PublicSuffixes.BuiltIn.RegistrableDomain(to);
    }

    private static string HostOf(Uri address) => address.IdnHost.TrimEnd('.').ToLower(CultureInfo.InvariantCulture);

    private static bool IsDomain(string host) => host.Contains('.', StringComparison.Ordinal) && !IPAddress.TryParse(host, out _);
}
