using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class LinkHeaderTests
{
    [Theory]
    [InlineData("</v2/a/tags/list?n=2&last=b>; rel=\"next\"", "/v2/a/tags/list?n=2&last=b")]
    [InlineData("</x>;rel=next", "/x")]
    [InlineData("</x>; REL = \"prev Next\"", "/x")]
    [InlineData("</a>; rel=\"prev\", </b>; title=\"one, two; rel=next\"; rel=\"next\"", "/b")]
    [InlineData("</with,comma>; rel=next", "/with,comma")]
    [InlineData("</a>; title=\"a \\\" , quote\"; rel=next, </b>; rel=prev", "/a")]
    public void Next_Present_IsItsTarget(string header, string target) => Assert.Equal(target, LinkHeader.Next([header]));

    [Theory]
    [InlineData("")]
    [InlineData("</x>; rel=\"prev\"")]
    [InlineData("</x>")]
    [InlineData("</x; rel=next")]
    [InlineData("/x; rel=next")]
    [InlineData("</x>; rel=nextish")]
    [InlineData("</x>; prerel=next")]
    public void Next_Absent_IsNull(string header) => Assert.Null(LinkHeader.Next([header]));

    [Fact]
    public void Next_InSecondLine_IsFound() => Assert.Equal("/b", LinkHeader.Next(["</a>; rel=first", "</b>; rel=next"]));
}
