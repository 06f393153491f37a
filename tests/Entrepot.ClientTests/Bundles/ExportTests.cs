using System.Security.Cryptography;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Bundles;

/// <summary>Archives of <c>bundle export</c>, read by other tools.</summary>
public sealed class ExportTests
{
    private static readonly TestImage Multi = SampleImages.Named("library/multi");
    private static readonly TestImage Five = SampleImages.Named("library/five");
    private static readonly TestImage Legacy = SampleImages.Named("library/legacy");

    [ClientFact]
    public async Task Export_Archive_SkopeoReadsItWithTheDigestsUnchanged()
    {
        await using var scene = await Scene.StartAsync("0s", [Multi, Five, Legacy]);
        var folder = Directory.CreateTempSubdirectory("entrepot-export-");
        try
        {
            var (site, legacy, layout) = (Path.Combine(folder.FullName, "site.tar"), Path.Combine(folder.FullName, "legacy.tar"), Path.Combine(folder.FullName, "layout"));
            await ExportAsync(scene, site, Multi, Five);
            await ExportAsync(scene, legacy, Legacy);

            foreach (var image in new[] { Multi, Five }) await scene.Skopeo().CopyFromAsync($"oci-archive:{site}:docker.io/{image}", image);
            await scene.Skopeo().CopyFromAsync($"oci-archive:{legacy}", Legacy);   // of Docker's media types, in an archive of its own
            Directory.CreateDirectory(layout);
            await Tool.RunAsync("tar", ["-C", layout, "-xf", site]);
            await scene.Skopeo().CopyFromAsync($"oci:{layout}:docker.io/{Multi}", Multi);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [ClientFact]
    public async Task Export_SignKey_OpensslVerifiesTheReceipt()
    {
        await using var scene = await Scene.StartAsync("0s", [Five]);
        var folder = Directory.CreateTempSubdirectory("entrepot-export-");
        try
        {
            string At(string name) => Path.Combine(folder.FullName, name);
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            await File.WriteAllTextAsync(At("key.pem"), key.ExportPkcs8PrivateKeyPem());
            await File.WriteAllTextAsync(At("key.pub"), key.ExportSubjectPublicKeyInfoPem());
            await Tool.RunAsync(TestRun.Program, ["bundle", "export", "-o", At("site.tar"), "--sign-key", At("key.pem"), Five.ToString(), "--server", $"{scene.Entrepot.Admin}"]);
            await File.WriteAllBytesAsync(At("signature"), Convert.FromBase64String(await File.ReadAllTextAsync(At("site.receipt.json.sig"))));

            await Tool.RunAsync("openssl", ["dgst", "-sha256", "-verify", At("key.pub"), "-signature", At("signature"), At("site.receipt.json")]);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static Task<byte[]> ExportAsync(Scene scene, string archive, params TestImage[] images) =>
        Tool.RunAsync(TestRun.Program, ["bundle", "export", "-o", archive, .. images.Select(image => image.ToString()), "--server", $"{scene.Entrepot.Admin}"]);
}
