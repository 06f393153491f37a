using System.Globalization;
using System.Text;

namespace Entrepot.FunctionalTests.Hostile;

/// <summary>A request as a strict reader sees it.</summary>
internal sealed record StrictRequest(string Method, string Target, bool EndsConnection);

/// <summary>How what was sent on a connection ends, for a strict reader.</summary>
internal enum StrictEnd
{
    /// <summary>After a whole request.</summary>
    Whole,

    /// <summary>In the middle of one.</summary>
    Incomplete,

    /// <summary>With something that is no request, or whose end can be read in more than one way: what follows means nothing.</summary>
    Malformed,
}

/// <summary>
/// Reads the requests of a connection as RFC 9112 has them and no other way: lines end with CR LF, no name is followed by a space, one Host, one length of
/// digits. A transfer coding has no place in requests of this API, so that none is read. Pure.
/// </summary>
internal static class StrictReader
{
    private const string TokenMarks = "!#$%&'*+-.^_`|~";

    /// <summary>The requests, how they end, and, where that is not after a whole one, the method of what is there, if it has one.</summary>
    public static (IReadOnlyList<StrictRequest> Requests, StrictEnd End, string Pending) Read(byte[] sent)
    {
        var text = Encoding.Latin1.GetString(sent);
        var found = new List<StrictRequest>();
        var at = 0;
        while (at < text.Length)
        {
            // A server may pass over an empty line before a request (RFC 9112, section 2.2); whatever it is made of, no request begins or ends otherwise for it.
            if (text[at] is '\r' or '\n')
            {
                at++;
                continue;
            }

            var (request, end, next) = ReadOne(text, at);
            if (request is null) return (found, end, text.AsSpan(at).StartsWith("HEAD ") ? "HEAD" : "");
            found.Add(request);
            if (end is StrictEnd.Incomplete) return (found, end, "");
            at = next;
        }

        return (found, StrictEnd.Whole, "");
    }

    private static (StrictRequest? Request, StrictEnd End, int Next) ReadOne(string text, int at)
    {
        if (Line(text, ref at) is not { } first) return (null, StrictEnd.Incomplete, 0);
        if (first.Split(' ') is not [var method, { Length: > 0 } target, var version] || !IsToken(method) || !IsVersion(version)) return (null, StrictEnd.Malformed, 0);

        var headers = new List<(string Name, string Value)>();
        while (true)
        {
            if (Line(text, ref at) is not { } line) return (null, StrictEnd.Incomplete, 0);
            if (line.Length == 0) break;
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0 || !IsToken(line[..colon]) || line.AsSpan().ContainsAny('\r', '\n', '\0')) return (null, StrictEnd.Malformed, 0);
            headers.Add((line[..colon].ToLowerInvariant(), line[(colon + 1)..].Trim(' ', '\t')));
        }

        var hosts = headers.Count(header => header.Name == "host");
        var lengths = headers.Where(header => header.Name == "content-length").Select(header => header.Value).ToList();
        if (hosts > 1 || (hosts == 0 && version == "HTTP/1.1") || lengths.Count > 1 || headers.Exists(header => header.Name == "transfer-encoding")) return (null, StrictEnd.Malformed, 0);
        var length = 0L;
        if (lengths is [var digits] && !long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out length)) return (null, StrictEnd.Malformed, 0);

        var ends = version == "HTTP/1.0" || headers.Exists(header => header.Name == "connection" && header.Value.Split(',').Any(option => option.Trim(' ', '\t').Equals("close", StringComparison.OrdinalIgnoreCase)));
        var request = new StrictRequest(method, target, ends);
        return length > text.Length - at ? (request, StrictEnd.Incomplete, 0) : (request, StrictEnd.Whole, at + (int)length);
    }

    // A line up to its CR LF, which at goes past. One that ends otherwise is taken as it is, and is no request then: it holds the LF.
    private static string? Line(string text, ref int at)
    {
        var feed = text.IndexOf('\n', at);
        if (feed < 0) return null;
        var isRight = feed > at && text[feed - 1] == '\r';
        var line = isRight ? text[at..(feed - 1)] : text[at..(feed + 1)];
        at = feed + 1;
        return line;
    }

    private static bool IsToken(string text) => text.Length > 0 && text.All(c => char.IsAsciiLetterOrDigit(c) || TokenMarks.Contains(c, StringComparison.Ordinal));

    private static bool IsVersion(string text) => text is "HTTP/1.0" or "HTTP/1.1";
}
