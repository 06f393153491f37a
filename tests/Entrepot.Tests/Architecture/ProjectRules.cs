using System.Xml;
using System.Xml.Linq;

namespace Entrepot.Tests.Architecture;

/// <summary>What project and props files must keep to, as functions of their text. Pure.</summary>
internal static class ProjectRules
{
    /// <summary>The arrows of the design: which project of the source may know which others.</summary>
    public static readonly IReadOnlyDictionary<string, string[]> Arrows = new Dictionary<string, string[]>
    {
        ["Entrepot.Core"] = [],
        ["Entrepot.Storage"] = ["Entrepot.Core"],
        ["Entrepot.Upstream"] = ["Entrepot.Core"],
        ["Entrepot.Server"] = ["Entrepot.Storage", "Entrepot.Upstream"],
    };

    // A name ending in a dot and a star stands for a family.
    private static readonly Dictionary<string, string[]> Packages = new()
    {
        ["Entrepot.Core"] = [],
        ["Entrepot.Storage"] = ["Microsoft.FASTER.Core"],
        ["Entrepot.Upstream"] = ["Polly.*", "System.Threading.RateLimiting", "Microsoft.Extensions.Http.Resilience"],
        ["Entrepot.Server"] = ["prometheus-net", "Serilog.*", "System.CommandLine", "Spectre.Console", "YamlDotNet"],
    };

    /// <summary>Arrows between projects point inwards.</summary>
    public static IEnumerable<Finding> References(SourceFile project)
    {
        var allowed = Arrows[NameOf(project)];
        return from reference in Elements(project, "ProjectReference")
               let target = Path.GetFileNameWithoutExtension(Include(reference))
               where !allowed.Contains(target)
               select At(project, reference, $"a reference to {target}; allowed: {Listed(allowed)}");
    }

    /// <summary>Each project uses the packages of the design's table, besides analyzers.</summary>
    public static IEnumerable<Finding> PackageNames(SourceFile project)
    {
        var allowed = Packages.GetValueOrDefault(NameOf(project), []);
        return from reference in Elements(project, "PackageReference")
               let package = Include(reference)
               where !IsAnalyzer(reference) && !allowed.Any(pattern => IsOf(package, pattern))
               select At(project, reference, $"the package {package}; allowed: {Listed(allowed)}");
    }

    /// <summary>What a project's SDK does not bring, no project takes by another way than packages and projects; only the server is a web project.</summary>
    public static IEnumerable<Finding> Frameworks(SourceFile project)
    {
        var root = Parse(project).Root!;
        var isWeb = root.Attribute("Sdk")?.Value == "Microsoft.NET.Sdk.Web";
        if (isWeb && NameOf(project) != "Entrepot.Server") yield return At(project, root, "a web project; only Entrepot.Server is one");
        foreach (var name in new[] { "FrameworkReference", "Reference" })
            foreach (var element in Elements(project, name)) yield return At(project, element, $"{name} {Include(element)}; none is allowed");
    }

    /// <summary>Each version is written once, in one file.</summary>
    public static IEnumerable<Finding> Versions(SourceFile file) =>
        from element in Parse(file).Descendants()
        where element.Name.LocalName == "PackageVersion"
            || (element.Name.LocalName == "PackageReference" && Settings(element).Any(name => name is "Version" or "VersionOverride"))
        select At(file, element, "a package's version; versions are in Directory.Packages.props");

    /// <summary>What is public and undocumented stops the build of everything but tests and benchmarks.</summary>
    public static IEnumerable<Finding> Documentation(SourceFile props)
    {
        foreach (var name in new[] { "GenerateDocumentationFile", "TreatWarningsAsErrors" })
            if (!Elements(props, name).Any(element => element.Value == "true" && !IsConditional(element))) yield return new(props.Path, 1, $"{name} is not true for all projects");
        foreach (var finding in Suppressed(props)) yield return finding;
    }

    /// <summary>No project of the source goes without documentation.</summary>
    public static IEnumerable<Finding> Suppressed(SourceFile file) =>
        from element in Parse(file).Descendants()
        where element.Name.LocalName switch
        {
            "NoWarn" or "WarningsNotAsErrors" => element.Value.Contains("1591", StringComparison.Ordinal) && !IsForTests(element),
            "GenerateDocumentationFile" or "TreatWarningsAsErrors" => element.Value != "true" && !IsForTests(element),
            _ => false,
        }
        select At(file, element, $"{element.Name.LocalName} is '{element.Value}'; what is public is documented");

    private static bool IsForTests(XElement element) =>
        element.AncestorsAndSelf().Any(one => one.Attribute("Condition")?.Value == "'$(IsTestOrBench)' == 'true'");

    private static bool IsConditional(XElement element) => element.AncestorsAndSelf().Any(one => one.Attribute("Condition") is not null);

    private static bool IsAnalyzer(XElement reference) =>
        Include(reference).StartsWith("Microsoft.CodeAnalysis.", StringComparison.Ordinal) && reference.Attribute("PrivateAssets")?.Value == "all";

    private static bool IsOf(string package, string pattern) =>
        pattern.EndsWith(".*", StringComparison.Ordinal)
            ? package == pattern[..^2] || package.StartsWith(pattern[..^1], StringComparison.Ordinal)
            : package == pattern;

    private static string NameOf(SourceFile project) => Path.GetFileNameWithoutExtension(project.Path);

    private static string Include(XElement element) => element.Attribute("Include")?.Value ?? element.Attribute("Update")?.Value ?? "";

    private static string Listed(string[] allowed) => allowed.Length == 0 ? "none" : string.Join(", ", allowed);

    private static IEnumerable<string> Settings(XElement element) =>
        element.Attributes().Select(attribute => attribute.Name.LocalName).Concat(element.Elements().Select(child => child.Name.LocalName));

    private static IEnumerable<XElement> Elements(SourceFile file, string name) => Parse(file).Descendants().Where(element => element.Name.LocalName == name);

    private static XDocument Parse(SourceFile file) => XDocument.Parse(file.Text, LoadOptions.SetLineInfo);

    private static Finding At(SourceFile file, XElement element, string what) => new(file.Path, ((IXmlLineInfo)element).LineNumber, what);
}
