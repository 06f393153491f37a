using System.Security.Cryptography;
using Entrepot.ClientTests.Engines;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Bundles;

/// <summary>The commands of <c>docs/bundles.md</c>, as they stand there.</summary>
public sealed class BundlesPageTests : IDisposable
{
    private const string Example = "registry.example.com";
    private const string OfParts = "for part in";

    private static readonly TestImage Alpine = SampleImages.Named("library/five") with { Repository = "library/alpine", Tag = "3.20" };

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-page-");

    public void Dispose() => _folder.Delete(recursive: true);

    [ClientFact]
    public async Task Commands_OnWhatWasExported_DoWhatThePageSays()
    {
        await using var scene = await Scene.StartAsync("0s", [Alpine]);
        var registry = scene.Registry.Address.Authority;
        await PrepareAsync(registry);
        string[] export = ["bundle", "export", $"docker.io/{Alpine}", "--sign-key", In("key.pem"), "-o", In("site.tar")];
        var blocks = RepositoryFile.ReadCommands("docs/bundles.md");
        Assert.Equal(4, blocks.Count);

        await scene.Entrepot.RunAsync(export);
        foreach (var block in blocks.Where(block => !block.Contains(OfParts, StringComparison.Ordinal))) await RunAsync(block, registry);
        var skopeo = new Skopeo(In("skopeo"), In("skopeo.log"), registry);
        await skopeo.CopyFromAsync($"docker://{registry}/alpine:3.20", Alpine);

        await scene.Entrepot.RunAsync([.. export, "--max-size", "2MB"]);
        await RunAsync(blocks.Single(block => block.Contains(OfParts, StringComparison.Ordinal)), registry);
        await RunAsync(blocks[^1], registry);
        await skopeo.CopyFromAsync($"oci:{In("whole")}:docker.io/{Alpine}", Alpine);
        Assert.All(Directory.GetFiles(In("whole/blobs/sha256")), file => Assert.Equal(Path.GetFileName(file), Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)))));

        await File.AppendAllTextAsync(In("site.002.tar"), "x");
        await Assert.ThrowsAsync<InvalidOperationException>(() => RunAsync(blocks[^1], registry));
    }

    private string In(string name) => Path.Combine(_folder.FullName, name);

    private Task<string> RunAsync(string block, string registry) => Tool.ReadAsync(
        "bash", ["-ec", $"set -o pipefail\ncd '{_folder.FullName}'\n{block.Replace(Example, registry, StringComparison.Ordinal)}"], null,
        [("PATH", $"{In("programs")}:{Environment.GetEnvironmentVariable("PATH")}"), .. new ContainersConfig(In("home"), registry).Environment]);

    // What a reader of the page has: keys, and a registry that may be pushed to.
    private async Task PrepareAsync(string registry)
    {
        Directory.CreateDirectory(In("programs"));
        var cosign = ClientProgram.Named("cosign, tag");   // there only sometimes
        File.CreateSymbolicLink(In("programs/cosign"), cosign.IsThere ? cosign.File : "/bin/true");
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await File.WriteAllTextAsync(In("key.pem"), key.ExportPkcs8PrivateKeyPem());
        await File.WriteAllTextAsync(In("key.pub"), key.ExportSubjectPublicKeyInfoPem());

        // skopeo heeds no variable for them, only the home folder.
        var config = new ContainersConfig(In("home"), registry);
        Directory.CreateDirectory(In("home/.config/containers"));
        File.Copy(config.Policy, In("home/.config/containers/policy.json"));
        File.Copy(config.Registries, In("home/.config/containers/registries.conf"));
    }
}
