using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class RedirectHostsTests
{
    private readonly RedirectHosts _hosts = new(address => new Endpoint(address, TimeSpan.FromSeconds(10), TimeProvider.System, (_, _) => { }));

    [Theory]
    [InlineData("https://cdn.example.org/other?sig=1", true)]
    [InlineData("https://CDN.example.org:443/", true)]
    [InlineData("https://joe:secret@cdn.example.org/layer", true)]
    [InlineData("https://cdn.example.org:444/layer", false)]
    [InlineData("http://cdn.example.org/layer", false)]
    [InlineData("https://cdn2.example.org/layer", false)]
    public void Of_AnotherAddress_IsTheSameForSchemeHostAndPort(string address, bool expected)
    {
        var first = _hosts.Of(new Uri("https://cdn.example.org/layer"));

        Assert.Equal(expected, ReferenceEquals(first, _hosts.Of(new Uri(address))));
    }

    [Fact]
    public void Of_AddressWithAccountAndSignature_HasNeitherInItsName() =>
        Assert.Equal("https://cdn.example.org", _hosts.Of(new Uri("https://joe:secret@cdn.example.org/layer?sig=1")).Name);

    [Fact]
    public void Of_MoreHostsThanAreRemembered_ForgetsTheOneNotAskedForLongest()
    {
        var known = Enumerable.Range(0, RedirectHosts.Most).Select(Host).ToList();
        Assert.Same(known[0], Host(0));

        Host(RedirectHosts.Most);

        Assert.Same(known[0], Host(0));
        Assert.Same(known[2], Host(2));
        Assert.NotSame(known[1], Host(1));
    }

    private Endpoint Host(int number) => _hosts.Of(new Uri($"https://cdn{number}.example.org/"));
}
