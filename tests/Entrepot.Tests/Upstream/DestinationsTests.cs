using System.Net;
using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class DestinationsTests
{
    private static readonly UpstreamOptions Options = new()
    {
        Name = "test",
        Urls = [new Uri("https://registry.example.com"), new Uri("http://10.0.0.1:5000")],
        TokenRealms = ["192.168.7.7"],
    };

    [Theory]
    [InlineData("8.8.8.8", "Public")]
    [InlineData("10.255.0.1", "Private")]
    [InlineData("172.15.255.255", "Public")]
    [InlineData("172.16.0.0", "Private")]
    [InlineData("172.31.255.255", "Private")]
    [InlineData("172.32.0.0", "Public")]
    [InlineData("192.168.0.1", "Private")]
    [InlineData("100.64.0.1", "Private")]
    [InlineData("100.128.0.1", "Public")]
    [InlineData("198.19.255.255", "Private")]
    [InlineData("169.254.169.254", "Link")]
    [InlineData("192.0.0.192", "Link")]
    [InlineData("127.1.2.3", "Loopback")]
    [InlineData("0.0.0.0", "Loopback")]
    [InlineData("224.0.0.1", "Nobody")]
    [InlineData("255.255.255.255", "Nobody")]
    [InlineData("2606:4700::1", "Public")]
    [InlineData("::1", "Loopback")]
    [InlineData("::", "Loopback")]
    [InlineData("fe80::1", "Link")]
    [InlineData("fd00:ec2::254", "Private")]
    [InlineData("ff02::1", "Nobody")]
    [InlineData("::ffff:169.254.169.254", "Link")]
    [InlineData("::127.0.0.1", "Loopback")]
    [InlineData("64:ff9b::a00:1", "Private")]
    [InlineData("64:ff9b::808:808", "Public")]
    [InlineData("2002:7f00:1::", "Loopback")]
    [InlineData("2001::f5ff:fffe", "Private")]
    public void Of_Address_IsWhoCanBeThere(string address, string scope) => Assert.Equal(scope, AddressScopes.Of(IPAddress.Parse(address)).ToString());

    [Theory]
    [InlineData("https://cdn.example.net/a", true)]       // is looked at when its name has an address
    [InlineData("https://8.8.8.8/a", true)]
    [InlineData("http://169.254.169.254/latest/meta-data", false)]
    [InlineData("http://127.0.0.1:22/", false)]
    [InlineData("http://[::1]/", false)]
    [InlineData("http://2130706433/", false)]             // 127.0.0.1
    [InlineData("http://10.0.0.1:5000/v2/", true)]        // is configured
    [InlineData("http://10.0.0.1:6379/", false)]
    [InlineData("https://192.168.7.7/token", true)]       // is configured
    public void Objection_Address_IsToWhatIsNotPublic(string address, bool isAllowed)
    {
        var objection = new Destinations(Options).Objection(new Uri(address));

        Assert.Equal(isAllowed, objection is null);
        if (!isAllowed) Assert.Contains("privateRedirects", objection, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Private", "10.1.1.1", true)]
    [InlineData("Private", "127.0.0.1", false)]
    [InlineData("Private", "169.254.169.254", false)]
    [InlineData("Loopback", "127.0.0.2", true)]
    [InlineData("Public", "10.1.1.1", false)]
    [InlineData("Private Public", "10.1.1.1", false)]
    [InlineData("Public Private", "10.1.1.1", false)]
    [InlineData("Loopback Private", "127.0.0.1", false)]
    [InlineData("Nobody", "224.0.0.1", false)]
    public void Allows_WhereTheUpstreamIs_IsThereAlone(string homes, string address, bool isAllowed)
    {
        var destinations = new Destinations(Options);
        foreach (var home in homes.Split(' ')) destinations.Learn(Enum.Parse<AddressScope>(home));

        Assert.Equal(isAllowed, destinations.Allows(IPAddress.Parse(address)));
        Assert.True(destinations.Allows(IPAddress.Parse("8.8.8.8")));
    }

    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("169.254.169.254", true)]
    [InlineData("224.0.0.1", false)]
    public void Allows_WithTheOption_EverythingWhereSomebodyIs(string address, bool isAllowed) =>
        Assert.Equal(isAllowed, new Destinations(Options with { PrivateRedirects = true }).Allows(IPAddress.Parse(address)));
}
