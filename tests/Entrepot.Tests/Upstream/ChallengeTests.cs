using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class ChallengeTests
{
    [Fact]
    public void Parse_QuotedParameters_ReadsRealmAndService()
    {
        var challenge = Assert.Single(Challenge.Parse(
            "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:library/alpine:pull,push\""));

        Assert.Equal(new Challenge("Bearer", "https://auth.docker.io/token", "registry.docker.io"), challenge);
        Assert.True(challenge.IsBearer);
    }

    [Theory]
    [InlineData("Bearer realm=\"a\\\"b\\\\c\"", "a\"b\\c")]
    [InlineData("Bearer REALM = \"spaced\"", "spaced")]
    [InlineData("bearer realm=token", "token")]
    [InlineData("Bearer scope=\"realm=wrong, x\", realm=\"right\"", "right")]
    [InlineData("Bearer realm=\"first\", realm=\"second\"", "first")]
    [InlineData("Bearer realm=\"\"", "")]
    [InlineData("Bearer", "")]
    [InlineData("Bearer realm=\"never closed", "")]
    public void Parse_Forms_ReadsRealm(string header, string realm)
    {
        var challenge = Assert.Single(Challenge.Parse(header));

        Assert.True(challenge.IsBearer);
        Assert.Equal(realm, challenge.Realm);
    }

    [Fact]
    public void Parse_SeveralInOneLine_KeepsTheirParametersApart()
    {
        var challenges = Challenge.Parse("Negotiate YWJj==, Basic realm=\"first\", , Bearer service=s,realm=\"second\"");

        Assert.Equal(
            [new Challenge("Negotiate", "", ""), new Challenge("Basic", "first", ""), new Challenge("Bearer", "second", "s")], challenges);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" , ,")]
    [InlineData("=nonsense")]
    [InlineData("\"quoted\"")]
    public void Parse_Nonsense_FindsNothing(string header) => Assert.Empty(Challenge.Parse(header));

    [Fact]
    public void Choose_BasicBeforeBearerInOtherLine_TakesBearer()
    {
        var chosen = Challenge.Choose(["Basic realm=\"b\"", "Digest realm=\"d\", Bearer realm=\"t\""]);

        Assert.Equal("t", chosen?.Realm);
    }

    [Fact]
    public void Choose_OnlyBasic_TakesBasic() => Assert.True(Challenge.Choose(["Negotiate", "basic realm=x"])?.IsBasic);

    [Fact]
    public void Choose_OnlyUnknownSchemes_IsNull() => Assert.Null(Challenge.Choose(["Negotiate", "Digest realm=\"x\""]));
}
