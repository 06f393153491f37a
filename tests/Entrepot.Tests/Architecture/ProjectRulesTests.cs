using System.Reflection.PortableExecutable;

namespace Entrepot.Tests.Architecture;

public sealed class ProjectRulesTests
{
    [Theory]
    [InlineData("Entrepot.Core", "Entrepot.Storage", false)]
    [InlineData("Entrepot.Storage", "Entrepot.Core", true)]
    [InlineData("Entrepot.Storage", "Entrepot.Upstream", false)]
    [InlineData("Entrepot.Upstream", "Entrepot.Core", true)]
    [InlineData("Entrepot.Upstream", "Entrepot.Server", false)]
    [InlineData("Entrepot.Server", "Entrepot.Upstream", true)]
    [InlineData("Entrepot.Server", "Entrepot.Tests", false)]
    public void References_Arrow_HasToPointInwards(string project, string target, bool isAllowed)
    {
        var found = ProjectRules.References(Project(project, $"<ProjectReference Include=\"../{target}/{target}.csproj\" />"));

        Assert.Equal(isAllowed ? [] : [3], found.Select(finding => finding.Line));
    }

    [Theory]
    [InlineData("Entrepot.Core", "Polly.Core", false)]
    [InlineData("Entrepot.Storage", "Microsoft.FASTER.Core", true)]
    [InlineData("Entrepot.Storage", "Microsoft.FASTER.Core.Other", false)]
    [InlineData("Entrepot.Upstream", "Polly.Core", true)]
    [InlineData("Entrepot.Upstream", "Polly", true)]
    [InlineData("Entrepot.Upstream", "PollyOther", false)]
    [InlineData("Entrepot.Server", "Serilog", true)]
    [InlineData("Entrepot.Server", "Newtonsoft.Json", false)]
    [InlineData("Directory.Build", "Serilog", false)]
    public void PackageNames_OutsideTheTable_AreFound(string project, string package, bool isAllowed) =>
        Assert.Equal(!isAllowed, ProjectRules.PackageNames(Project(project, $"<PackageReference Include=\"{package}\" />")).Any());

    [Theory]
    [InlineData("PrivateAssets=\"all\"", true)]
    [InlineData("", false)]
    public void PackageNames_Analyzer_MustNotReachOthers(string attribute, bool isAllowed) =>
        Assert.Equal(!isAllowed, ProjectRules.PackageNames(Project("Entrepot.Core", $"<PackageReference Include=\"Microsoft.CodeAnalysis.X\" {attribute} />")).Any());

    [Fact]
    public void Frameworks_BeyondTheSdk_AreFound()
    {
        Assert.Single(ProjectRules.Frameworks(Project("Entrepot.Core", "<FrameworkReference Include=\"Microsoft.AspNetCore.App\" />")));
        Assert.Single(ProjectRules.Frameworks(Project("Entrepot.Core", "<Reference Include=\"Other.dll\" />")));
        Assert.Single(ProjectRules.Frameworks(new("src/Entrepot.Core.csproj", "<Project Sdk=\"Microsoft.NET.Sdk.Web\" />")));
        Assert.Empty(ProjectRules.Frameworks(new("src/Entrepot.Server.csproj", "<Project Sdk=\"Microsoft.NET.Sdk.Web\" />")));
    }

    [Theory]
    [InlineData("<PackageReference Include=\"A\" Version=\"1\" />", true)]
    [InlineData("<PackageReference Include=\"A\" VersionOverride=\"1\" />", true)]
    [InlineData("<PackageReference Include=\"A\"><Version>1</Version></PackageReference>", true)]
    [InlineData("<PackageVersion Include=\"A\" Version=\"1\" />", true)]
    [InlineData("<PackageReference Include=\"A\" />", false)]
    public void Versions_InAProject_AreFound(string item, bool isFound) =>
        Assert.Equal(isFound, ProjectRules.Versions(Project("Entrepot.Core", item)).Any());

    [Theory]
    [InlineData("<GenerateDocumentationFile>true</GenerateDocumentationFile><TreatWarningsAsErrors>true</TreatWarningsAsErrors>", 0)]
    [InlineData("<GenerateDocumentationFile>true</GenerateDocumentationFile>", 1)]
    [InlineData("<GenerateDocumentationFile>false</GenerateDocumentationFile><TreatWarningsAsErrors>true</TreatWarningsAsErrors>", 2)]
    [InlineData("", 2)]
    public void Documentation_NotDemanded_IsFound(string properties, int count) =>
        Assert.Equal(count, ProjectRules.Documentation(Props($"<PropertyGroup>{properties}</PropertyGroup>")).Count());

    [Theory]
    [InlineData("<PropertyGroup><NoWarn>$(NoWarn);CS1591</NoWarn></PropertyGroup>", true)]
    [InlineData("<PropertyGroup Condition=\"'$(Other)' == 'true'\"><NoWarn>1591</NoWarn></PropertyGroup>", true)]
    [InlineData("<PropertyGroup><WarningsNotAsErrors>CS1591</WarningsNotAsErrors></PropertyGroup>", true)]
    [InlineData("<PropertyGroup><GenerateDocumentationFile>false</GenerateDocumentationFile></PropertyGroup>", true)]
    [InlineData("<PropertyGroup><NoWarn>CA1707</NoWarn></PropertyGroup>", false)]
    [InlineData("<PropertyGroup Condition=\"'$(IsTestOrBench)' == 'true'\"><NoWarn>CS1591</NoWarn></PropertyGroup>", false)]
    public void Suppressed_InTheSource_IsFound(string group, bool isFound) => Assert.Equal(isFound, ProjectRules.Suppressed(Props(group)).Any());

    [Theory]
    [InlineData("System.IO", "File", "", true)]
    [InlineData("System.IO", "RandomAccess", "", true)]
    [InlineData("System.IO", "Stream", "", false)]
    [InlineData("System.IO", "IOException", "", false)]
    [InlineData("System.IO.Pipelines", "Pipe", "", false)]
    [InlineData("System.Net", "IPAddress", "", true)]
    [InlineData("System.Net.Http", "HttpClient", "", true)]
    [InlineData("System.Network", "Other", "", false)]
    [InlineData("System", "Console", "WriteLine", true)]
    [InlineData("System", "Environment", "", false)]
    [InlineData("System", "Environment", "get_CurrentManagedThreadId", false)]
    [InlineData("System", "Environment", "GetEnvironmentVariable", true)]
    [InlineData("System.Diagnostics", "Process", "Start", true)]
    [InlineData("System.Diagnostics", "Debug", "Assert", false)]
    [InlineData("Microsoft.Win32.SafeHandles", "SafeFileHandle", "", true)]
    public void Forbidden_UseOfTheWorld_IsFound(string space, string type, string member, bool isFound) =>
        Assert.Equal(isFound, AssemblyRules.Forbidden([new Use(space, type, member)]).Any());

    [Fact]
    public void UsesOf_ThisAssembly_SeesWhatItUses()
    {
        var uses = AssemblyRules.UsesOf(typeof(ProjectRulesTests).Assembly.Location);

        Assert.Contains(new Use("System.IO", "File", "ReadAllText"), uses);
        Assert.Contains(new Use(typeof(PEReader).Namespace!, nameof(PEReader), ""), uses);
    }

    private static SourceFile Project(string name, string item) => new($"src/{name}.csproj", $"<Project Sdk=\"Microsoft.NET.Sdk\">\n  <ItemGroup>\n    {item}\n  </ItemGroup>\n</Project>\n");

    private static SourceFile Props(string group) => new("Directory.Build.props", $"<Project>\n  {group}\n</Project>\n");
}
