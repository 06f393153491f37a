using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class TokenRealmTests
{
    [Theory]
    [InlineData("https://registry-1.docker.io", "https://auth.docker.io/token", true)]
    [InlineData("https://quay.io", "https://quay.io/v2/auth", true)]
    [InlineData("https://quay.io", "https://QUAY.io.:8443/v2/auth", true)]
    [InlineData("https://a.example.co.uk", "https://b.example.co.uk/", true)]
    [InlineData("http://registry.example.org", "http://auth.example.org/", true)]
    [InlineData("http://registry.example.org", "https://auth.example.org/", true)]
    [InlineData("http://127.0.0.1:5000", "http://127.0.0.1:6000/token", true)]
    [InlineData("http://[::1]:5000", "http://[::1]:6000/token", true)]
    [InlineData("http://localhost:5000", "http://localhost:6000/token", true)]
    [InlineData("https://registry.example.org", "https://evil.example.com/", false)]
    [InlineData("https://a.co.uk", "https://b.co.uk/", false)]
    [InlineData("https://me.github.io", "https://you.github.io/", false)]
    [InlineData("https://docker.io", "https://notdocker.io/", false)]
    [InlineData("https://docker.io", "https://docker.io.evil.example/", false)]
    [InlineData("https://registry.example.org", "http://registry.example.org/", false)]
    [InlineData("https://registry.example.org", "ftp://registry.example.org/", false)]
    [InlineData("http://127.0.0.1:5000", "http://localhost:5000/token", false)]
    [InlineData("http://10.0.0.1", "http://11.0.0.1/token", false)]
    [InlineData("http://registry", "http://auth/token", false)]
    public void Allows_Unlisted_FollowsTheRule(string registry, string realm, bool allowed) =>
        Assert.Equal(allowed, TokenRealm.Allows(new Uri(registry), new Uri(realm), []));

    [Fact]
    public void Allows_ListedHost_IsAllowed() =>
        Assert.True(TokenRealm.Allows(new Uri("https://r.example.org"), new Uri("https://Auth.example.com:8443/t"), ["auth.example.com"]));

    [Fact]
    public void Allows_ListedHostWithoutHttps_IsRefused() =>
        Assert.False(TokenRealm.Allows(new Uri("https://r.example.org"), new Uri("http://auth.example.com/t"), ["auth.example.com"]));
}
