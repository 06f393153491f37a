using Entrepot.Oci;

namespace Entrepot.Tests.Oci;

/// <summary>The small nouns: query values, routes, references, media types, answers and errors.</summary>
public sealed class VocabularyTests
{
    [Theory]
    [InlineData("?n=10", "n", "10")]
    [InlineData("n=10", "n", "10")]
    [InlineData("?last=a&n=10&n=20", "n", "10")]
    [InlineData("?nn=1&n=2", "n", "2")]
    [InlineData("?n", "n", "")]
    [InlineData("?n=", "n", "")]
    [InlineData("?n=a=b", "n", "a=b")]
    [InlineData("?N=1", "n", null)]
    [InlineData("?last=a%2Fb+c%2", "last", "a/b c%2")]
    [InlineData("", "n", null)]
    [InlineData("?&&", "n", null)]
    public void Find_Query_GivesTheFirstValueDecoded(string query, string key, string? value) => Assert.Equal(value, QueryValues.Find(query, key));

    [Fact]
    public void Routes_NamesAndHosts_AreFoundWhateverTheirCase()
    {
        var routes = new UpstreamRoutes([("docker.io", []), ("ghcr.io", ["Mirror.example"])], "docker.io");

        Assert.Equal(("docker.io", "ghcr.io", null), (routes.Default, routes.ByName("GHCR.IO"), routes.ByName("quay.io")));
        Assert.Equal(("ghcr.io", "docker.io"), (routes.ByHost("mirror.example:1"), routes.ByHost("other.example:1")));
    }

    [Theory]
    [InlineData("docker.io", "alpine", "library/alpine")]
    [InlineData("docker.io", "org/app", "org/app")]
    [InlineData("ghcr.io", "app", "app")]
    public void FullName_OneSegment_IsOfTheLibraryAtDockerHubOnly(string upstream, string repository, string full) =>
        Assert.Equal(full, UpstreamRoutes.FullName(upstream, repository));

    [Fact]
    public void Reference_ByTagOrDigest_TellsWhich()
    {
        var digest = Digest.Of([]);
        var tag = new Reference("docker.io", "library/alpine", "3.20");

        Assert.Equal((true, "3.20"), (tag.IsTag, tag.Target));
        Assert.Equal((false, digest.ToString()), (tag.At(digest).IsTag, tag.At(digest).Target));
        Assert.Equal(new Reference("docker.io", "library/alpine", digest), tag.At(digest));
    }

    [Theory]
    [InlineData("application/json", true)]
    [InlineData("application/vnd.oci.image.manifest.v1+json; charset=utf-8", true)]
    [InlineData(null, false)]
    [InlineData("", false)]
    [InlineData("a/b\r\nX: y", false)]
    [InlineData("a/b\0", false)]
    [InlineData("a/\u00e9", false)]
    [InlineData("a/b\u007f", false)]
    public void IsUsable_MediaType_MayStandInAHeader(string? mediaType, bool usable) => Assert.Equal(usable, MediaTypes.IsUsable(mediaType));

    [Fact]
    public void IsUsable_AbsurdlyLong_IsNot()
    {
        Assert.True(MediaTypes.IsUsable(new string('a', 255)));
        Assert.False(MediaTypes.IsUsable(new string('a', 256)));
    }

    [Fact]
    public void Answer_ContentOrError_IsExactlyOne()
    {
        Answer<string> content = "content";
        Answer<string> error = RegistryError.BlobUnknown;

        Assert.True(content.Has(out var value, out var none));
        Assert.Equal(("content", null), (value, none));
        Assert.False(error.Has(out var nothing, out var told));
        Assert.Equal((null, RegistryError.BlobUnknown), (nothing, told));
    }

    [Fact]
    public void IsOutage_Errors_AreOnlyThoseThatSayNothing()
    {
        RegistryError[] outages =
        [
            RegistryError.BadGateway("x"), RegistryError.Down("x"), RegistryError.Silent("x"), RegistryError.TooManyRequests(null), RegistryError.StoreFault("x"),
        ];
        RegistryError[] answers =
        [
            RegistryError.NameInvalid, RegistryError.DigestInvalid, RegistryError.TagInvalid, RegistryError.NameUnknown, RegistryError.ManifestUnknown,
            RegistryError.BlobUnknown, RegistryError.Unsupported, RegistryError.Unauthorized, RegistryError.Denied,
        ];

        Assert.All(outages, error => Assert.True(error.IsOutage));
        Assert.All(answers, error => Assert.False(error.IsOutage));
        Assert.All(outages, error => Assert.DoesNotContain(error.Status, new[] { 400, 401, 403, 404 }));
    }

    [Fact]
    public void RetryAfter_IsWhatWasSaid()
    {
        Assert.Null(RegistryError.Down("x").RetryAfter);
        Assert.Equal(TimeSpan.FromMinutes(1), RegistryError.Down("x", TimeSpan.FromMinutes(1)).RetryAfter);
        Assert.Null(RegistryError.TooManyRequests(null).RetryAfter);
    }
}
