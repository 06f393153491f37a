using System.Text.RegularExpressions;
using BenchmarkDotNet.Attributes;
using Entrepot.Oci;

namespace Entrepot.Bench;

/// <summary>Does reading a request's target allocate more than the strings that outlive it, and what does it cost beside a regular expression?</summary>
/// <remarks>The regular expression only splits the path; it checks neither names nor digests, and knows no upstreams.</remarks>
[MemoryDiagnoser]
public partial class ParseTarget
{
    private const string Digest = "sha256:9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0";

    private readonly UpstreamRoutes _routes = new([("docker.io", []), ("ghcr.io", []), ("quay.io", []), ("registry.k8s.io", [])], "docker.io");
    private string _path = "";
    private string _query = "";
    private string _repository = "";
    private string _tag = "";

    /// <summary>What kind of request it is.</summary>
    [Params("tag", "digest", "blob", "ns", "prefixed")]
    public string Request { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        (_path, _query) = Request switch
        {
            "tag" => ("/v2/library/alpine/manifests/3.20", ""),
            "digest" => ($"/v2/library/alpine/manifests/{Digest}", ""),
            "blob" => ($"/v2/library/alpine/blobs/{Digest}", ""),
            "ns" => ($"/v2/org/app/blobs/{Digest}", "?ns=ghcr.io"),
            _ => ($"/v2/ghcr.io/org/app/blobs/{Digest}", ""),
        };
        var reference = Entrepot().Reference;
        (_repository, _tag) = (reference.Repository, reference.Tag);
    }

    [Benchmark]
    public RequestTarget Entrepot()
    {
        var error = RequestTarget.Parse(_path, _query, "127.0.0.1:5000", _routes, out var target);
        return error is null ? target : throw new InvalidOperationException(error.Message);
    }

    [Benchmark(Description = "Its strings alone")]
    public (string Repository, string Tag) Strings() => (new string(_repository.AsSpan()), new string(_tag.AsSpan()));

    [Benchmark(Baseline = true, Description = "Regex")]
    public (string Repository, string Kind, string Last, string? Namespace) Expression()
    {
        var groups = Target().Match(_path).Groups;
        var namespaced = _query.StartsWith("?ns=", StringComparison.Ordinal) ? _query[4..] : null;
        return (groups[1].Value, groups[2].Value, groups[3].Value, namespaced);
    }

    [GeneratedRegex("^/v2/(.+)/(manifests|blobs|referrers|tags)/([^/]+)$")]
    private static partial Regex Target();
}
