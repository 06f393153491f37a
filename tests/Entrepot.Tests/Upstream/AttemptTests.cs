using Entrepot.Oci;
using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class AttemptTests
{
    [Theory]
    [InlineData(0.0, true)]
    [InlineData(2.0, true)]
    [InlineData(2.1, false)]
    public void IsWorthAgain_SaysWhen_IsIfThatIsSoon(double seconds, bool isWorthIt)
    {
        var pause = TimeSpan.FromSeconds(seconds);

        Assert.Equal(isWorthIt, Attempt<string>.Refused(RegistryError.TooManyRequests(pause), pause).IsWorthAgain);
        Assert.Equal(isWorthIt, Attempt<string>.Dead(RegistryError.Down("x"), pause).As<object>().IsWorthAgain);
    }

    [Fact]
    public void IsWorthAgain_LimitedForNobodyKnowsHowLong_IsNot() =>
        Assert.False(Attempt<string>.Refused(RegistryError.TooManyRequests(null)).IsWorthAgain);

    [Fact]
    public void IsWorthAgain_OnlyTheDead_AreAskedAgain()
    {
        Assert.True(Attempt<string>.Dead(RegistryError.Down("x")).As<object>().IsWorthAgain);
        Assert.False(Attempt<string>.Refused(RegistryError.Down("x")).IsWorthAgain);
        Assert.False(Attempt<string>.Of("content").IsWorthAgain);
    }
}
