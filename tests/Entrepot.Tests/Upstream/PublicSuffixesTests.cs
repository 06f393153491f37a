using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class PublicSuffixesTests
{
    [Theory]
    [InlineData("registry-1.docker.io", "docker.io")]
    [InlineData("docker.io", "docker.io")]
    [InlineData("a.b.example.co.uk", "example.co.uk")]
    [InlineData("me.github.io", "me.github.io")]                        // a private rule
    [InlineData("deep.me.github.io", "me.github.io")]
    [InlineData("x.y.foo.ck", "y.foo.ck")]                              // *.ck
    [InlineData("a.www.ck", "www.ck")]                                  // !www.ck
    [InlineData("registry.corp.internal", "corp.internal")]             // no rule: the last label is the suffix
    [InlineData("r.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn")]
    public void RegistrableDomain_BuiltIn_IsWhatOneOwnerRegistered(string host, string domain) =>
        Assert.Equal(domain, PublicSuffixes.BuiltIn.RegistrableDomain(host));

    [Theory]
    [InlineData("io")]
    [InlineData("co.uk")]
    [InlineData("github.io")]
    [InlineData("foo.ck")]
    [InlineData("localhost")]
    public void RegistrableDomain_PublicSuffix_IsNull(string host) => Assert.Null(PublicSuffixes.BuiltIn.RegistrableDomain(host));

    [Fact]
    public void Constructor_CommentsAndBlankLines_AreNoRules()
    {
        var suffixes = new PublicSuffixes(new StringReader("// a comment\n\n  \nexample\n*.wild.example\n!not.wild.example\n"));

        Assert.Equal("a.example", suffixes.RegistrableDomain("b.a.example"));
        Assert.Null(suffixes.RegistrableDomain("x.wild.example"));
        Assert.Equal("not.wild.example", suffixes.RegistrableDomain("a.not.wild.example"));
    }
}
