using CsCheck;
using Entrepot.Oci;

namespace Entrepot.Tests.Oci;

public sealed class RequestTargetTests
{
    private const string Hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    private const string Name = "sha256:" + Hex;

    private static readonly UpstreamRoutes Routes = new(
        [("docker.io", ["docker.mirror.example"]), ("ghcr.io", ["ghcr.mirror.example", "ghcr.mirror.example:8443"]), ("quay.io", [])], "docker.io");

    [Theory]
    [InlineData("/v2/alpine/manifests/3.20", TargetKind.Manifest, "docker.io/library/alpine:3.20")]
    [InlineData("/v2/library/alpine/manifests/latest", TargetKind.Manifest, "docker.io/library/alpine:latest")]
    [InlineData("/v2/org/app/manifests/" + Name, TargetKind.Manifest, "docker.io/org/app@" + Name)]
    [InlineData("/v2/alpine/blobs/" + Name, TargetKind.Blob, "docker.io/library/alpine@" + Name)]
    [InlineData("/v2/org/app/referrers/" + Name, TargetKind.Referrers, "docker.io/org/app@" + Name)]
    [InlineData("/v2/ghcr.io/org/app/manifests/v1", TargetKind.Manifest, "ghcr.io/org/app:v1")]
    [InlineData("/v2/GHCR.io/app/manifests/v1", TargetKind.Manifest, "ghcr.io/app:v1")]
    [InlineData("/v2/docker.io/alpine/manifests/v1", TargetKind.Manifest, "docker.io/library/alpine:v1")]
    [InlineData("/v2/ghcr.io/manifests/v1", TargetKind.Manifest, "docker.io/library/ghcr.io:v1")]
    [InlineData("/v2/other.io/app/manifests/v1", TargetKind.Manifest, "docker.io/other.io/app:v1")]
    [InlineData("/v2/a/blobs/b/manifests/c/manifests/list", TargetKind.Manifest, "docker.io/a/blobs/b/manifests/c:list")]
    [InlineData("/v2/manifests/blobs/blobs/" + Name, TargetKind.Blob, "docker.io/manifests/blobs@" + Name)]
    [InlineData("/v2/tags/tags/list/manifests/list", TargetKind.Manifest, "docker.io/tags/tags/list:list")]
    public void Parse_Content_IsAReference(string path, TargetKind kind, string reference)
    {
        Assert.Null(RequestTarget.Parse(path, "", "mirror.example:5000", Routes, out var target));
        Assert.Equal((kind, reference, false), (target.Kind, target.Reference.ToString(), target.IsNamespaced));
    }

    [Theory]
    [InlineData("/v2", TargetKind.Base)]
    [InlineData("/v2/", TargetKind.Base)]
    [InlineData("/v2/_catalog", TargetKind.Catalog)]
    public void Parse_NoRepository_HasNone(string path, TargetKind kind)
    {
        Assert.Null(RequestTarget.Parse(path, "", "", Routes, out var target));
        Assert.Equal((kind, "docker.io", ""), (target.Kind, target.Reference.Upstream, target.Reference.Repository));
    }

    [Theory]
    [InlineData("?ns=registry.local:5000")]
    [InlineData("?ns=registry.local%3A5000")]   // as containerd sends it
    public void Parse_NamespaceWithAPort_IsThatUpstream(string query)
    {
        var routes = new UpstreamRoutes([("docker.io", []), ("registry.local:5000", [])], "docker.io");

        Assert.Null(RequestTarget.Parse("/v2/app/manifests/v1", query, "", routes, out var target));
        Assert.Equal("registry.local:5000", target.Reference.Upstream);
    }

    [Fact]
    public void Parse_Tags_HasARepository()
    {
        Assert.Null(RequestTarget.Parse("/v2/quay.io/org/app/tags/list", "?n=10", "", Routes, out var target));
        Assert.Equal((TargetKind.Tags, "quay.io", "org/app"), (target.Kind, target.Reference.Upstream, target.Reference.Repository));
    }

    [Theory]
    [InlineData("?ns=ghcr.io", "", "ghcr.io/app:v1")]
    [InlineData("?ns=docker.io", "ghcr.mirror.example", "docker.io/library/app:v1")]   // ns comes before Host
    [InlineData("?x=1&ns=quay.io&ns=ghcr.io", "", "quay.io/app:v1")]
    [InlineData("", "ghcr.mirror.example", "ghcr.io/app:v1")]
    [InlineData("", "GHCR.mirror.example:5000", "ghcr.io/app:v1")]
    [InlineData("", "ghcr.mirror.example:8443", "ghcr.io/app:v1")]
    [InlineData("", "docker.mirror.example", "docker.io/library/app:v1")]
    [InlineData("", "[::1]:5000", "docker.io/library/app:v1")]
    [InlineData("", "", "docker.io/library/app:v1")]
    public void Parse_Selection_TakesTheFirstThatApplies(string query, string host, string reference)
    {
        Assert.Null(RequestTarget.Parse("/v2/app/manifests/v1", query, host, Routes, out var target));
        Assert.Equal((reference, query.Length > 0), (target.Reference.ToString(), target.IsNamespaced));
    }

    [Fact]
    public void Parse_PrefixAndHost_PrefixComesFirst()
    {
        Assert.Null(RequestTarget.Parse("/v2/quay.io/app/manifests/v1", "", "ghcr.mirror.example", Routes, out var target));
        Assert.Equal("quay.io/app:v1", target.Reference.ToString());
    }

    [Fact]
    public void Parse_NsIsGiven_FirstSegmentIsPartOfTheName()
    {
        Assert.Null(RequestTarget.Parse("/v2/ghcr.io/app/manifests/v1", "?ns=quay.io", "", Routes, out var target));
        Assert.Equal("quay.io/ghcr.io/app:v1", target.Reference.ToString());
    }

    [Theory]
    [InlineData("/", "", 404, "NAME_UNKNOWN")]
    [InlineData("", "", 404, "NAME_UNKNOWN")]
    [InlineData("/v1/alpine", "", 404, "NAME_UNKNOWN")]
    [InlineData("/v2x", "", 404, "NAME_UNKNOWN")]
    [InlineData("/v2/alpine", "", 404, "NAME_UNKNOWN")]
    [InlineData("/v2/alpine/tags", "", 404, "NAME_UNKNOWN")]
    [InlineData("/v2/alpine/tags/latest", "", 404, "NAME_UNKNOWN")]
    [InlineData("/v2/manifests/latest", "", 404, "NAME_UNKNOWN")]
    [InlineData("/v2//manifests/latest", "", 404, "NAME_UNKNOWN")]
    [InlineData("/V2/alpine/manifests/latest", "", 404, "NAME_UNKNOWN")]
    [InlineData("/v2/alpine/manifests/latest", "?ns=evil.example", 404, "NAME_UNKNOWN")]
    [InlineData("/v2/alpine/manifests/latest", "?ns=", 404, "NAME_UNKNOWN")]
    [InlineData("/v2/", "?ns=evil.example", 404, "NAME_UNKNOWN")]
    [InlineData("/v2/Alpine/manifests/latest", "", 400, "NAME_INVALID")]
    [InlineData("/v2/a/../b/manifests/latest", "", 400, "NAME_INVALID")]
    [InlineData("/v2/../../etc/manifests/passwd", "", 400, "NAME_INVALID")]
    [InlineData("/v2/a//b/manifests/latest", "", 400, "NAME_INVALID")]
    [InlineData("/v2/a\0b/manifests/latest", "", 400, "NAME_INVALID")]
    [InlineData("/v2/a%2fb/manifests/latest", "", 400, "NAME_INVALID")]
    [InlineData("/v2/a\\b/manifests/latest", "", 400, "NAME_INVALID")]
    [InlineData("/v2/ghcr.io//manifests/latest", "", 400, "NAME_INVALID")]
    [InlineData("/v2/alpine/manifests/", "", 400, "MANIFEST_INVALID")]
    [InlineData("/v2/alpine/manifests/..", "", 400, "MANIFEST_INVALID")]
    [InlineData("/v2/alpine/manifests/-x", "", 400, "MANIFEST_INVALID")]
    [InlineData("/v2/alpine/manifests/sha256:abc", "", 400, "DIGEST_INVALID")]
    [InlineData("/v2/alpine/manifests/md5:" + Hex, "", 400, "DIGEST_INVALID")]
    [InlineData("/v2/alpine/blobs/latest", "", 400, "DIGEST_INVALID")]
    [InlineData("/v2/alpine/blobs/", "", 400, "DIGEST_INVALID")]
    [InlineData("/v2/alpine/referrers/latest", "", 400, "DIGEST_INVALID")]
    public void Parse_NoQuestion_IsAnError(string path, string query, int status, string code)
    {
        var error = RequestTarget.Parse(path, query, "", Routes, out var target);

        Assert.Equal((status, code), (error?.Status, error?.Code));
        Assert.Equal(default, target);
    }

    [Fact]
    public void Parse_AbsurdlyLong_IsRefused()
    {
        var name = new string('a', 100_000);
        Assert.Equal(400, RequestTarget.Parse($"/v2/{name}/manifests/latest", "", "", Routes, out _)!.Status);
        Assert.Equal(400, RequestTarget.Parse($"/v2/alpine/manifests/{name}", "", "", Routes, out _)!.Status);
        Assert.Equal(404, RequestTarget.Parse("/v2/" + string.Concat(Enumerable.Repeat("a/", 50_000)), "?ns=" + name, name, Routes, out _)!.Status);
    }

    [Fact]
    public void Parse_AnyText_NeverThrowsAndNeverGivesAnUncheckedName()
    {
        string[] known = ["v2", "", "..", "alpine", "manifests", "blobs", "tags", "list", "referrers", "_catalog", "ghcr.io", "latest", Name];
        var segment = Gen.OneOf(Gen.Int[0, known.Length - 1].Select(i => known[i]), Gen.String[0, 6]);
        Gen.Select(segment.Array[0, 7], Gen.String[0, 12], Gen.String[0, 12]).Sample((segments, query, host) =>
        {
            var error = RequestTarget.Parse("/" + string.Join('/', segments), query, host, Routes, out var target);
            if (error is not null || target.Kind is TargetKind.Base or TargetKind.Catalog) return;
            Assert.True(Grammar.IsRepository(target.Reference.Repository));
            Assert.True(!target.Reference.IsTag || Grammar.IsTag(target.Reference.Tag));
        }, iter: 20_000);
    }
}
