using System.Text;
using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class TagListTests
{
    private static readonly string[] Tags = ["a", "b", "c"];

    [Fact]
    public void Read_TagsThatBreakTheGrammar_AreLeftOut() =>
        Assert.Equal(["1.0", "_x"], Read("{\"name\":\"n\",\"tags\":[\"1.0\",\"-bad\",\"has space\",7,null,\"_x\",\"\"]}"));

    [Fact]
    public void Read_NullTags_IsEmpty() => Assert.Empty(Read("{\"name\":\"n\",\"tags\":null}")!);

    [Theory]
    [InlineData("")]
    [InlineData("<html>")]
    [InlineData("[]")]
    [InlineData("{\"name\":\"n\"}")]
    [InlineData("{\"tags\":\"a\"}")]
    public void Read_SomethingElse_IsNull(string content) => Assert.Null(Read(content));

    [Fact]
    public void Page_UpstreamPages_IsPassedOn()
    {
        var page = TagList.Page(Tags, 3, "0", hasNext: true);

        Assert.Equal(Tags, page.Tags);
        Assert.True(page.HasMore);
    }

    [Fact]
    public void Page_UpstreamIgnoresPaging_IsCut()
    {
        var first = TagList.Page(Tags, 2, null, hasNext: false);
        Assert.Equal(["a", "b"], first.Tags);
        Assert.True(first.HasMore);

        var second = TagList.Page(Tags, 2, "b", hasNext: false);
        Assert.Equal(["c"], second.Tags);
        Assert.False(second.HasMore);
    }

    [Fact]
    public void Page_NothingLeft_HasNoMore() => Assert.False(TagList.Page(Tags, 2, "c", hasNext: true).HasMore);

    [Fact]
    public void Page_NoCount_IsWhole() => Assert.Equal(Tags, TagList.Page(Tags, null, null, hasNext: false).Tags);

    private static IReadOnlyList<string>? Read(string content) => TagList.Read(Encoding.UTF8.GetBytes(content));
}
