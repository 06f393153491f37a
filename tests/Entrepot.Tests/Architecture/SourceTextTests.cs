namespace Entrepot.Tests.Architecture;

public sealed class SourceTextTests
{
    [Theory]
    [InlineData("a; // b", "a;     ")]
    [InlineData("a /* b\n*/ c", "a     \n   c")]
    [InlineData("#pragma b\na", "         \na")]
    [InlineData("a(\"b // {\")", "a(        )")]
    [InlineData("a(\"\\\"b\", c)", "a(     , c)")]
    [InlineData("a(\"\", c)", "a(  , c)")]
    [InlineData("a(@\"\\\", c)", "a(    , c)")]
    [InlineData("a(@\"b\"\"{\", c)", "a(       , c)")]
    [InlineData("a('\\'', '{')", "a(    ,    )")]
    [InlineData("a($\"b {c} {{d\")", "a(     c      )")]
    [InlineData("a($\"{b(\"}\")}\")", "a(   b(   )  )")]
    [InlineData("a($\"{b switch { 1 => \"c\" }}\")", "a(   b switch { 1 =>     }  )")]
    [InlineData("a(\"\"\"b \"c\" {\"\"\")", "a(             )")]
    [InlineData("a($$\"\"\"{b} {{c}}\"\"\")", "a(           c     )")]
    public void CodeOnly_Text_IsBlankWhereItIsNoCode(string text, string code) => Assert.Equal(code, SourceText.CodeOnly(text));

    [Theory]
    [InlineData("a(\"b")]
    [InlineData("a($\"{b")]
    [InlineData("a(\"\"\"b")]
    [InlineData("a /* b")]
    [InlineData("a '")]
    [InlineData("}")]
    public void CodeOnly_BrokenText_Ends(string text) => Assert.Equal(text.Length, SourceText.CodeOnly(text).Length);
}
