using System.Text.RegularExpressions;
using CsCheck;
using Entrepot.Oci;

namespace Entrepot.Tests.Oci;

public sealed partial class GrammarTests
{
    [Theory]
    [InlineData("alpine", true)]
    [InlineData("library/alpine", true)]
    [InlineData("a", true)]
    [InlineData("0/1/2", true)]
    [InlineData("a.b_c__d-e--f---g", true)]
    [InlineData("blobs/manifests/uploads", true)]
    [InlineData("", false)]
    [InlineData("/a", false)]
    [InlineData("a/", false)]
    [InlineData("a//b", false)]
    [InlineData("a..b", false)]
    [InlineData("a___b", false)]
    [InlineData("a._b", false)]
    [InlineData("a-.b", false)]
    [InlineData("-a", false)]
    [InlineData("a-", false)]
    [InlineData(".", false)]
    [InlineData("..", false)]
    [InlineData("../a", false)]
    [InlineData("Alpine", false)]
    [InlineData("a b", false)]
    [InlineData("a\n", false)]
    [InlineData("a\0", false)]
    [InlineData("ä", false)]
    [InlineData("a:b", false)]
    public void IsRepository_Name_FollowsTheSpecification(string name, bool expected) => Assert.Equal(expected, Grammar.IsRepository(name));

    [Theory]
    [InlineData("latest", true)]
    [InlineData("3.20", true)]
    [InlineData("_", true)]
    [InlineData("V1.0-RC_2", true)]
    [InlineData("sha256-abc.sig", true)]
    [InlineData("", false)]
    [InlineData(".1", false)]
    [InlineData("-1", false)]
    [InlineData("a/b", false)]
    [InlineData("a:b", false)]
    [InlineData("a\n", false)]
    [InlineData("é", false)]
    public void IsTag_Text_FollowsTheSpecification(string tag, bool expected) => Assert.Equal(expected, Grammar.IsTag(tag));

    [Fact]
    public void Lengths_HaveTheirLimits()
    {
        Assert.True(Grammar.IsTag(new string('a', 128)));
        Assert.False(Grammar.IsTag(new string('a', 129)));
        Assert.True(Grammar.IsRepository(new string('a', 255)));
        Assert.False(Grammar.IsRepository(new string('a', 256)));
    }

    // Few different characters, so that many of the texts are nearly names.
    [Fact]
    public void IsRepository_AnyText_AgreesWithTheExpression() => Gen.Char["ab0._-/A"].Array[0, 12].Select(letters => new string(letters)).Sample(
        name => Assert.Equal(Repository().IsMatch(name), Grammar.IsRepository(name)), iter: 20_000);

    [Fact]
    public void IsTag_AnyText_AgreesWithTheExpression() => Gen.Char["aZ0._-/:\n é"].Array[0, 6].Select(letters => new string(letters)).Sample(
        tag => Assert.Equal(Tag().IsMatch(tag), Grammar.IsTag(tag)), iter: 20_000);

    [GeneratedRegex(@"\A[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\z", RegexOptions.CultureInvariant)]
    private static partial Regex Repository();

    [GeneratedRegex(@"\A[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Tag();
}
