using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Engines;

/// <summary>Images that were signed at a real registry, verified through the appliance. What comes of it goes into a table in <c>docs/clients.md</c>.</summary>
public sealed class SignatureTests
{
    private static readonly TestImage Signed = SampleImages.Named("library/multi");
    private static readonly TestImage SignedUnasked = SampleImages.Named("library/five");
    private static readonly TestImage Unsigned = SampleImages.Named("library/one");

    [ProgramTheory]
    [ProgramData("cosign, tag")]
    [ProgramData("cosign, referrer")]
    [ProgramData("notation")]
    public async Task Signature_ThroughEntrepot_IsVerifiedColdAgainAndUpstreamStopped(string name)
    {
        await using var scene = await Scene.StartAsync("0s", [Signed, SignedUnasked, Unsigned], name);
        var signer = await scene.StartSignerAsync(SignatureKind.Named(name));
        foreach (var image in new[] { Signed, SignedUnasked }) await signer.SignAsync(scene.Registry.Address.Authority, image);
        await scene.Skopeo().CopyAsync(Signed);
        var before = scene.Registry.Seen.Count;

        Assert.Equal(Outcome.Right, await VerifyAsync(scene, signer, Signed));
        await RecordAsync(name, "cold", Outcome.Right);
        Assert.Equal(Outcome.Fails, await VerifyAsync(scene, signer, Unsigned));
        Assert.Equal(Outcome.Right, await VerifyAsync(scene, signer, Signed));
        await RecordAsync(name, "hit", Outcome.Right);

        var blobs = (await scene.Registry.StopAsync()).Skip(before)
            .Where(request => request.Method == "GET" && request.Path.Contains("/blobs/", StringComparison.Ordinal)).CountBy(request => request.Path).ToList();
        Assert.NotEmpty(blobs);
        Assert.All(blobs, blob => Assert.Equal(1, blob.Value));

        await RecordAsync(name, "upstream stopped, known", await VerifyAsync(scene, signer, Signed));
        await RecordAsync(name, "upstream stopped, unknown", await VerifyAsync(scene, signer, SignedUnasked));
    }

    [ProgramTheory]
    [ProgramData("cosign, tag")]
    [ProgramData("cosign, referrer")]
    public async Task Cosign_TreeAndDownload_SayTheSameAsAtTheRegistry(string name)
    {
        await using var scene = await Scene.StartAsync("0s", [Signed], name);
        var signer = await scene.StartSignerAsync(SignatureKind.Named(name));
        var registry = scene.Registry.Address.Authority;
        await signer.SignAsync(registry, Signed);

        foreach (string[] command in new string[][] { ["tree"], ["download", "signature"] })
        {
            var there = await ReadAsync(signer, registry, command);
            Assert.NotEmpty(there);
            Assert.Equal(there.Replace(registry, scene.Entrepot.Host, StringComparison.Ordinal), await ReadAsync(signer, scene.Entrepot.Host, command));
        }
    }

    private static Task<string> ReadAsync(Signer signer, string registry, string[] command) =>
        signer.RunAsync([.. command, "--allow-http-registry", Signer.Name(registry, Signed)]);

    private static async Task<string> VerifyAsync(Scene scene, Signer signer, TestImage image)
    {
        try
        {
            await signer.VerifyAsync(scene.Entrepot.Host, image);
            return Outcome.Right;
        }
        catch (InvalidOperationException)
        {
            return Outcome.Fails;
        }
    }

    private static async Task RecordAsync(string name, string situation, string outcome) =>
        TestRun.Record(name, await ClientProgram.Named(name).VersionAsync(), situation, outcome);
}
