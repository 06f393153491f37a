using System.Net;

namespace Entrepot.Upstream;

/// <summary>An answer led to an address that it may not lead to.</summary>
internal sealed class ForbiddenAddressException(string message) : Exception(message);

/// <summary>Where connections of one upstream may go. Safe for concurrent use.</summary>
/// <remarks>
/// The addresses of the configuration are its own affair. Any other host was named by an answer, of a redirect or of a token service, and may be anybody's: it has
/// to be on the internet, or where the upstream itself is, unless the option allows it. What counts is the address that a name has at the moment of connecting,
/// and the connection goes to that very address, so that a name which means another one a moment later gains nothing.
/// <para>
/// Where the upstream is, is learnt from the connections to its configured addresses. One that has been found in two kinds of places is in none: its answers
/// may come from either. Through a proxy it is the proxy that connects, and only addresses that are written as such are looked at.
/// </para>
/// </remarks>
internal sealed class Destinations
{
    private readonly bool _allowsPrivate;
    private readonly HashSet<(string Host, int Port)> _own;
    private readonly HashSet<string> _realms;
    private readonly Lock _gate = new();
    private AddressScope? _home;   // of the upstream; null as long as nobody connected to it. Guarded by _gate.

    /// <param name="options">The upstream's addresses, token services, and what its answers may lead to.</param>
    public Destinations(UpstreamOptions options)
    {
        _allowsPrivate = options.PrivateRedirects;
        _own = [.. options.Urls.Select(url => (Plain(url.IdnHost), url.Port))];
        _realms = [.. options.TokenRealms.Select(Plain)];
    }

    /// <summary>Why an address that an answer named must not be asked, as far as that shows without looking up its name; <see langword="null"/> if it may be.</summary>
    public string? Objection(Uri address) =>
        !IsConfigured(address.IdnHost, address.Port) && IPAddress.TryParse(address.IdnHost, out var literal) && !Allows(literal) ? Refusal(address.Host) : null;

    /// <summary>Connects, for the handler.</summary>
    /// <exception cref="ForbiddenAddressException">None of the host's addresses may be connected to.</exception>
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext connection, CancellationToken cancel)
    {
        var host = connection.DnsEndPoint;
        if (IsOwn(host.Host, host.Port))
        {
            var (stream, address) = await PoolStream.ConnectAsync(host, cancel);
            Learn(AddressScopes.Of(address));
            return stream;
        }

        // Another host than the request's is the proxy that the environment names, and so is whoever is asked for a tunnel.
        var asked = connection.InitialRequestMessage;
        var isProxy = asked.Method == HttpMethod.Connect || !Plain(asked.RequestUri!.IdnHost).Equals(Plain(host.Host), StringComparison.Ordinal);
        if (isProxy || IsConfigured(host.Host, host.Port)) return (await PoolStream.ConnectAsync(host, cancel)).Stream;

        var allowed = Array.FindAll(await Dns.GetHostAddressesAsync(host.Host, cancel), Allows);
        if (allowed.Length == 0) throw new ForbiddenAddressException(Refusal(host.Host));
        return await PoolStream.ConnectAsync(allowed, host.Port, cancel);
    }

    /// <summary>Takes note of where the upstream is.</summary>
    internal void Learn(AddressScope scope)
    {
        lock (_gate) _home = _home is null || _home == scope ? scope : AddressScope.Public;
    }

    /// <summary>Whether an answer may lead to this address.</summary>
    internal bool Allows(IPAddress address)
    {
        var scope = AddressScopes.Of(address);
        if (scope is AddressScope.Public) return true;
        if (scope is AddressScope.Nobody) return false;
        lock (_gate) return _allowsPrivate || _home == scope;
    }

    private bool IsOwn(string host, int port) => _own.Contains((Plain(host), port));

    private bool IsConfigured(string host, int port) => IsOwn(host, port) || _realms.Contains(Plain(host));

    private static string Refusal(string host) =>
        $"it leads to {host}, which is on this machine or a network that is not public, where the upstream is not; privateRedirects allows it";

    private static string Plain(string host) => host.TrimEnd('.').ToLowerInvariant();
}
