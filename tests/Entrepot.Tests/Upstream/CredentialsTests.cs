using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class CredentialsTests
{
    private static readonly string Basic = new Credentials("joe", "hunter2", false).Basic;

    [Theory]
    [InlineData("the password hunter2 is wrong", true)]
    [InlineData("joe may not", false)]
    public void Show_BasicAuthorization_IsSeenAsWhatItMeans(string text, bool isShown) => Assert.Equal(isShown, Credentials.Show(Basic, text));

    [Fact]
    public void Show_AsSent_IsSeen()
    {
        Assert.True(Credentials.Show(Basic, $"what is {Basic}?"));
        Assert.True(Credentials.Show("eyJ0.eyJ1.sig", "invalid token eyJ0.eyJ1.sig"));
        Assert.False(Credentials.Show("eyJ0.eyJ1.sig", "invalid token"));
        Assert.False(Credentials.Show(null, "anything"));
        Assert.False(Credentials.Show("", "anything"));
    }
}
