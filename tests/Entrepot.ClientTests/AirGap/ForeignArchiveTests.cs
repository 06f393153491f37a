using System.Text.Json.Nodes;
using Entrepot.ClientTests.Engines;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.AirGap;

/// <summary>What other programs have packed is imported at a site that reaches no registry, and pulled there by its own name.</summary>
public sealed class ForeignArchiveTests
{
    [ClientFact]
    public async Task SkopeosLayout_Imported_IsPulledByAllEngines()
    {
        TestImage[] hub = [SampleImages.Named("library/multi"), SampleImages.Named("library/five")];
        var other = SampleImages.Named("org/app");
        await using var near = await Scene.StartAsync("0s", [.. hub, other]);
        await using var far = await FarSite.StartAsync(nameof(SkopeosLayout_Imported_IsPulledByAllEngines));
        var layout = far.File("site");
        foreach (var image in hub) await SaveAsync(near, image, $"oci:{layout}:docker.io/{image}");
        await SaveAsync(near, other, $"oci:{layout}:quay.io/{other}");

        var said = await far.ImportAsync(layout, "--set", "site");

        Assert.Contains($"imported  quay.io/{other}", said, StringComparison.Ordinal);
        Assert.Contains($"\"registry-mirrors\": [\"http://{far.Entrepot.Host}\"]", said, StringComparison.Ordinal);
        foreach (var image in hub) await far.PullAsync(image);
        await far.PullAsync(other, "quay.io");
    }

    [ClientFact]
    public async Task SkopeosArchive_Imported_IsPulledByTagAndDigest()
    {
        var image = SampleImages.Named("library/multi");
        await using var near = await Scene.StartAsync("0s", [image]);
        await using var far = await FarSite.StartAsync(nameof(SkopeosArchive_Imported_IsPulledByTagAndDigest));
        var archive = far.File("multi.tar");
        await SaveAsync(near, image, $"oci-archive:{archive}");

        Assert.Contains("say it with --name", await far.RefusalAsync(archive), StringComparison.Ordinal);
        await far.ImportAsync(archive, "--name", $"docker.io/{image}");

        await far.Skopeo.CopyAsync(image);
        using var byDigest = await Http.Client.GetAsync(new Uri(far.Entrepot.Address, $"v2/{image.Repository}/manifests/{image.Root.Digest}"));
        Assert.Equal(image.Root.Bytes, await byDigest.Content.ReadAsByteArrayAsync());
    }

    [ClientFact]
    public async Task DockerSave_OldForm_IsPulledWithTheSameConfig()
    {
        var image = SampleImages.Named("library/five");
        await using var near = await Scene.StartAsync("0s", [image]);
        await using var far = await FarSite.StartAsync(nameof(DockerSave_OldForm_IsPulledWithTheSameConfig));
        var dockerd = await near.StartDockerdAsync();
        await dockerd.PullAsync(image);
        var archive = far.File("five.tar");
        await dockerd.RunAsync("tag", image.ToString(), "quay.io/org/five:v1");
        await dockerd.RunAsync("image", "save", "--output", archive, image.ToString(), "quay.io/org/five:v1");

        await far.ImportAsync(archive);

        foreach (var name in (string[])[$"v2/{image.Repository}/manifests/{image.Tag}", "v2/quay.io/org/five/manifests/v1"])
        {
            var manifest = JsonNode.Parse(await Http.Client.GetStringAsync(new Uri(far.Entrepot.Address, name)))!;
            Assert.Equal(image.Native.Config.Digest, (string?)manifest["config"]!["digest"]);
            Assert.All(manifest["layers"]!.AsArray(), layer => Assert.EndsWith(".tar", (string?)layer!["mediaType"], StringComparison.Ordinal));
        }

        await far.PullAsync(await ConvertedAsync(far, image));
    }

    [ProgramTheory]
    [ProgramData("dockerd, containerd image store", true)]
    [ProgramData("dockerd, containerd image store", false)]
    public async Task DockerSave_SinceDocker25_IsPulledByTheNamesItHas(string engine, bool keepsContent)
    {
        Assert.NotNull(engine);
        var (image, multi) = (SampleImages.Named("library/five"), SampleImages.Named("library/multi"));
        await using var near = await Scene.StartAsync("0s", [image, multi], $"{keepsContent}");
        await using var far = await FarSite.StartAsync(Path.Combine(nameof(DockerSave_SinceDocker25_IsPulledByTheNamesItHas), $"{keepsContent}"));
        var dockerd = await near.StartDockerdAsync(keepsContent ? DockerPrograms.Newer(TestRun.NewerRoot!) : DockerPrograms.NewerWithGraphDriver(TestRun.NewerRoot!));
        await dockerd.PullAsync(image);
        await dockerd.PullAsync(multi);
        await dockerd.RunAsync("tag", image.ToString(), "quay.io/org/five:v1");
        await dockerd.RunAsync("image", "save", "--output", far.File("site.tar"), image.ToString(), multi.ToString(), "quay.io/org/five:v1");

        await far.ImportAsync(far.File("site.tar"));

        using var other = await Http.Client.GetAsync(new Uri(far.Entrepot.Address, "v2/quay.io/org/five/manifests/v1"));
        Assert.True(other.IsSuccessStatusCode);
        if (keepsContent)
        {
            await far.PullAsync(image);
            await far.Skopeo.PullAsync(multi, TestImage.NativeArchitecture);   // of the index, what the engine had pulled
        }
        else
        {
            await far.PullAsync(await ConvertedAsync(far, image));
            await far.Skopeo.PullAsync(await ConvertedAsync(far, multi), TestImage.NativeArchitecture);
        }
    }

    [ProgramTheory]
    [ProgramData("oras")]
    public async Task OrasLayout_WithWhatRefersToItsImage_IsPulledAndDiscovered(string name)
    {
        var (oras, image) = (ClientProgram.Named(name).File, SampleImages.Named("library/multi"));
        await using var near = await Scene.StartAsync("0s", [image], name);
        await using var far = await FarSite.StartAsync(nameof(OrasLayout_WithWhatRefersToItsImage_IsPulledAndDiscovered));
        await File.WriteAllTextAsync(far.File("sbom.json"), """{"spdxVersion":"SPDX-2.3"}""");
        var original = $"{near.Registry.Address.Authority}/{image}";
        await OrasAsync("attach", "--plain-http", "--artifact-type", "application/spdx+json", original, "sbom.json:application/json");
        await OrasAsync("copy", "--no-tty", "-r", "--from-plain-http", "--to-oci-layout", original, "layout:1");

        await far.ImportAsync(far.File("layout"), "--name", $"docker.io/{image}");

        await far.Skopeo.CopyAsync(image);
        var found = JsonNode.Parse(await OrasAsync("discover", "--plain-http", "--format", "json", $"{far.Entrepot.Host}/docker.io/{image}"))!["referrers"]!;
        Assert.Equal("application/spdx+json", (string?)found.AsArray().Single()!["artifactType"]);

        Task<string> OrasAsync(params string[] arguments) => Tool.ReadAsync(
            "env", ["--chdir", Path.GetDirectoryName(far.File("x"))!, oras, .. arguments], null, ("DOCKER_CONFIG", "/nonexistent"));
    }

    // What the image has become: the same config, with the layers as they are in the archive.
    private static async Task<TestImage> ConvertedAsync(FarSite far, TestImage image)
    {
        var repository = new Uri(far.Entrepot.Address, $"v2/{image.Repository}/");
        var manifest = await Http.Client.GetByteArrayAsync(new Uri(repository, $"manifests/{image.Tag}"));
        var layers = new List<Layer>();
        foreach (var layer in image.Native.Layers)
            layers.Add(new Layer(new Content("", await Http.Client.GetByteArrayAsync(new Uri(repository, $"blobs/{layer.DiffId}"))), layer.DiffId));
        return image with { Index = null, Platforms = [image.Native with { Manifest = new Content("", manifest), Layers = layers }] };
    }

    private static async Task SaveAsync(Scene near, TestImage image, string to) => await Tool.RunAsync(
        "skopeo", ["--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests", "--src-tls-verify=false", $"docker://{near.Registry.Address.Authority}/{image}", to]);
}
