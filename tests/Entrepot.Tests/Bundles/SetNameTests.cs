using Entrepot.Pull;
using Entrepot.Server.Cli.Bundles;

namespace Entrepot.Tests.Bundles;

public sealed class SetNameTests
{
    [Theory]
    [InlineData("site.tar", "site")]
    [InlineData("/media/usb/site.001.tar", "site")]
    [InlineData("site.012.tar", "site")]
    [InlineData("v1.2.tar", "v1.2")]
    [InlineData("layout/", "layout")]
    [InlineData("my images (new).tar", "my-images--new-")]
    [InlineData("_x.tar", "x")]
    [InlineData("über.tar", "ber")]
    [InlineData("...", "imported")]
    [InlineData("/", "imported")]
    public void Of_File_IsItsNameAsASetsMayBe(string file, string expected)
    {
        Assert.Equal(expected, SetName.Of(file));
        Assert.True(ImageSets.IsName(expected));
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("a", true)]
    [InlineData("A.b_c-1", true)]
    [InlineData(".a", false)]
    [InlineData("-a", false)]
    [InlineData("a/b", false)]
    [InlineData("!", false)]
    public void IsName_Text_FollowsTheRule(string name, bool expected) => Assert.Equal(expected, ImageSets.IsName(name));

    [Fact]
    public void Of_LongName_IsCut() => Assert.Equal(ImageSets.MaxName, SetName.Of(new string('a', 200) + ".tar").Length);
}
