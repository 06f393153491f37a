using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;
using Entrepot.Server.Options;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>An appliance that is never to ask anybody, files for it, and the command.</summary>
public abstract class ImportTest : IAsyncLifetime
{
    private protected TestRegistry Upstream { get; } = new();

    private protected ImageArchive Files { get; } = new();

    /// <summary>Where images come from that are only in files.</summary>
    private protected Content Elsewhere { get; } = new();

    private protected Appliance Cache { get; private set; } = null!;

    /// <summary>The options of the appliance.</summary>
    protected virtual EntrepotOptions Options(EntrepotOptions options) => options with { Offline = true };

    public async Task InitializeAsync()
    {
        Cache = await Appliance.StartAsync(Upstream);
        await Cache.RestartAsync(Options);
    }

    public async Task DisposeAsync()
    {
        Assert.Empty(Upstream.Log.All);   // an import never asks an upstream, nor does what was imported
        await Cache.DisposeAsync();
        await Upstream.DisposeAsync();
        Files.Dispose();
    }

    private protected TestImage Image(string repository, string tag, int seed, params int[] more) =>
        Elsewhere.AddImage(repository, tag, [.. more.Prepend(seed).Select(one => TestBlob.Random(50_000 + one, one))]);

    private protected Task<Ran> RunAsync(params string[] arguments) => CommandLine.RunAsync(Cache.Admin, arguments);

    private protected Task<Ran> ImportAsync(params string[] arguments) => RunAsync(["bundle", "import", .. arguments]);

    /// <summary>Asserts that an engine gets the image by its tag and by its digest, all of it.</summary>
    private protected async Task PullsAsync(TestImage image, string? tag = null)
    {
        (await Cache.GetManifestAsync(tag ?? image.Tag, image.Repository)).Is(image.Manifest.Bytes);
        (await Cache.GetManifestAsync(image.Manifest.Digest.ToString(), image.Repository)).Is(image.Manifest.Bytes);
        foreach (var blob in image.Layers.Append(image.Config)) (await Cache.GetAsync(Appliance.PathOf(blob.Digest, image.Repository))).Is(blob.Bytes);
    }

    /// <summary>Asserts that nothing of an import is left: no name, no blob, no room that is set aside, no file.</summary>
    private protected async Task NothingIsLeftAsync(params TestImage[] images)
    {
        foreach (var image in images)
        {
            Assert.Equal(404, (await Cache.GetManifestAsync(image.Tag, image.Repository)).Status);
            Assert.Equal(404, (await Cache.GetManifestAsync(image.Manifest.Digest.ToString(), image.Repository)).Status);
            Assert.All(image.Layers.Append(image.Config), blob => Assert.False(Cache.Store.Has(blob.Digest)));
        }

        await NothingIsStagedAsync();
    }

    private protected async Task NothingIsStagedAsync()
    {
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(Cache.Options.StorageRoot, "staging")));
        Assert.Equal(0, (await Cache.MetricsAsync()).Sum("entrepot_storage_reserved_bytes"));
    }

    private protected async Task<IReadOnlyList<JsonNode>> ListAsync() => [.. JsonNode.Parse((await RunAsync("list", "--output", "json")).IsFine().Out)!["images"]!.AsArray()!];

    private protected static string Full(TestImage image) => $"docker.io/{image.Repository}:{image.Tag}";

    private protected bool Has(TestBlob blob) => Cache.Store.Has(blob.Digest);

    private protected bool Has(Digest digest) => Cache.Store.Has(digest);
}
