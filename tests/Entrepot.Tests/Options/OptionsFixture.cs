using Entrepot.Server.Options;

namespace Entrepot.Tests.Options;

/// <summary>A directory with an options file in it; gone after the test.</summary>
public sealed class OptionsFixture : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-options-");

    public string File => Path.Combine(_directory.FullName, "entrepot.yaml");

    internal OptionsResult Read(string yaml, params (string Name, string Value)[] environment) => Read(yaml, environment, []);

    internal OptionsResult Read(string yaml, (string Name, string Value)[] environment, (string Path, string[] Values)[] flags)
    {
        System.IO.File.WriteAllText(File, yaml);
        return OptionsReader.Read(new OptionSources(File,
            environment.ToDictionary(pair => pair.Name, pair => pair.Value),
            flags.ToDictionary(flag => flag.Path, IReadOnlyList<string> (flag) => flag.Values)));
    }

    /// <summary>The problems as they are printed, with the file's directory left out.</summary>
    internal string[] Problems(string yaml, params (string Name, string Value)[] environment) => Lines(Read(yaml, environment));

    internal string[] Lines(OptionsResult result) =>
        [.. result.Problems.Select(problem => problem.ToString().Replace(_directory.FullName + "/", "", StringComparison.Ordinal))];

    public void Dispose() => _directory.Delete(recursive: true);
}
