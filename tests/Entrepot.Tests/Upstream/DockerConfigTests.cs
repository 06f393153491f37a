using System.Text;
using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class DockerConfigTests
{
    // "joe:s:3cret"
    private const string Auth = "am9lOnM6M2NyZXQ=";

    [Theory]
    [InlineData("https://index.docker.io/v1/", "docker.io")]
    [InlineData("docker.io", "docker.io")]
    [InlineData("ghcr.io", "ghcr.io")]
    [InlineData("https://ghcr.io", "ghcr.io")]
    [InlineData("https://registry.example.org:5000/v2/", "registry.example.org:5000")]
    public void CredentialsOf_KeyForms_AreFound(string key, string name) =>
        Assert.Equal(new Credentials("joe", "s:3cret", false), Parse($"{{\"auths\":{{\"{key}\":{{\"auth\":\"{Auth}\"}}}}}}").CredentialsOf([name]));

    [Fact]
    public void CredentialsOf_UpstreamKnownByItsAddress_IsFoundAfterItsName()
    {
        var config = Parse("{\"auths\":{\"b:5000\":{\"username\":\"u\",\"password\":\"p\"}}}");

        Assert.Equal(new Credentials("u", "p", false), config.CredentialsOf(["a", "b:5000"]));
    }

    [Fact]
    public void CredentialsOf_IdentityToken_WinsOverAuth() =>
        Assert.Equal(
            new Credentials("", "refresh", true),
            Parse($"{{\"auths\":{{\"a\":{{\"auth\":\"{Auth}\",\"identitytoken\":\"refresh\"}}}}}}").CredentialsOf(["a"]));

    [Theory]
    [InlineData("{}")]
    [InlineData("{\"auths\":{\"a\":{}}}")]
    [InlineData("{\"auths\":{\"other\":{\"username\":\"u\",\"password\":\"p\"}}}")]
    [InlineData("{\"auths\":[]}")]
    public void CredentialsOf_Unknown_IsNone(string content) => Assert.True(Parse(content).CredentialsOf(["a"]).IsNone);

    [Fact]
    public void HelperOf_CredHelpers_WinOverTheStore()
    {
        var config = Parse("{\"credsStore\":\"all\",\"credHelpers\":{\"a\":\"special\"}}");

        Assert.Equal(("special", "a"), config.HelperOf(["a"]));
        Assert.Equal(("all", "b"), config.HelperOf(["b"]));
        Assert.Equal(("all", "https://index.docker.io/v1/"), config.HelperOf(["docker.io"]));
    }

    [Fact]
    public void HelperOf_NoHelpers_IsNull() => Assert.Null(Parse("{\"auths\":{}}").HelperOf(["a"]));

    [Theory]
    [InlineData("", "not JSON")]
    [InlineData("[]", "not a JSON object")]
    [InlineData("{\"auths\":{\"a\":{\"auth\":\"***secret\"}}}", "auths.a.auth is not base64")]
    [InlineData("{\"auths\":{\"a\":{\"auth\":\"c2VjcmV0\"}}}", "auths.a.auth holds no colon")]
    public void Parse_Broken_NamesFileAndPlaceAndNoSecret(string content, string what)
    {
        var error = Assert.Throws<FormatException>(() => Parse(content));

        Assert.Contains("conf.json", error.Message, StringComparison.Ordinal);
        Assert.Contains(what, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ToString_Credentials_HidesTheSecret() =>
        Assert.DoesNotContain("s:3cret", $"{new Credentials("joe", "s:3cret", false)}", StringComparison.Ordinal);

    private static DockerConfig Parse(string content) => DockerConfig.Parse("conf.json", Encoding.UTF8.GetBytes(content));
}
