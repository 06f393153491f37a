using System.Text;
using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class ErrorDocumentTests
{
    [Fact]
    public void FirstMessage_Document_IsOneShortLineOfIt()
    {
        var message = "a\\r\\nb\\u001b[31m" + new string('x', 300);
        var line = Read("{\"errors\":[{\"code\":\"DENIED\",\"message\":\"" + message + "\"},{\"message\":\"second\"}]}");

        Assert.StartsWith("ab[31mxxx", line, StringComparison.Ordinal);
        Assert.InRange(line!.Length, 190, 200);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{\"errors\":[]}")]
    [InlineData("{\"errors\":[7]}")]
    [InlineData("{\"errors\":{\"message\":\"x\"}}")]
    [InlineData("{\"errors\":[{\"message\":null}]}")]
    [InlineData("{\"errors\":[{\"message\":\"\\n\"}]}")]
    public void FirstMessage_SomethingElse_IsNull(string content) => Assert.Null(Read(content));

    private static string? Read(string content) => ErrorDocument.FirstMessage(Encoding.UTF8.GetBytes(content));
}
