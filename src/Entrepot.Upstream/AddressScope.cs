using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Entrepot.Upstream;

/// <summary>Who can be at an address.</summary>
internal enum AddressScope
{
    /// <summary>Anybody on the internet.</summary>
    Public,

    /// <summary>Somebody of the same organization (RFC 1918, RFC 4193, RFC 6598).</summary>
    Private,

    /// <summary>A neighbour on the same link; at most clouds also the service that gives machines their credentials.</summary>
    Link,

    /// <summary>This machine.</summary>
    Loopback,

    /// <summary>Nobody: multicast, and what is reserved.</summary>
    Nobody,
}

/// <summary>Tells addresses apart by who can be there. Pure.</summary>
internal static class AddressScopes
{
    // IPv4, most special first: network, bits of it, who is there (IANA's registry of special addresses).
    private static readonly (uint Network, int Bits, AddressScope Scope)[] Networks =
    [
        (0x7F000000, 8, AddressScope.Loopback),
        (0x00000000, 8, AddressScope.Loopback),   // 0.0.0.0 leads to this machine
        (0x0A000000, 8, AddressScope.Private),
        (0xAC100000, 12, AddressScope.Private),
        (0xC0A80000, 16, AddressScope.Private),
        (0x64400000, 10, AddressScope.Private),
        (0xA9FE0000, 16, AddressScope.Link),
        (0xC0000000, 24, AddressScope.Link),      // one cloud has its machines' credentials in 192.0.0.0/24
        (0xC6120000, 15, AddressScope.Private),
        (0xE0000000, 3, AddressScope.Nobody),
    ];

    /// <summary>Who can be at an address. One of IPv4 within one of IPv6 is what it is.</summary>
    public static AddressScope Of(IPAddress address)
    {
        if (address.AddressFamily is AddressFamily.InterNetwork) return Of(BinaryPrimitives.ReadUInt32BigEndian(address.GetAddressBytes()));
        if (address.Equals(IPAddress.IPv6Loopback) || address.Equals(IPAddress.IPv6Any)) return AddressScope.Loopback;
        if (address.IsIPv6LinkLocal) return AddressScope.Link;
        if (address.IsIPv6UniqueLocal || address.IsIPv6SiteLocal) return AddressScope.Private;
        if (address.IsIPv6Multicast) return AddressScope.Nobody;
        return Embedded(address.GetAddressBytes()) is { } inner ? Of(inner) : AddressScope.Public;
    }

    private static AddressScope Of(uint address)
    {
        foreach (var (network, bits, scope) in Networks)
            if ((address ^ network) >> (32 - bits) == 0) return scope;
        return AddressScope.Public;
    }

    // Ways of writing IPv4 in IPv6: mapped, compatible, translated (64:ff9b::/96, 64:ff9b:1::/48), 6to4, and Teredo, which has it inverted.
    private static uint? Embedded(byte[] bytes)
    {
        var first = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        var third = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(8));
        var last = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(12));
        if (first == 0 && third is 0 or 0xFFFF) return last;
        if (first >> 32 == 0x0064FF9B) return last;
        if (first >> 48 == 0x2002) return (uint)((first >> 16) & 0xFFFFFFFF);
        return first >> 32 == 0x20010000 ? ~last : null;
    }
}
