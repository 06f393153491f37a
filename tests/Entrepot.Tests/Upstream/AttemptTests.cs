using Entrepot.Oci;
using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class AttemptTests
{
    [Fact]
    public void IsWorthAgain_LimitWithoutAnEnd_IsNot()
    {
        Assert.False(Attempt<string>.Refused(RegistryError.TooManyRequests(null)).IsWorthAgain);
        Assert.True(Attempt<string>.Refused(RegistryError.TooManyRequests(TimeSpan.Zero), TimeSpan.Zero).IsWorthAgain);
    }

    [Fact]
    public void IsWorthAgain_OnlyTheDead_AreAskedAgain()
    {
        Assert.True(Attempt<string>.Dead(RegistryError.Down("x")).As<object>().IsWorthAgain);
        Assert.False(Attempt<string>.Refused(RegistryError.Down("x")).IsWorthAgain);
        Assert.False(Attempt<string>.Of("content").IsWorthAgain);
    }
}
