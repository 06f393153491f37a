using Entrepot.Oci;
using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class AttemptTests
{
    [Fact]
    public void IsWorthAgain_Limited_IsNotWhetherItsEndWasToldOrNot()
    {
        Assert.False(Attempt<string>.Refused(RegistryError.TooManyRequests(null)).IsWorthAgain);
        Assert.False(Attempt<string>.Refused(RegistryError.TooManyRequests(TimeSpan.Zero), TimeSpan.Zero).IsWorthAgain);
    }

    [Fact]
    public void IsWorthAgain_DeadThatSaysWhen_IsNot()
    {
        Assert.False(Attempt<string>.Dead(RegistryError.Down("x"), TimeSpan.Zero).IsWorthAgain);
        Assert.False(Attempt<string>.Dead(RegistryError.Down("x"), TimeSpan.FromSeconds(1)).As<object>().IsWorthAgain);
    }

    [Fact]
    public void IsWorthAgain_OnlyTheDead_AreAskedAgain()
    {
        Assert.True(Attempt<string>.Dead(RegistryError.Down("x")).As<object>().IsWorthAgain);
        Assert.False(Attempt<string>.Refused(RegistryError.Down("x")).IsWorthAgain);
        Assert.False(Attempt<string>.Of("content").IsWorthAgain);
    }
}
