using System.Text.Json.Nodes;
using Entrepot.ClientTests.Engines;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.AirGap;

/// <summary>Two appliances and nothing between them but files: pulled here, exported, imported at a site that reaches no registry, and pulled there by engines.</summary>
public sealed class AirGapTests
{
    [ClientFact]
    public async Task ExportedBundle_Imported_IsPulledByAllEngines()
    {
        TestImage[] hub = [SampleImages.Named("library/multi"), SampleImages.Named("library/five"), SampleImages.Named("library/legacy-list"), SampleImages.Named("library/plain")];
        var other = SampleImages.Named("org/app");
        await using var near = await Scene.StartAsync("0s", [.. hub, other]);
        await using var far = await FarSite.StartAsync(nameof(ExportedBundle_Imported_IsPulledByAllEngines));
        string[] names = [.. hub.Select(image => $"docker.io/{image}"), $"quay.io/{other}"];
        var bundle = far.File("site.tar");
        await near.Entrepot.RunAsync(["warm", .. names]);
        await near.Registry.StopAsync();
        await near.Entrepot.RunAsync(["bundle", "export", "-o", bundle, .. names]);

        await far.ImportAsync(bundle);

        foreach (var image in hub) await far.PullAsync(image);
        await far.PullAsync(other, "quay.io");
        await far.PullAsync(hub[0], "docker.io");
        await far.Entrepot.StopAsync();
        await far.Entrepot.StartAsync();
        await far.Skopeo.CopyAsync(hub[0]);
    }

    [ClientFact]
    public async Task PartsAndDelta_InTheWrongOrder_GiveTheNewestTags()
    {
        var (before, after, kept) = (Image("app", 1), Image("app", 2), SampleImages.Named("library/five"));
        await using var near = await Scene.StartAsync("0s", [before, kept]);
        await using var far = await FarSite.StartAsync(nameof(PartsAndDelta_InTheWrongOrder_GiveTheNewestTags));
        var key = await KeyAsync(far);
        await near.Skopeo().CopyAsync(before);
        await near.Skopeo().CopyAsync(kept);
        string[] names = [$"docker.io/{before}", $"docker.io/{kept}"];
        await near.Entrepot.RunAsync(["bundle", "export", "-o", far.File("full.tar"), "--max-size", "3MB", "--sign-key", key.Private, .. names]);
        await near.Registry.PushAsync(after);
        await near.Skopeo().CopyAsync(after);
        await near.Entrepot.RunAsync(["bundle", "export", "-o", far.File("delta.tar"), "--since", far.File("full.receipt.json"), "--sign-key", key.Private, .. names]);
        Assert.True(new FileInfo(far.File("delta.tar")).Length < 1 << 20);

        Assert.Contains("neither in the files nor stored here", await far.RefusalAsync(far.File("delta.tar")), StringComparison.Ordinal);
        Assert.Contains("parts 2, ", await far.RefusalAsync(far.File("full.001.tar"), far.File("full.003.tar")), StringComparison.Ordinal);
        Assert.Empty(StoredBlobs.Verify(far.Entrepot.BlobFolder));
        var parts = Directory.GetFiles(Path.GetDirectoryName(far.File("x"))!, "full.0*.tar").OrderDescending();
        await far.ImportAsync([far.File("delta.tar"), .. parts, "--key", key.Public, "--set", "site"]);

        await far.Skopeo.CopyAsync(after);
        await far.Skopeo.CopyAsync(kept);
    }

    [ClientFact]
    public async Task FlippedByte_IsNamedAndLeavesNothing()
    {
        var image = SampleImages.Named("library/five");
        await using var near = await Scene.StartAsync("0s", [image]);
        await using var far = await FarSite.StartAsync(nameof(FlippedByte_IsNamedAndLeavesNothing));
        await near.Skopeo().CopyAsync(image);
        var bundle = far.File("site.tar");
        await near.Entrepot.RunAsync("bundle", "export", "-o", bundle, $"docker.io/{image}");
        var bytes = await File.ReadAllBytesAsync(bundle);
        var layer = image.Native.Layers[^1].Blob;
        bytes[bytes.AsSpan().IndexOf(layer.Bytes) + layer.Bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(bundle, bytes);

        Assert.Contains($"is damaged: what it has as {layer.Digest} is something else; nothing was imported", await far.RefusalAsync(bundle), StringComparison.Ordinal);

        Assert.Empty(StoredBlobs.Verify(far.Entrepot.BlobFolder));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(far.Entrepot.Root, "staging")));
    }

    [ProgramTheory]
    [ProgramData("cosign, tag")]
    [ProgramData("cosign, referrer")]
    public async Task Signature_Carried_IsVerifiedThere(string name)
    {
        var image = SampleImages.Named("library/multi");
        await using var near = await Scene.StartAsync("0s", [image], name);
        await using var far = await FarSite.StartAsync(Path.Combine(nameof(Signature_Carried_IsVerifiedThere), name));
        var signer = await near.StartSignerAsync(SignatureKind.Named(name));
        await signer.SignAsync(near.Registry.Address.Authority, image);
        await near.Skopeo().CopyAsync(image);
        await signer.VerifyAsync(near.Entrepot.Host, image);
        await near.Entrepot.RunAsync("bundle", "export", "-o", far.File("site.tar"), $"docker.io/{image}");

        await far.ImportAsync(far.File("site.tar"));

        await signer.VerifyAsync(far.Entrepot.Host, image);
    }

    [ProgramTheory]
    [ProgramData("oras")]
    public async Task AttachedArtifact_Carried_IsDiscoveredAndPulledThere(string name)
    {
        var (oras, image) = (ClientProgram.Named(name).File, SampleImages.Named("library/multi"));
        await using var near = await Scene.StartAsync("0s", [image], name);
        await using var far = await FarSite.StartAsync(nameof(AttachedArtifact_Carried_IsDiscoveredAndPulledThere));
        await File.WriteAllTextAsync(far.File("sbom.json"), """{"spdxVersion":"SPDX-2.3"}""");
        await OrasAsync("attach", "--artifact-type", "application/spdx+json", $"{near.Registry.Address.Authority}/{image}", "sbom.json:application/json");
        var attached = await DiscoverAsync($"{near.Registry.Address.Authority}/{image}");
        await near.Entrepot.RunAsync("bundle", "export", "-o", far.File("site.tar"), $"docker.io/{image}");

        await far.ImportAsync(far.File("site.tar"));

        Assert.Equal(("application/spdx+json", attached.Digest), await DiscoverAsync($"{far.Entrepot.Host}/docker.io/{image}"));
        File.Delete(far.File("sbom.json"));
        await OrasAsync("pull", $"{far.Entrepot.Host}/docker.io/{image.Repository}@{attached.Digest}");
        Assert.Equal("""{"spdxVersion":"SPDX-2.3"}""", await File.ReadAllTextAsync(far.File("sbom.json")));

        Task<string> OrasAsync(string command, params string[] arguments) => Tool.ReadAsync(
            "env", ["--chdir", Path.GetDirectoryName(far.File("x"))!, oras, command, "--plain-http", .. arguments], null, ("DOCKER_CONFIG", "/nonexistent"));

        async Task<(string Type, string Digest)> DiscoverAsync(string reference)
        {
            var found = JsonNode.Parse(await OrasAsync("discover", "--format", "json", reference))!["referrers"]!.AsArray().Single()!;
            return ((string)found["artifactType"]!, (string)found["digest"]!);
        }
    }

    [ProgramTheory]
    [ProgramData("oras")]
    public async Task ExportedArchive_IsCopiedByOras(string name)
    {
        var (oras, image) = (ClientProgram.Named(name).File, SampleImages.Named("library/multi"));
        await using var near = await Scene.StartAsync("0s", [image], name);
        await using var far = await FarSite.StartAsync(nameof(ExportedArchive_IsCopiedByOras));
        await near.Entrepot.RunAsync("bundle", "export", "-o", far.File("site.tar"), $"docker.io/{image}");

        await Tool.RunAsync(
            "env", ["--chdir", Path.GetDirectoryName(far.File("x"))!, oras, "copy", "--no-tty", "--from-oci-layout", $"site.tar@{image.Root.Digest}", "--to-oci-layout", "copy:1"],
            null, ("DOCKER_CONFIG", "/nonexistent"));

        foreach (var content in image.Blobs.Concat(image.Manifests))
            Assert.Equal(content.Bytes, await File.ReadAllBytesAsync(far.File($"copy/blobs/sha256/{content.Hex}")));
    }

    [ClientFact]
    public async Task Delta_OneSmallLayerOfTenImagesChanged_IsUnderTwoHundredthsOfTheFullOne()
    {
        var shared = Layer.Gzip(100, 3 << 20);
        TestImage[] images = [.. Enumerable.Range(0, 10).Select(i => Image(i, i + 300))];
        var changed = Image(7, 999);
        await using var near = await Scene.StartAsync("0s", images);
        await using var far = await FarSite.StartAsync(nameof(Delta_OneSmallLayerOfTenImagesChanged_IsUnderTwoHundredthsOfTheFullOne));
        string[] names = [.. images.Select(image => $"docker.io/{image}")];
        await near.Entrepot.RunAsync(["bundle", "export", "-o", far.File("full.tar"), .. names]);
        await far.ImportAsync(far.File("full.tar"), "--set", "site");
        await File.WriteAllTextAsync(far.File("there.json"), await far.Entrepot.RunAsync("list", "--output", "json"));
        await near.Registry.PushAsync(changed);
        await near.Entrepot.RunAsync("warm", names[7]);

        await near.Entrepot.RunAsync(["bundle", "export", "-o", far.File("delta.tar"), "--since", far.File("full.receipt.json"), .. names]);
        await near.Entrepot.RunAsync(["bundle", "export", "-o", far.File("same.tar"), "--since", far.File("there.json"), .. names]);

        Assert.InRange(Length("delta.tar"), changed.Native.Layers[^1].Blob.Bytes.Length, Length("full.tar") / 50);
        Assert.InRange(Length("same.tar"), changed.Native.Layers[^1].Blob.Bytes.Length, Length("full.tar") / 50);
        await far.ImportAsync(far.File("delta.tar"), "--set", "site");
        foreach (var image in images.Where(image => image.Repository != changed.Repository).Append(changed)) await far.Skopeo.CopyAsync(image);

        long Length(string file) => new FileInfo(far.File(file)).Length;

        TestImage Image(int number, int seed) => ImageBuilder.Single(
            $"library/app{number}", ImageBuilder.Platform(ImageFormat.Oci, TestImage.NativeArchitecture, shared, Layer.Gzip(number + 200, 2 << 20), Layer.Gzip(seed, 60_000)));
    }

    private static TestImage Image(string name, int seed) =>
        ImageBuilder.Single($"library/{name}", ImageBuilder.Platform(ImageFormat.Oci, TestImage.NativeArchitecture, Layer.Gzip(seed, 20_000)));

    private static async Task<(string Private, string Public)> KeyAsync(FarSite far)
    {
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        await File.WriteAllTextAsync(far.File("key.pem"), key.ExportPkcs8PrivateKeyPem());
        await File.WriteAllTextAsync(far.File("pub.pem"), key.ExportSubjectPublicKeyInfoPem());
        return (far.File("key.pem"), far.File("pub.pem"));
    }
}
