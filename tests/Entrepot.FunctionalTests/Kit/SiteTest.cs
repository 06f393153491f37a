using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Kit;

/// <summary>A registry, an appliance in front of it, a folder for files that goes away with the test, and the command.</summary>
public abstract class SiteTest : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-site-");

    private protected TestRegistry Registry { get; } = new();

    private protected Appliance Cache { get; private set; } = null!;   // set before each test

    private protected virtual Setup Setup { get; } = new();

    public virtual async Task InitializeAsync() => Cache = await Appliance.StartAsync(Registry, Setup);

    public async Task DisposeAsync()
    {
        await Cache.DisposeAsync();
        await Registry.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    /// <summary>The names of the files in the folder, in order.</summary>
    private protected IReadOnlyList<string> Files => [.. _folder.GetFiles().Select(file => file.Name).Order(StringComparer.Ordinal)];

    /// <summary>A file of the folder.</summary>
    private protected string In(string name) => Path.Combine(_folder.FullName, name);

    /// <summary>Writes a file of the folder, and says where it is.</summary>
    private protected string Write(string name, string text)
    {
        File.WriteAllText(In(name), text);
        return In(name);
    }

    private protected Task<Ran> CommandAsync(params string[] arguments) => CommandLine.RunAsync(Cache.Admin, arguments);

    /// <summary>Adds an index of images of <c>org/app</c> for these platforms.</summary>
    private protected TestManifest AddIndex(string tag, params (TestImage Image, string Platform)[] children)
    {
        var index = Content.IndexOf(children.Select(child => child.Image.Manifest));
        foreach (var (entry, child) in index["manifests"]!.AsArray().Zip(children))
            entry!["platform"] = new JsonObject { ["os"] = child.Platform.Split('/')[0], ["architecture"] = child.Platform.Split('/')[1] };
        return Registry.Content.AddManifest("org/app", tag, index, MediaTypes.OciIndex);
    }
}
