using System.Text;
using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class TokenAnswerTests
{
    private static readonly DateTimeOffset Asked = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("{\"token\":\"abc\"}", 50)]                                 // 60 s if nothing is said, less the margin
    [InlineData("{\"access_token\":\"abc\",\"expires_in\":300}", 290)]
    [InlineData("{\"token\":\"abc\",\"access_token\":\"x\",\"expires_in\":8}", 6)]
    [InlineData("{\"token\":\"\",\"access_token\":\"abc\",\"expires_in\":-1}", 50)]
    [InlineData("{\"token\":\"abc\",\"expires_in\":\"300\"}", 50)]
    [InlineData("{\"token\":\"abc\",\"expires_in\":1e300}", 86390)]
    public void Read_Token_IsUsableUntilSomeSecondsBeforeItsEnd(string content, int seconds)
    {
        var token = TokenAnswer.Read(Encoding.UTF8.GetBytes(content), Asked);

        Assert.Equal("abc", token?.Text);
        Assert.Equal(Asked.AddSeconds(seconds), token?.UsableUntil);
    }

    [Theory]
    [InlineData("")]
    [InlineData("<html>")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"token\":\"\"}")]
    [InlineData("{\"token\":7}")]
    [InlineData("{\"token\":\"a\\r\\nX-Header: b\"}")]
    [InlineData("{\"token\":\"a b\"}")]
    public void Read_Garbage_IsNull(string content) => Assert.Null(TokenAnswer.Read(Encoding.UTF8.GetBytes(content), Asked));

    [Fact]
    public void ToString_Token_HidesIt() => Assert.DoesNotContain("abc", new Token("abc", Asked).ToString(), StringComparison.Ordinal);
}
