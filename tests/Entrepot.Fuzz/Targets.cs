using Entrepot.Oci;
using Entrepot.Server.Edge;
using Entrepot.Server.Options;
using static Entrepot.Fuzz.Target;

namespace Entrepot.Fuzz;

/// <summary>Every parser of what clients, upstreams and operators write.</summary>
public static class Targets
{
    private const string Hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    private const string Sha256 = "sha256:" + Hex;
    private const string Sha512 = "sha512:" + Hex + Hex;

    private static readonly UpstreamRoutes Routes =
        new([("docker.io", ["docker.mirror.example"]), ("ghcr.io", ["ghcr.mirror.example:8443"]), ("registry.local:5000", [])], "docker.io");

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        OfText("request-target", RequestTargets, "/v2/\n?n=1\nmirror", "/v2/_catalog\n?ns=ghcr.io\n", $"/v2/ghcr.io/org/app/blobs/{Sha256}\n\n", "/v2/app/manifests/1\n?ns=registry.local%3A5000\n",
            $"/v2/a/b/referrers/{Sha512}\n?artifactType=x\ndocker.mirror.example:1", "/v2/app/tags/list\n?last=a&n=2\n[::1]:5000"),
        OfText("pattern", Patterns, "alpine", "ghcr.io/org/app:v1", $"docker.io/library/alpine@{Sha256}", "ghcr.io/*:v1*", "*@*", $"registry.local:5000/a:1@{Sha512}", "localhost/a"),
        OfText("digest", Digests, Sha256, Sha512, "sha256:" + Hex.ToUpperInvariant(), "md5:0"),
        OfText("grammar", Grammars, "org/app", "a__b.c-d/e", "v1.2.3_x", ".a"),
        OfText("range", Ranges, "bytes=0-0", "bytes=5-", "bytes=-7, 1-2 ,,3-", "bytes=99999999999999999999-", "items=1-2"),
        OfText("query", Queries, "?ns=docker.io&n=%31", "n&n=+", "a=%zz&ns="),
        OfText("entity-tag", EntityTag, $"\"{Sha256}\"", $"W/\"{Sha256}\", \"x\"", "*", "\"a,b"),
        OfText("quantity", Quantities, "64KiB", "1.5GB", "200MB/s", "168h", "500ms", "unlimited", "79228162514264337593543950335"),
        OfText("address", Addresses, "0.0.0.0:5000", "[::1]:0", "registry.example.com:443", "https://user@host/", "http://[::1]:5000", "latest*"),
        OfText("yaml", Yaml, "listen: [\"0.0.0.0:5000\"]\nstorage:\n  quota: 80%\n", "upstreams:\n- name: ghcr.io\n  urls: [https://ghcr.io]\n", "a: &x [1]\nb: [*x, *x]\n", "limits: {manifest: 8MiB}\n? [a]\n: b\n", "!!![Z",
            "upstreams:\n- name: ghgr.io\n  url\u0018s: [httpsDDDDDDDDDDDDDDDDDDDDDDDDDDDD://gghgr.io\n  url\u0018s: [httpsDDDDDDDDDDDDDDDDDDDDDDDDDDDD://ghcr.r.io]\nio]\n"),
        OfBytes("manifest", Manifests, $$"""{"schemaVersion":2,"config":{"digest":"{{Sha256}}","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{{Sha512}}","size":-1,"urls":[]}]}""",
            $$"""{"manifests":[{"digest":"{{Sha256}}","size":1e99},null,[{}]],"mediaType":"x"}""", """{"mediaType":"\ud800","layers":{}}""", "[[[[]]]]"),
        .. UpstreamTargets.All,
        .. FileTargets.All,
    ];

    // A target's path, query and host are its first three lines.
    private static void RequestTargets(string input)
    {
        var parts = input.Split('\n');
        var (path, query, host) = (parts[0], parts.Length > 1 ? parts[1] : "", parts.Length > 2 ? parts[2] : "");
        var error = RequestTarget.Parse(path, query, host, Routes, out var target);
        if (error is not null)
        {
            Holds(error.Status is 400 or 404, $"an error of {error.Status}");
            return;
        }

        var reference = target.Reference;
        Holds(Routes.Names.Contains(reference.Upstream), "an upstream that is configured");
        if (target.Kind is TargetKind.Base or TargetKind.Catalog) return;
        Holds(Grammar.IsRepository(reference.Repository) || reference.Repository.Length > Grammar.MaxRepositoryLength, "a repository of the grammar");
        if (target.Kind is TargetKind.Tags) return;
        Holds(reference.IsTag ? Grammar.IsTag(reference.Tag) : reference.Digest != default, "a tag or a digest");

        // What it stands for, asked in full, is itself again.
        var kind = target.Kind switch { TargetKind.Manifest => "manifests", TargetKind.Blob => "blobs", _ => "referrers" };
        var full = $"/v2/{reference.Upstream}/{reference.Repository}/{kind}/{reference.Target}";
        var again = RequestTarget.Parse(full, "", "", Routes, out var same);
        Holds(again is not null || same.Reference == reference, "the same reference, asked in full");
    }

    private static void Patterns(string input)
    {
        if (ReferencePattern.Parse(input, Routes, ["old.example"], out var pattern) is { } objection)
        {
            Holds(objection.Status is 400 or 404, $"an objection of {objection.Status}");
            return;
        }

        Holds(ReferencePattern.Parse(pattern.Text, Routes, ["old.example"], out var again) is null, "its full form is a pattern, too");
        Holds(again == pattern, "what is completed stays as it is");
        if (pattern.Exact is { } exact) Holds(pattern.Matches(exact), "a reference fits itself");
        pattern.Matches(new Reference("docker.io", "library/alpine", "3.20"));
    }

    private static void Digests(string input)
    {
        if (!Digest.TryParse(input, out var digest)) return;
        Holds(digest.ToString() == input && Digest.Parse(digest.ToString()) == digest, "a digest is written as it was read");
        Holds(Path.GetFileName(digest.Hex) == digest.Hex, "a hash names a file");
    }

    private static void Grammars(string input)
    {
        if (Grammar.IsRepository(input)) Holds(input.Length <= Grammar.MaxRepositoryLength && !input.Contains("..", StringComparison.Ordinal) && input.All(c => c is '/' or '.' or '_' or '-' || char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c)), "a repository stays below its folder");
        if (Grammar.IsTag(input)) Holds(input.Length <= Grammar.MaxTagLength && !input.Contains('/', StringComparison.Ordinal), "a tag is one part of a path");
    }

    private static void Ranges(string input)
    {
        foreach (var range in RangeRequest.ParseAll(input))
        {
            foreach (var size in (long[])[0, 1, 100, long.MaxValue])
            {
                if (range.TryResolve(size, out var span)) Holds(0 <= span.From && span.From < span.To && span.To <= size, "a range lies within the blob");
            }
        }

        if (RangeRequest.TryParse(input, out var one)) Holds(RangeRequest.ParseAll(input) is [var same] && same == one, "one range, read either way");
    }

    private static void Queries(string input)
    {
        foreach (var key in (string[])["ns", "n", "last"])
            Holds(QueryValues.Find(input, key) is not null == QueryValues.TryFind(input, key, out _), "a value that is there is found");
    }

    private static void EntityTag(string input)
    {
        var digest = Digest.Parse(Sha256);
        if (EntityTags.AllowsRange(input, digest)) Holds(EntityTags.Match(input, digest), "a tag that is the content's");
    }

    private static void Quantities(string input)
    {
        if (Quantity.TryParseSize(input, out var bytes)) Holds(bytes >= 0 && Quantity.Show(bytes).Length > 0, "a size of 0 or more");
        if (Quantity.TryParseRate(input, out var rate)) Holds(rate >= 0 && double.IsFinite(rate), "a rate of 0 or more");
        if (Quantity.TryParseDurationOrUnlimited(input, out var time)) Holds(time >= TimeSpan.Zero || time == Timeout.InfiniteTimeSpan, "a time of 0 or more");
    }

    private static void Addresses(string input)
    {
        if (Parsers.TryParseEndpoint(input, out var endpoint)) Holds(Parsers.TryParseEndpoint(endpoint.ToString(), out var same) && same.Equals(endpoint), "an address is written as it was read");
        if (Parsers.TryParseHostAndPort(input, out var host)) Holds(Parsers.TryParseHostAndPort(host, out var same) && same == host, "a host that is lower case stays as it is");
        if (Parsers.TryParseUrl(input, out var url)) Holds(url.UserInfo.Length == 0 && url.PathAndQuery == "/" && url.Scheme is "http" or "https", "an address of a registry");
        if (Parsers.TryParseText(input, out var text)) Holds(text == input, "a text is itself");
        if (Parsers.TryParseTagPattern(input, out var pattern)) Holds(pattern == input && pattern.Length <= Grammar.MaxTagLength, "a pattern is itself");
    }

    private static void Yaml(string input)
    {
        var problems = new List<Problem>();
        var values = YamlReader.Read("entrepot.yaml", input, problems);
        OptionWalk.Apply(OptionTable.All, values, new EntrepotOptions(), "", problems);
    }

    private static void Manifests(byte[] input)
    {
        if (Manifest.TryParse(input) is not { } manifest) return;
        Holds(manifest.Blobs.Count + manifest.Manifests.Count <= Manifest.MostDescriptors + 1, "no more descriptors than are followed");
        Holds(manifest.Blobs.Concat(manifest.Manifests).All(descriptor => descriptor.Digest != default), "descriptors have digests");
        Holds(Manifest.TryParse(input)!.MediaType == manifest.MediaType, "the same, read again");
    }
}
