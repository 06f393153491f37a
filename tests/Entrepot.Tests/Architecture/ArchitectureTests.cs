using Entrepot.Oci;

namespace Entrepot.Tests.Architecture;

/// <remarks>Each rule is a function that is tested with examples of its own beside this; here it meets the repository.</remarks>
public sealed class ArchitectureTests
{
    private static readonly string[] TopLevel =
    [
        "src", "bench", "tests", "deploy", "docs", "Cache.sln", "daemon.json.example", "Dockerfile", "README.md", "CHANGELOG.md", "LICENSE",
        "BannedSymbols.txt", "Directory.Build.props", "Directory.Build.targets", "Directory.Packages.props", "global.json", "NuGet.config",
    ];

    private static IReadOnlyList<SourceFile> Sources => Repository.Files("*.cs", "src");

    private static IReadOnlyList<SourceFile> AllSources => Repository.Files("*.cs", "src", "tests", "bench");

    private static IReadOnlyList<SourceFile> Projects => Repository.Files("*.csproj", "src");

    [Fact]
    public void Projects_OfTheSource_AreThoseOfTheDesign() =>
        Assert.Equal(ProjectRules.Arrows.Keys.Order(), Projects.Select(project => Path.GetFileNameWithoutExtension(project.Path)).Order());

    [Fact]
    public void Projects_References_PointInwards() => Clean(Projects.SelectMany(ProjectRules.References));

    [Fact]
    public void Projects_Packages_AreThoseOfTheDesign() =>
        Clean([.. Projects.SelectMany(ProjectRules.PackageNames), .. ProjectRules.PackageNames(Repository.Read("Directory.Build.props"))]);

    [Fact]
    public void Projects_Frameworks_ComeWithTheSdk() => Clean(Projects.SelectMany(ProjectRules.Frameworks));

    [Fact]
    public void Projects_Versions_AreInOneFile() =>
        Clean(Repository.Files("*.csproj", "src", "tests", "bench").Append(Repository.Read("Directory.Build.props")).SelectMany(ProjectRules.Versions));

    [Fact]
    public void PublicSurface_OfTheSource_IsDocumented()
    {
        Clean([
            .. ProjectRules.Documentation(Repository.Read("Directory.Build.props")),
            .. Projects.SelectMany(ProjectRules.Suppressed),
            .. Sources.SelectMany(SourceRules.Undocumented),
        ]);
        Assert.DoesNotContain("1591", Repository.Read(".editorconfig").Text);
    }

    [Fact]
    public void Core_Compiled_ReachesNoFileSocketOrConsole()
    {
        var uses = AssemblyRules.UsesOf(typeof(Digest).Assembly.Location);

        Assert.Contains(uses, use => use.Type == "TimeProvider");
        Assert.Empty(AssemblyRules.Forbidden(uses));
    }

    [Fact]
    public void TopLevel_Names_AreThoseOfTheDesign() =>
        Assert.Empty(Repository.TopLevel().Where(name => !name.StartsWith('.')).Except(TopLevel));

    [Fact]
    public void Files_Length_IsLimited() => Clean(AllSources.SelectMany(SourceRules.FileLength));

    [Fact]
    public void Methods_Length_IsLimited() => Clean(AllSources.SelectMany(SourceRules.MethodLength));

    [Fact]
    public void Source_Calls_NeitherBlockNorLoseFailures() => Clean(Sources.SelectMany(SourceRules.BannedCalls));

    [Fact]
    public void Source_Notes_AreInIssues() => Clean(Sources.SelectMany(SourceRules.Notes));

    [Fact]
    public void Namespaces_EachFile_HasOneForAllOfIt() => Clean(AllSources.SelectMany(SourceRules.Namespaces));

    [Fact]
    public void Files_OfTheSource_AreNeeded() => Clean(SourceRules.Dead(Sources));

    private static void Clean(IEnumerable<Finding> findings)
    {
        var found = findings.ToList();
        Assert.True(found.Count == 0, $"{found.Count} found:\n{string.Join('\n', found)}");
    }
}
