namespace Entrepot.FunctionalTests.Faults;

public sealed class FaultPageTests
{
    [Fact]
    public void Faults_OfThePage_AreThoseThatHaveATest()
    {
        Assert.Equal(FaultAttribute.All.Order(StringComparer.Ordinal), FaultPage.Faults.Order(StringComparer.Ordinal));
        Assert.Equal(FaultAttribute.All.Count, FaultAttribute.All.Distinct().Count());
    }
}
