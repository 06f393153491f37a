using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Engines;

/// <summary>A signing program with keys of its own.</summary>
internal sealed class Signer
{
    private const string Certificate = "test.example";

    private readonly SignatureKind _kind;
    private readonly string _folder;
    private readonly string _logFile;

    private Signer(SignatureKind kind, string folder, string logFile) => (_kind, _folder, _logFile) = (kind, folder, logFile);

    /// <summary>Makes its keys, and tells it to trust these and nothing else.</summary>
    /// <param name="kind">Which way it signs.</param>
    /// <param name="folder">Everything of it lies there.</param>
    /// <param name="logFile">Where its output is appended.</param>
    public static async Task<Signer> CreateAsync(SignatureKind kind, string folder, string logFile)
    {
        var signer = new Signer(kind, Directory.CreateDirectory(folder).FullName, logFile);
        if (kind.Program.Name == "notation")
        {
            await signer.RunAsync("cert", "generate-test", "--default", Certificate);
            await File.WriteAllTextAsync(Path.Combine(folder, "policy.json"), $$"""
                {"version":"1.0","trustPolicies":[{"name":"test","registryScopes":["*"],"signatureVerification":{"level":"strict"},
                "trustStores":["ca:{{Certificate}}"],"trustedIdentities":["*"]}]}
                """);
            await signer.RunAsync("policy", "import", "--force", "policy.json");
            return signer;
        }

        // No transparency log and no time stamps: neither can be reached.
        await File.WriteAllTextAsync(Path.Combine(folder, "signing-config.json"), """
            {"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{"selector":"ANY"},"tsaConfig":{"selector":"ANY"}}
            """);
        await signer.RunAsync("generate-key-pair");
        return signer;
    }

    /// <summary>Signs an image where it lies.</summary>
    /// <param name="registry"><c>address:port</c>.</param>
    /// <param name="image">What its tag names is signed.</param>
    public Task SignAsync(string registry, TestImage image) => RunAsync([.. _kind.SignArguments, Name(registry, image)]);

    /// <summary>Verifies an image.</summary>
    /// <exception cref="InvalidOperationException">It has no valid signature, or that could not be found out.</exception>
    public Task VerifyAsync(string registry, TestImage image) => RunAsync([.. _kind.VerifyArguments, Name(registry, image)]);

    /// <summary>Runs the program in its folder.</summary>
    /// <returns>Its standard output.</returns>
    public Task<string> RunAsync(params string[] arguments) => Tool.ReadAsync(
        "env", ["--chdir", _folder, _kind.Program.File, .. arguments], _logFile,
        ("HOME", _folder), ("XDG_CONFIG_HOME", Path.Combine(_folder, "config")), ("DOCKER_CONFIG", _folder), ("COSIGN_PASSWORD", ""));

    /// <summary>What the programs call an image.</summary>
    public static string Name(string registry, TestImage image) => $"{registry}/{image.Repository}@{image.Root.Digest}";
}
