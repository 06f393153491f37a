using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class RelayHeadersTests
{
    [Theory]
    [InlineData("Entrepot; hit", "Entrepot; hit")]
    [InlineData("Origin; hit, Entrepot; fwd=stale; detail=\"a \\\" b, c\"", "Origin; hit, Entrepot; fwd=stale; detail=\"a \\\" b, c\"")]
    [InlineData(" , Entrepot; hit ,", "Entrepot; hit")]
    public void Status_OfOtherCaches_IsPassedOn(string sent, string members) => Assert.Equal(members, RelayHeaders.Read([sent], [])?.Status);

    [Fact]
    public void Status_InSeveralLines_IsOneList() => Assert.Equal("A; hit, B; hit", RelayHeaders.Read(["A; hit", "", "B; hit"], [])?.Status);

    [Theory]
    [InlineData("")]
    [InlineData(",")]
    [InlineData("caf\u00e9; hit")]
    [InlineData("A; hit\tB")]
    [InlineData("A; detail=\"open")]
    [InlineData("A; detail=\"open\\\"")]
    public void Status_ThatNothingCanBeAppendedTo_IsDropped(string sent) => Assert.Null(RelayHeaders.Read([sent], []));

    [Fact]
    public void Status_LongerThanTheLimit_IsDroppedWhole()
    {
        Assert.Equal(1024, RelayHeaders.Read([new string('a', 1024)], [])?.Status?.Length);
        Assert.Null(RelayHeaders.Read([new string('a', 1000), new string('b', 23)], []));
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("86400", 86400)]
    [InlineData("60, 7", 60)]
    [InlineData("2147483649", 2147483648)]
    [InlineData("99999999999999999999999999", 2147483648)]
    public void Age_InSeconds_IsReadUpToALimit(string sent, long seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), RelayHeaders.Read([], [sent])?.Age);

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("old")]
    [InlineData("\u0661")]
    [InlineData(", 7")]
    public void Age_ThatIsNone_IsIgnored(string sent) => Assert.Null(RelayHeaders.Read([], [sent]));

    [Fact]
    public void Read_NothingSaid_IsNull() => Assert.Null(RelayHeaders.Read([], []));
}
