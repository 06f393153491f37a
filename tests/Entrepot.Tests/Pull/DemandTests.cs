using Entrepot.Pull;

namespace Entrepot.Tests.Pull;

public sealed class DemandTests
{
    [Fact]
    public void IsWanted_Changed_IsWhatItWasChangedTo()
    {
        var demand = new Demand(isWanted: false);
        Assert.False(demand.IsWanted);

        demand.IsWanted = true;
        Assert.True(demand.IsWanted);
    }

    [Fact]
    public void Always_Changed_Refuses()
    {
        Assert.Throws<InvalidOperationException>(() => Demand.Always.IsWanted = false);
        Assert.True(Demand.Always.IsWanted);
    }

    [Fact]
    public void BlobPart_Whole_IsAllOfItAndWanted() => Assert.Equal(new BlobPart(0, null, null, Demand.Always), BlobPart.Whole);
}
