using System.Net;
using Entrepot.Server.Edge;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Edge;

public sealed class ConnectionLimitsTests
{
    private static readonly IPAddress One = IPAddress.Parse("192.0.2.1");
    private static readonly IPAddress Other = IPAddress.Parse("192.0.2.2");

    private readonly FakeTimeProvider _clock = new();
    private readonly List<(ConnectionRefusal, IPAddress, long)> _told = [];

    [Fact]
    public void TryEnter_BeyondAll_IsRefusedUntilOneLeaves()
    {
        var limits = New(most: 2, mostOfClient: 2);

        Assert.True(limits.TryEnter(One));
        Assert.True(limits.TryEnter(Other));
        Assert.False(limits.TryEnter(One));
        Assert.Equal((2, 1L, 0L), (limits.Open, limits.Refused(ConnectionRefusal.All), limits.Refused(ConnectionRefusal.Client)));

        limits.Leave(Other);
        Assert.True(limits.TryEnter(One));
    }

    [Fact]
    public void TryEnter_BeyondTheClientsOwn_LeavesOthersTheirs()
    {
        var limits = New(most: 3, mostOfClient: 1);

        Assert.True(limits.TryEnter(One));
        Assert.False(limits.TryEnter(One));
        Assert.True(limits.TryEnter(Other));
        Assert.Equal((2, 0L, 1L), (limits.Open, limits.Refused(ConnectionRefusal.All), limits.Refused(ConnectionRefusal.Client)));

        limits.Leave(One);
        Assert.True(limits.TryEnter(One));
    }

    [Fact]
    public void Refusals_Many_AreToldOnceInAMinute()
    {
        var limits = New(most: 1, mostOfClient: 1);
        limits.TryEnter(One);
        for (var i = 0; i < 100; i++) limits.TryEnter(Other);
        _clock.Advance(ConnectionLimits.TellEvery);
        limits.TryEnter(One);

        Assert.Equal([(ConnectionRefusal.All, Other, 1L), (ConnectionRefusal.Client, One, 1L)], _told);
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1")]
    [InlineData("::ffff:192.0.2.1", "192.0.2.1")]
    [InlineData("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
    [InlineData("::1", "::")]
    public void ClientOf_Address_IsOneMachine(string address, string client) =>
        Assert.Equal(IPAddress.Parse(client), ConnectionLimits.ClientOf(IPAddress.Parse(address)));

    private ConnectionLimits New(int most, int mostOfClient) => new(most, mostOfClient, (why, client, count) => _told.Add((why, client, count)), _clock);
}
