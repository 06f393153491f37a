using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Engines;

/// <summary>One way in which signatures lie beside images in a registry, and the program that makes and verifies them.</summary>
/// <param name="Program">What it is.</param>
/// <param name="SignArguments">What makes it sign, before the image.</param>
/// <param name="VerifyArguments">What makes it verify, before the image; neither asks anybody but the registry.</param>
internal sealed record SignatureKind(ClientProgram Program, string[] SignArguments, string[] VerifyArguments)
{
    private static readonly string Cosign = $"{TestRun.NewerRoot ?? "/none"}/usr/bin/cosign";

    /// <summary>All of them, in the table's order.</summary>
    public static IReadOnlyList<SignatureKind> All { get; } =
    [
        new(new("cosign, tag", Cosign, "version"),
            ["sign", "--yes", "--allow-http-registry", "--key", "cosign.key", "--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false"],
            ["verify", "--allow-http-registry", "--key", "cosign.pub", "--insecure-ignore-tlog=true", "--new-bundle-format=false"]),
        new(new("cosign, referrer", Cosign, "version"),
            ["sign", "--yes", "--allow-http-registry", "--key", "cosign.key", "--signing-config", "signing-config.json"],
            ["verify", "--allow-http-registry", "--key", "cosign.pub", "--insecure-ignore-tlog=true"]),
        new(new("notation", $"{TestRun.NewerRoot ?? "/none"}/usr/bin/notation", "version"),
            ["sign", "--insecure-registry"],
            ["verify", "--insecure-registry"]),
    ];

    /// <summary>The one of that name.</summary>
    public static SignatureKind Named(string name) => All.Single(kind => kind.Program.Name == name);
}
