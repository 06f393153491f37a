namespace Entrepot.Tests.Architecture;

/// <summary>The repository that these tests were built in: the nearest folder above them that holds the solution.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>The text file of this path from the root.</summary>
    public static SourceFile Read(string path) => new(path, File.ReadAllText(Path.Combine(Root, path)));

    /// <summary>Text files under folders of the root, without what the build makes.</summary>
    public static IReadOnlyList<SourceFile> Files(string pattern, params string[] folders) =>
    [
        .. folders.SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Root, folder), pattern, SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(Root, path))
            .Where(path => !path.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"))
            .Order(StringComparer.Ordinal)
            .Select(Read),
    ];

    /// <summary>Names at the root, without those that .gitignore leaves out.</summary>
    public static IEnumerable<string> TopLevel()
    {
        var ignored = File.ReadLines(Path.Combine(Root, ".gitignore")).Select(line => line.Trim('/')).ToHashSet();
        return Directory.EnumerateFileSystemEntries(Root).Select(path => Path.GetFileName(path)).Where(name => !ignored.Contains(name));
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Cache.sln")))
            folder = folder.Parent ?? throw new DirectoryNotFoundException($"no Cache.sln above {AppContext.BaseDirectory}");
        return folder.FullName;
    }
}
