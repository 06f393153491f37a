namespace Entrepot.Tests.Architecture;

public sealed class SourceRulesTests
{
    [Fact]
    public void FileLength_OverTheLimit_IsFound()
    {
        Assert.Empty(SourceRules.FileLength(In(string.Concat(Enumerable.Repeat("//\n", 400)))));
        Assert.Equal("a.cs:401: 401 lines; at most 400", Assert.Single(SourceRules.FileLength(In(string.Concat(Enumerable.Repeat("//\n", 401))))).ToString());
    }

    [Theory]
    [InlineData("void M()\n{", "}")]
    [InlineData("public C(int a = 1) : base(a)\n{", "}")]
    [InlineData("T M<T>(T record) where T : class\n{", "}")]
    [InlineData("[Fact(\"{\")]\npublic void M()\n{", "}")]
    [InlineData("int M() => N(() =>\n{", "});")]
    [InlineData("public static bool operator ==(C a, C b)\n{", "}")]
    [InlineData("int _a; int P { get; } = 1; string Q => \"}\"; int[] R { get; } = [1];\nvoid M(string s = \"{\")\n{", "}")]
    [InlineData("private sealed class Inner(int a)\n{\nvoid M()\n{", "} }")]
    public void MethodLength_OverTheLimit_IsFound(string before, string after)
    {
        Assert.Empty(SourceRules.MethodLength(In(TextWith(56))));
        Assert.Single(SourceRules.MethodLength(In(TextWith(58))));

        string TextWith(int lines) => $"namespace N;\nclass C\n{{\n{before}{Lines(lines)}\n{after}\n}}\n";
    }

    [Theory]
    [InlineData("class C\n{", "}")]
    [InlineData("record R(int A)\n{", "}")]
    [InlineData("class C\n{\nprivate readonly int[] _table =\n[", "];\n}")]
    [InlineData("class C\n{\nprivate (int A, int B) P\n{", "}\n}")]
    [InlineData("class C\n{\nvoid M() { }", "\nvoid N() { }\n}")]
    public void MethodLength_WhatIsNoMethod_IsNotFound(string before, string after) =>
        Assert.Empty(SourceRules.MethodLength(In($"{before}{Lines(100)}\n{after}")));

    [Theory]
    [InlineData("Thread.Sleep(1);")]
    [InlineData("var a = task.Result;")]
    [InlineData("task.Wait();")]
    [InlineData("Task.WaitAll(tasks);")]
    [InlineData("a.GetAwaiter().GetResult();")]
    [InlineData("async void M() { }")]
    [InlineData("var a = $\"{task.Result}\";")]
    public void BannedCalls_CallThatBlocks_IsFound(string line) =>
        Assert.StartsWith("a.cs:2: ", Assert.Single(SourceRules.BannedCalls(In($"// first\n{line}\n"))).ToString(), StringComparison.Ordinal);

    [Theory]
    [InlineData("await task.WaitAsync(cancel);")]
    [InlineData("// never task.Result")]
    [InlineData("throw new E(\"not Thread.Sleep\");")]
    [InlineData("a => a.Outcome.Result.Pause")]
    [InlineData("task.IsCompletedSuccessfully ? task.Result : null")]
    [InlineData("a.Results.Add(b)")]
    public void BannedCalls_CallThatDoesNot_IsNotFound(string line) => Assert.Empty(SourceRules.BannedCalls(In(line)));

    [Theory]
    [InlineData("TODO")]
    [InlineData("FIXME")]
    [InlineData("HACK")]
    public void Notes_NoteInAComment_IsFound(string word)
    {
        Assert.Equal(2, Assert.Single(SourceRules.Notes(In($"a\n// {word}: later\n"))).Line);
        Assert.Empty(SourceRules.Notes(In($"a{word}b")));
    }

    [Theory]
    [InlineData("namespace N\n{\nclass C;\n}")]
    [InlineData("class C;")]
    public void Namespaces_NotForTheFile_IsFound(string text) => Assert.Single(SourceRules.Namespaces(In(text)));

    [Theory]
    [InlineData("namespace N;\nclass C;")]
    [InlineData("return 0;")]
    public void Namespaces_ForTheFileOrProgram_IsNotFound(string text) => Assert.Empty(SourceRules.Namespaces(In(text)));

    [Theory]
    [InlineData("#pragma warning disable CS1591", true)]
    [InlineData("#pragma warning disable CA1000, CS1591", true)]
    [InlineData("#pragma warning disable CA1000", false)]
    public void Undocumented_Pragma_IsFound(string line, bool isFound) => Assert.Equal(isFound, SourceRules.Undocumented(In(line)).Any());

    [Fact]
    public void Dead_TypeOfWhichOnlyACommentSpeaks_IsFound()
    {
        var used = new SourceFile("used.cs", "namespace N; class Used { }");
        var dead = new SourceFile("dead.cs", "namespace N; record struct Dead(int A); // Used, Dead");
        var program = new SourceFile("program.cs", "/* Dead */ return new Used().Run();");

        Assert.Equal("dead.cs:1: no other file mentions Dead", Assert.Single(SourceRules.Dead([used, dead, program])).ToString());
    }

    private static string Lines(int count) => string.Concat(Enumerable.Repeat("\n        x++;", count));

    private static SourceFile In(string text) => new("a.cs", text);
}
