using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Entrepot.Server.Options;

/// <summary>Reads one value of an option. Returns whether the text is one; never throws.</summary>
internal delegate bool TryParse<T>(string text, out T value);

/// <summary>What the texts of options may look like, quantities aside. Pure.</summary>
internal static class Parsers
{
    private const int MaxHost = 253;   // of a DNS name
    private const int MaxTag = 128;

    /// <summary>A parser that also demands a range, both ends included.</summary>
    public static TryParse<T> Within<T>(this TryParse<T> parse, T least, T most) where T : IComparable<T> =>
        (string text, out T value) => parse(text, out value) && value.CompareTo(least) >= 0 && value.CompareTo(most) <= 0;

    /// <summary>A count: digits only.</summary>
    public static bool TryParseCount(string text, out int count) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count);

    /// <summary><c>true</c> or <c>false</c>.</summary>
    public static bool TryParseSwitch(string text, out bool value)
    {
        value = text == "true";
        return text is "true" or "false";
    }

    /// <summary>A tag (OCI distribution specification 1.1) in which <c>*</c> and <c>?</c> may stand for other characters.</summary>
    public static bool TryParseTagPattern(string text, out string value)
    {
        value = text;
        return text.Length is > 0 and <= MaxTag && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-' or '*' or '?');
    }

    /// <summary>Any text that is not empty and has no control characters.</summary>
    public static bool TryParseText(string text, out string value)
    {
        value = text;
        return text.Length > 0 && !text.Any(char.IsControl);
    }

    /// <summary>An account's name: a text without <c>:</c>, which Basic authentication could not carry (RFC 7617).</summary>
    public static bool TryParseUsername(string text, out string value) => TryParseText(text, out value) && !text.Contains(':');

    /// <summary><c>address:port</c> with an IPv4 address or an IPv6 address in brackets. The text is kept as it is.</summary>
    public static bool TryParseListen(string text, out string value)
    {
        value = text;
        return TryParseEndpoint(text, out _);
    }

    /// <summary>What <see cref="TryParseListen"/> accepts, as an endpoint.</summary>
    public static bool TryParseEndpoint(string text, out IPEndPoint endpoint)
    {
        endpoint = new IPEndPoint(IPAddress.None, 0);
        var colon = text.LastIndexOf(':');
        if (colon <= 0 || !TryParsePort(text[(colon + 1)..], least: 0, out var port)) return false;

        var host = text[..colon];
        var bracketed = host.StartsWith('[') && host.EndsWith(']');
        if (!IPAddress.TryParse(bracketed ? host[1..^1] : host, out var address)) return false;

        // .NET reads "5000" and "127.1" as addresses too, which nobody means here.
        var plain = address.AddressFamily == AddressFamily.InterNetwork && address.ToString() == host;
        if (!plain && !(bracketed && address.AddressFamily == AddressFamily.InterNetworkV6)) return false;

        endpoint = new IPEndPoint(address, port);
        return true;
    }

    /// <summary>A host name or IPv4 address with an optional port, made lower case.</summary>
    public static bool TryParseHostAndPort(string text, out string value)
    {
        value = text.ToLowerInvariant();
        var colon = text.IndexOf(':');
        return colon < 0 ? IsHost(text) : IsHost(text[..colon]) && TryParsePort(text[(colon + 1)..], least: 1, out _);
    }

    /// <summary>A host name or IPv4 address, made lower case.</summary>
    public static bool TryParseHost(string text, out string value)
    {
        value = text.ToLowerInvariant();
        return IsHost(text);
    }

    /// <summary>An http or https address of a registry: a host and an optional port, nothing else.</summary>
    public static bool TryParseUrl(string text, out Uri url)
    {
        url = new Uri("https://invalid");
        // An empty account, query or fragment leaves no trace in the parsed address.
        if (text.AsSpan().ContainsAny('@', '?', '#') || text.Any(c => char.IsControl(c) || char.IsWhiteSpace(c))) return false;
        if (!Uri.TryCreate(text, UriKind.Absolute, out var parsed) || parsed.Host.Length == 0) return false;
        if (parsed.Scheme is not ("http" or "https") || parsed.AbsolutePath != "/") return false;

        url = parsed;
        return true;
    }

    private static bool TryParsePort(string text, int least, out int port) =>
        TryParseCount(text, out port) && text.Length <= 5 && port >= least && port <= ushort.MaxValue;

    private static bool IsHost(string text) =>
        text.Length is > 0 and <= MaxHost && text.Split('.').All(label => label.Length is > 0 and <= 63
            && char.IsAsciiLetterOrDigit(label[0]) && char.IsAsciiLetterOrDigit(label[^1])
            && label.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'));
}
