using YamlDotNet.RepresentationModel;

namespace Entrepot.ClientTests.Kit;

/// <summary>
/// What k3s documents of its registries.yaml (docs.k3s.io, "Private Registry Configuration") and makes of it: a <c>hosts.toml</c> for each registry,
/// with its endpoints in order and then the registry itself. An endpoint without a path gets <c>/v2</c>.
/// </summary>
internal static class RegistriesYaml
{
    /// <summary>The endpoints of each mirror, in order.</summary>
    /// <exception cref="Xunit.Sdk.XunitException">The file has something that k3s does not document.</exception>
    public static IReadOnlyDictionary<string, List<Uri>> Read(string text)
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(text));
        var root = Map(Assert.Single(yaml.Documents).RootNode);
        Assert.Subset(new HashSet<string> { "mirrors", "configs" }, root.Keys.ToHashSet());
        return Map(root["mirrors"]).ToDictionary(mirror => mirror.Key, mirror => Endpoints(mirror.Value));
    }

    /// <summary>The <c>hosts.toml</c> of each registry.</summary>
    public static IReadOnlyDictionary<string, string> HostsFor(IReadOnlyDictionary<string, List<Uri>> mirrors) => mirrors.ToDictionary(
        mirror => mirror.Key,
        mirror => $"""
            server = "https://{(mirror.Key == "docker.io" ? "registry-1.docker.io" : mirror.Key)}/v2"
            {string.Join('\n', mirror.Value.Select(endpoint => $"""
            [host."{endpoint.GetLeftPart(UriPartial.Authority)}/v2"]
              capabilities = ["pull", "resolve"]
            """))}
            """);

    private static List<Uri> Endpoints(YamlNode mirror)
    {
        var parts = Map(mirror);
        Assert.Subset(new HashSet<string> { "endpoint", "rewrite" }, parts.Keys.ToHashSet());
        var endpoints = Assert.IsType<YamlSequenceNode>(parts["endpoint"]).Select(node => new Uri(Assert.IsType<YamlScalarNode>(node).Value!)).ToList();
        Assert.All(endpoints, endpoint => Assert.Contains(endpoint.Scheme, new[] { "http", "https" }));
        Assert.All(endpoints, endpoint => Assert.Equal("/", endpoint.PathAndQuery));
        return endpoints;
    }

    private static Dictionary<string, YamlNode> Map(YamlNode node) =>
        Assert.IsType<YamlMappingNode>(node).ToDictionary(entry => Assert.IsType<YamlScalarNode>(entry.Key).Value!, entry => entry.Value);
}
