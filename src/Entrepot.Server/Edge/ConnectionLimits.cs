using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Entrepot.Server.Edge;

/// <summary>Why a connection is refused.</summary>
internal enum ConnectionRefusal
{
    /// <summary>There are as many as there may be.</summary>
    All,

    /// <summary>Its client has as many as one may have.</summary>
    Client,
}

/// <summary>Counts the connections of clients, and closes at once those that are too many: in all, and of one client.</summary>
/// <remarks>
/// Safe for concurrent use. One that is refused is closed before a byte of it is read, without an answer: an answer would have to wait for a request, which is
/// what a flood never sends. A client is an address; of IPv6 it is a network of 64 bits, since all of that is usually one machine's.
/// </remarks>
/// <param name="most">Most connections at once.</param>
/// <param name="mostOfClient">Most connections of one client at once.</param>
/// <param name="refused">Told of the first refusal in <see cref="TellEvery"/>, with all since the start; must return at once.</param>
/// <param name="clock">The time.</param>
internal sealed class ConnectionLimits(int most, int mostOfClient, Action<ConnectionRefusal, IPAddress, long> refused, TimeProvider clock)
{
    /// <summary>A flood is told of once in this time.</summary>
    public static readonly TimeSpan TellEvery = TimeSpan.FromMinutes(1);

    private const int NetworkBytes = 8;   // of an address of IPv6

    private readonly Lock _gate = new();
    private readonly Dictionary<IPAddress, int> _clients = [];   // those that have any; guarded by _gate, like all below
    private readonly long[] _refusals = new long[Enum.GetValues<ConnectionRefusal>().Length];
    private int _open;
    private DateTimeOffset _told = DateTimeOffset.MinValue;

    /// <summary>Most connections at once.</summary>
    public int Most => most;

    /// <summary>Connections now open.</summary>
    public int Open { get { lock (_gate) return _open; } }

    /// <summary>Connections that were refused since the start.</summary>
    public long Refused(ConnectionRefusal why) { lock (_gate) return _refusals[(int)why]; }

    /// <summary>Has the connections of a listener counted. Comes before all else that is used for it.</summary>
    public void UseFor(ListenOptions listen) => listen.Use(next => connection => RunAsync(connection, next));

    /// <summary>One more connection of a client.</summary>
    /// <returns>Whether there may be one; then <see cref="Leave"/> is called when it has ended.</returns>
    internal bool TryEnter(IPAddress client)
    {
        ConnectionRefusal why;
        bool tells;
        long count;
        lock (_gate)
        {
            var own = _clients.GetValueOrDefault(client);
            if (own < mostOfClient && _open < most)
            {
                (_open, _clients[client]) = (_open + 1, own + 1);
                return true;
            }

            why = own >= mostOfClient ? ConnectionRefusal.Client : ConnectionRefusal.All;
            count = ++_refusals[(int)why];
            var now = clock.GetUtcNow();
            tells = now - _told >= TellEvery;
            if (tells) _told = now;
        }

        if (tells) refused(why, client, count);
        return false;
    }

    /// <summary>A connection of a client has ended.</summary>
    internal void Leave(IPAddress client)
    {
        lock (_gate)
        {
            _open--;
            if (--_clients[client] == 0) _clients.Remove(client);
        }
    }

    /// <summary>Whom an address belongs to.</summary>
    internal static IPAddress ClientOf(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address;
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(NetworkBytes).Clear();
        return new IPAddress(bytes);
    }

    private async Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var client = ClientOf((connection.RemoteEndPoint as IPEndPoint)?.Address ?? IPAddress.None);
        if (!TryEnter(client))
        {
            connection.Abort(new ConnectionAbortedException("there are too many connections"));
            return;
        }

        try
        {
            await next(connection);
        }
        finally
        {
            Leave(client);
        }
    }
}
