using CsCheck;
using Entrepot.Server.Options;

namespace Entrepot.Tests.Options;

public sealed class YamlReaderTests
{
    [Theory]
    [InlineData("a: b\nlisten: [x", 3)]
    [InlineData("a: b: c", 1)]
    [InlineData("a:\n\t- b", 1)]
    [InlineData("a: \"\\q\"", 1)]
    [InlineData("a: @b", 1)]
    [InlineData("? [a]\n: b", 1)]
    [InlineData("a: *nothing", 1)]
    [InlineData("a: &self [*self]", 1)]
    public void Read_BrokenYaml_NamesFileAndLine(string yaml, int line)
    {
        var problem = Assert.Single(Problems(yaml));

        Assert.Matches($"^f:{line}: is not YAML: [^\n]+$", problem);
    }

    [Fact]
    public void Read_KeyGivenTwice_NamesBothLinesAndGoesOn()
    {
        var problems = new List<Problem>();

        var map = YamlReader.Read("f", "a: 1\nb: 2\na: 3\nc: { d: 1, d: 2 }", problems);

        Assert.Equal(["f:3: the key 'a' is given twice; it was given before at f:1", "f:4: the key 'd' is given twice; it was given before at f:4"],
            problems.Select(problem => problem.ToString()));
        Assert.Equal("1", ((RawScalar)map.Find("a")!).Text);
    }

    [Theory]
    [InlineData("- a", "f:1: the file is a list; it must be a group of options")]
    [InlineData("abc", "f:1: the file is a single value; it must be a group of options")]
    [InlineData("--- {}\n--- {}", "f:2: a second document begins here; the options are one document")]
    public void Read_NotOneMap_IsRefused(string yaml, string expected) => Assert.Equal([expected], Problems(yaml));

    [Fact]
    public void Read_NestedWithoutEnd_IsRefusedAndNotOverflown() =>
        Assert.Contains("nested too deeply", Assert.Single(Problems("a: " + new string('[', 100_000))));

    [Fact]
    public void Read_Anchor_IsTheSameValue()
    {
        var map = YamlReader.Read("f", "a: &x [1, 2]\nb: *x", []);

        Assert.Equal(2, ((RawList)map.Find("b")!).Items.Count);
    }

    [Theory]
    [InlineData("~", true)]
    [InlineData("null", true)]
    [InlineData("", true)]
    [InlineData("'null'", false)]
    [InlineData("''", false)]
    public void Read_Value_IsEmptyOnlyWhenPlain(string value, bool isNull) =>
        Assert.Equal(isNull, YamlReader.Read("f", $"a: {value}", []).Find("a") is RawNull);

    [Fact]
    public void Read_ValueBelowItsKey_IsFoundAtTheKeysLine() =>
        Assert.Equal("f:2", YamlReader.Read("f", "a: 1\nb:\n\n    2", []).Find("b")!.Origin);

    [Theory]
    [InlineData("password: *hunter2")]
    [InlineData("password: @hunter2")]
    [InlineData("password: \"\\qhunter2\"")]
    [InlineData("password: hunter2: x")]
    [InlineData("password: [hunter2")]
    [InlineData("password: `hunter2")]
    public void Read_BrokenAtASecret_DoesNotShowIt(string yaml) => Assert.DoesNotContain("hunter2", Assert.Single(Problems(yaml)));

    [Fact]
    public void Read_TextThatTheParserItselfFailsAt_IsAProblem() =>
        Assert.Contains("is not YAML", Assert.Single(Problems("upstreams:\n- name: ghgr.io\n  url\u0018s: [httpsDDDDDDDDDDDDDDDDDDDDDDDDDDDD://gghgr.io\n  url\u0018s: [httpsDDDDDDDDDDDDDDDDDDDDDDDDDDDD://ghcr.r.io]\nio]\n")), StringComparison.Ordinal);

    [Fact]
    public void Read_AnyText_NeverThrows() =>
        Gen.String[Gen.OneOf(Gen.Char, Gen.Char["abc:-[]{}&*!|>'\"%@` \n\t#?,"]), 0, 60].Sample(text => { YamlReader.Read("f", text, []); });

    private static string[] Problems(string yaml)
    {
        var problems = new List<Problem>();
        YamlReader.Read("f", yaml, problems);
        return [.. problems.Select(problem => problem.ToString())];
    }
}
