using System.Text;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>What the machines of a site need to pull imported images by their own names.</summary>
/// <param name="Registry">Where the server's registry API answers.</param>
/// <param name="DaemonJson">For <c>/etc/docker/daemon.json</c>.</param>
/// <param name="HostsToml">For <c>/etc/containerd/certs.d/_default/hosts.toml</c>.</param>
/// <param name="RegistriesConf">For <c>/etc/containers/registries.conf.d/entrepot.conf</c>.</param>
internal sealed record MirrorHints(string Registry, string DaemonJson, string HostsToml, string RegistriesConf)
{
    private const string DockerHub = "docker.io";

    /// <summary>Hints for the registries of some images. Pure.</summary>
    /// <param name="admin">Where the server's admin API was reached.</param>
    /// <param name="listening">Where its registry API answers, as it says.</param>
    /// <param name="registries">The registries that the images are of.</param>
    public static MirrorHints Of(Uri admin, Uri listening, IReadOnlyCollection<string> registries)
    {
        // Whoever answers at every address says none that others could use; that of its admin API is one of them.
        var isAny = listening.Host is "0.0.0.0" or "[::]" or "::" or "+" or "*";
        var url = new UriBuilder(listening) { Host = isAny ? admin.Host : listening.Host }.Uri.GetLeftPart(UriPartial.Authority);
        var place = url[(url.IndexOf("//", StringComparison.Ordinal) + 2)..];
        var others = registries.Where(registry => registry != DockerHub).ToList();

        var insecure = others.Count > 0 ? $",\n  \"insecure-registries\": [\"{place}\"]" : "";
        var conf = string.Concat(registries.Select(registry => $"[[registry]]\nlocation = \"{registry}\"\n[[registry.mirror]]\nlocation = \"{place}/{registry}\"\ninsecure = true\n"));
        return new MirrorHints(
            url,
            $"{{\n  \"registry-mirrors\": [\"{url}\"]{insecure}\n}}\n",
            $"[host.\"{url}\"]\n  capabilities = [\"pull\", \"resolve\"]\n",
            conf);
    }

    /// <summary>For people.</summary>
    /// <param name="example">One of the images that dockerd has no mirror for; <see langword="null"/> if all are of Docker Hub.</param>
    public string Text(string? example)
    {
        var text = new StringBuilder();
        text.Append("The machines here pull these images by their own names with:\n");
        Section(text, "/etc/docker/daemon.json", "dockerd; its mirrors are for docker.io", DaemonJson);
        if (example is not null) text.Append($"\n# dockerd pulls from other registries with this server's name before theirs: docker pull {Registry[(Registry.IndexOf("//", StringComparison.Ordinal) + 2)..]}/{example}\n");
        Section(text, "/etc/containerd/certs.d/_default/hosts.toml", "containerd, Kubernetes", HostsToml);
        Section(text, "/etc/containers/registries.conf.d/entrepot.conf", "podman, skopeo, buildah", RegistriesConf);
        if (new Uri(Registry).IsLoopback) text.Append($"\n# {Registry} is this machine only: on others put its name or address there.\n");
        return text.ToString();
    }

    private static void Section(StringBuilder text, string file, string whose, string content) => text.Append($"\n# {file} ({whose})\n{content}");
}
