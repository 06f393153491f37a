using System.Text.RegularExpressions;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Engines;

/// <summary>A program that <c>docs/clients.md</c> tells of. Those of Debian's development suite are there only sometimes, and in any version.</summary>
/// <param name="Name">As the tables have it.</param>
/// <param name="File">The executable: a name to be searched for, or the path of a newer one.</param>
/// <param name="VersionArgument">What makes it tell its version.</param>
/// <param name="RunsOn">Another program that it needs, if that is one of these.</param>
internal sealed partial record ClientProgram(string Name, string File, string VersionArgument, ClientProgram? RunsOn = null)
{
    private Task<string>? _version;

    /// <summary>The one of that name, among engines and signers.</summary>
    public static ClientProgram Named(string name) =>
        EngineKind.All.Select(kind => kind.Program).Concat(SignatureKind.All.Select(kind => kind.Program)).Single(program => program.Name == name);

    /// <summary>Whether it is of the development suite.</summary>
    public bool IsNewer => Path.IsPathRooted(File);

    /// <summary>Whether the program is on this machine.</summary>
    public bool IsThere =>
        IsNewer
            ? TestRun.NewerRoot is not null && System.IO.File.Exists(File)
            : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => System.IO.File.Exists(Path.Combine(folder, File)));

    /// <summary>What the program says its version is.</summary>
    public Task<string> VersionAsync() => _version ??= ReadVersionAsync();

    /// <summary>How a newer program, or what it runs on, differs from the one that <c>docs/clients.md</c> tells of.</summary>
    /// <returns><see langword="null"/> if it is that one, and for the programs of Debian stable: what they do is always held against the page.</returns>
    public async Task<string?> DriftAsync()
    {
        if (!IsNewer || RecordedVersion() is not { } recorded) return null;
        var version = await VersionAsync();
        if (version != recorded) return $"{Name} is of version {version}, and docs/clients.md tells of {recorded}";
        return RunsOn is null ? null : await RunsOn.DriftAsync();
    }

    private string? RecordedVersion() =>
        RepositoryFile.Read("docs/clients.md").Split('\n')
            .Where(line => line.StartsWith($"| {Name} | ", StringComparison.Ordinal))
            .Select(line => line.Split('|')[2].Trim()).FirstOrDefault();

    private async Task<string> ReadVersionAsync()
    {
        if (Number(await Tool.ReadAsync(File, [VersionArgument])) is { } said) return said;

        // A program that was built without its version, or tells that of its compiler only; its package has one.
        var package = Path.Combine(TestRun.NewerRoot ?? "", "versions", Path.GetFileName(File));
        return System.IO.File.Exists(package) ? Number(await System.IO.File.ReadAllTextAsync(package)) ?? "unknown" : "unknown";
    }

    private static string? Number(string text) => VersionNumber().Match(text) is { Success: true } found ? found.Groups["number"].Value : null;

    // Not what follows letters: "go1.26" is the compiler's.
    [GeneratedRegex("(?<![a-zA-Z0-9.])v?(?<number>[0-9]+\\.[0-9]+(\\.[0-9]+)?)")]
    private static partial Regex VersionNumber();
}
