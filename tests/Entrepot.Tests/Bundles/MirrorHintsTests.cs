using System.Text.Json.Nodes;
using Entrepot.Server.Cli.Bundles;

namespace Entrepot.Tests.Bundles;

public sealed class MirrorHintsTests
{
    private static readonly Uri Admin = new("http://cache.example:5001");

    [Theory]
    [InlineData("http://0.0.0.0:5000", "http://cache.example:5000")]
    [InlineData("http://[::]:5000", "http://cache.example:5000")]
    [InlineData("http://10.0.0.5:5000", "http://10.0.0.5:5000")]
    public void Of_Listener_IsAnAddressThatOthersCanUse(string listening, string expected) =>
        Assert.Equal(expected, MirrorHints.Of(Admin, new Uri(listening), ["docker.io"]).Registry);

    [Fact]
    public void Of_SeveralRegistries_HasEachInRegistriesConf()
    {
        var hints = MirrorHints.Of(Admin, new Uri("http://0.0.0.0:5000"), ["docker.io", "ghcr.io"]);

        var json = JsonNode.Parse(hints.DaemonJson)!;
        Assert.Equal(("http://cache.example:5000", "cache.example:5000"), ((string?)json["registry-mirrors"]![0], (string?)json["insecure-registries"]![0]));
        Assert.Equal("[host.\"http://cache.example:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n", hints.HostsToml);
        Assert.Contains("location = \"ghcr.io\"\n[[registry.mirror]]\nlocation = \"cache.example:5000/ghcr.io\"\ninsecure = true\n", hints.RegistriesConf, StringComparison.Ordinal);
        Assert.Contains("docker pull cache.example:5000/ghcr.io/org/app:1", hints.Text("ghcr.io/org/app:1"), StringComparison.Ordinal);
    }

    [Fact]
    public void Of_DockerHubAlone_NeedsNoInsecureRegistry() =>
        Assert.Null(JsonNode.Parse(MirrorHints.Of(Admin, new Uri("http://0.0.0.0:5000"), ["docker.io"]).DaemonJson)!["insecure-registries"]);
}
