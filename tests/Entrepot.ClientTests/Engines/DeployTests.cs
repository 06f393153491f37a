using System.Net;
using System.Text.RegularExpressions;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;

namespace Entrepot.ClientTests.Engines;

/// <summary>The examples for programs that are in no package: what is made of them is given to their parts that are.</summary>
public sealed partial class DeployTests
{
    private const string K3s = "deploy/k3s/registries.yaml";
    private const string BuildKit = "deploy/buildkitd.toml";

    private static readonly TestImage Image = SampleImages.Named("library/multi");

    [ClientFact]
    public async Task K3s_HostsThatItMakesOfRegistriesYaml_PullThroughEntrepot()
    {
        await using var scene = await Scene.StartAsync("0s", [Image]);
        var mirrors = RegistriesYaml.Read(RepositoryFile.ReadExample(K3s, scene.Entrepot.Host));
        Assert.All(mirrors.Values, endpoints => Assert.Equal(scene.Entrepot.Address, Assert.Single(endpoints)));
        await AssertKnownAsync(scene, mirrors.Keys);
        var containerd = await scene.StartContainerdAsync(RegistriesYaml.HostsFor(mirrors));

        await containerd.PullAsync(Image);
        await containerd.RemoveAsync(Image);
        await containerd.PullAsync(Image, "quay.io", null);

        await scene.StopUpstreamAndAssertAskedOnceAsync(Image, Image.Native.Blobs);
    }

    [ProgramTheory]
    [ProgramData("docker build, containerd image store")]
    public async Task Buildx_BuilderWithBuildkitdToml_IsMade(string name)
    {
        Assert.NotEmpty(name);
        await using var scene = await Scene.StartAsync("0s", []);
        var dockerd = await scene.StartDockerdAsync(DockerPrograms.Newer(TestRun.NewerRoot!));
        var wrong = Path.Combine(scene.Entrepot.Root, "wrong.toml");
        await File.WriteAllTextAsync(wrong, RepositoryFile.Read(BuildKit).Replace("mirrors = [\"127.0.0.1:5000\"]", "mirrors = \"127.0.0.1:5000\"", StringComparison.Ordinal));

        await CreateAsync(dockerd, "right", Path.Combine(RepositoryFile.Root, BuildKit));

        await Assert.ThrowsAsync<InvalidOperationException>(() => CreateAsync(dockerd, "wrong", wrong));
    }

    [ClientFact]
    public async Task BuildKit_MirrorsOfItsExample_AreEntrepotForUpstreamsThatItHas()
    {
        await using var scene = await Scene.StartAsync("0s", []);
        var tables = Table().Matches(RepositoryFile.ReadExample(BuildKit, scene.Entrepot.Host))
            .ToDictionary(table => table.Groups["name"].Value, table => table.Groups["line"].Value);

        Assert.True(tables.Remove(scene.Entrepot.Host, out var itself));
        Assert.Equal("http = true", itself);
        Assert.All(tables.Values, line => Assert.Equal($"mirrors = [\"{scene.Entrepot.Host}\"]", line));
        Assert.NotEmpty(tables);
        await AssertKnownAsync(scene, tables.Keys);
    }

    private static Task<string> CreateAsync(Dockerd dockerd, string builder, string config) =>
        dockerd.RunAsync("buildx", "create", "--name", builder, "--driver", "docker-container", "--buildkitd-config", config);

    // An unknown upstream is 404 NAME_UNKNOWN; one that cannot be reached, or has no such image, is something else.
    private static async Task AssertKnownAsync(Scene scene, IEnumerable<string> registries)
    {
        foreach (var registry in registries.Append("unknown.example"))
        {
            using var answer = await Http.Client.GetAsync(new Uri(scene.Entrepot.Address, $"v2/library/none/manifests/1?ns={registry}"));
            var isUnknown = answer.StatusCode == HttpStatusCode.NotFound && (await answer.Content.ReadAsStringAsync()).Contains("NAME_UNKNOWN", StringComparison.Ordinal);
            Assert.Equal(registry == "unknown.example", isUnknown);
        }
    }

    [GeneratedRegex("""^\[registry\."(?<name>[^"]+)"\]\n\s*(?<line>[^\n]+)$""", RegexOptions.Multiline)]
    private static partial Regex Table();
}
