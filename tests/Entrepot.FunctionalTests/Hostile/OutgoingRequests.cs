using System.Text.RegularExpressions;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Hostile;

/// <summary>What may reach an upstream, whatever clients send: questions of the registry API in the cache's own words. Pure.</summary>
internal static partial class OutgoingRequests
{
    /// <summary>What is wrong with a request that an upstream received; <see langword="null"/> if nothing.</summary>
    /// <param name="request">The request.</param>
    /// <param name="upstream">Where it was to go.</param>
    public static string? Objection(ReceivedRequest request, Uri upstream)
    {
        if (request.Method is not ("GET" or "HEAD")) return $"the method {request.Method}";
        if (request.Body.Length > 0) return "a body";
        if (request.Path != "/v2/" && !IsQuestion(request.Path)) return $"the path {request.Path}";
        if (!QueryOf(request.Path).IsMatch(request.Query)) return $"the query {request.Query}";
        if (request.Headers.GroupBy(header => header.Name, StringComparer.OrdinalIgnoreCase).FirstOrDefault(one => one.Count() > 1 && one.Key != "Accept") is { } twice) return $"several headers {twice.Key}";
        return request.Headers.Select(header => HeaderObjection(header.Name, header.Value, upstream)).FirstOrDefault(one => one is not null);
    }

    // Split from the end, as the specification allows: a repository may have components that are called manifests.
    private static bool IsQuestion(string path)
    {
        if (Question().Match(path) is not { Success: true } match || !Grammar.IsRepository(match.Groups["name"].Value)) return false;
        var (kind, last) = (match.Groups["kind"].Value, match.Groups["last"].Value);
        return kind switch
        {
            "tags" => last == "list",
            "manifests" => Grammar.IsTag(last) || Digest.TryParse(last, out _),
            _ => Digest.TryParse(last, out _),
        };
    }

    private static Regex QueryOf(string path) =>
        path.EndsWith("/tags/list", StringComparison.Ordinal) ? OfTags()
        : path.Contains("/referrers/", StringComparison.Ordinal) ? OfReferrers()
        : None();

    private static string? HeaderObjection(string name, string value, Uri upstream)
    {
        var isRight = name.ToUpperInvariant() switch
        {
            "HOST" => value == upstream.Authority,
            "USER-AGENT" => value.StartsWith("entrepot/", StringComparison.OrdinalIgnoreCase) && Visible().IsMatch(value),
            "ACCEPT-ENCODING" => value == "identity",
            "ACCEPT" => value.Split(", ").All(type => type is "*/*" or "application/json" || MediaTypes.Accepted.Contains(type)),
            "RANGE" => OneRange().IsMatch(value),
            "IF-RANGE" => Tag().IsMatch(value),
            _ => false,
        };
        return isRight ? null : $"the header {name}: {value}";
    }

    [GeneratedRegex("^/v2/(?<name>.+)/(?<kind>manifests|blobs|tags|referrers)/(?<last>[^/]+)\\z", RegexOptions.ExplicitCapture)]
    private static partial Regex Question();

    [GeneratedRegex("^\\z")]
    private static partial Regex None();

    [GeneratedRegex("^(n=[0-9]{1,10})?((^|&)last=[A-Za-z0-9._~%-]*)?\\z", RegexOptions.ExplicitCapture)]
    private static partial Regex OfTags();

    [GeneratedRegex("^(artifactType=[A-Za-z0-9._~%-]+)?\\z", RegexOptions.ExplicitCapture)]
    private static partial Regex OfReferrers();

    [GeneratedRegex("^[ -~]{1,100}\\z")]
    private static partial Regex Visible();

    [GeneratedRegex("^bytes=[0-9]{1,19}-[0-9]{0,19}\\z")]
    private static partial Regex OneRange();

    [GeneratedRegex("^\"[!#-~]{1,200}\"\\z")]
    private static partial Regex Tag();
}
