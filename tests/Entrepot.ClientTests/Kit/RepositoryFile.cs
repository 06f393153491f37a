using System.Text.RegularExpressions;

namespace Entrepot.ClientTests.Kit;

/// <summary>Files of the repository that users copy, so that the tests use these and no copies of them.</summary>
internal static partial class RepositoryFile
{
    // What stands in them for the appliance.
    private const string Example = "127.0.0.1:5000";

    /// <summary>The folder that holds the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The text of a file.</summary>
    /// <param name="path">From the root.</param>
    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    /// <summary>The text of an example, with the appliance's address in the place of the example's.</summary>
    /// <param name="path">From the root.</param>
    /// <param name="host">The appliance, <c>address:port</c>.</param>
    public static string ReadExample(string path, string host)
    {
        var text = Read(path);
        Assert.Contains(Example, text, StringComparison.Ordinal);
        return text.Replace(Example, host, StringComparison.Ordinal);
    }

    /// <summary>The commands that a page tells its readers to run, block by block.</summary>
    /// <param name="path">From the root.</param>
    public static IReadOnlyList<string> ReadCommands(string path) => [.. Block().Matches(Read(path)).Select(match => match.Groups["text"].Value)];

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Cache.sln")))
            folder = folder.Parent ?? throw new DirectoryNotFoundException($"no Cache.sln above {AppContext.BaseDirectory}");
        return folder.FullName;
    }

    [GeneratedRegex("^```sh\n(?<text>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();
}
