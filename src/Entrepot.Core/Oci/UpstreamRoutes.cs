namespace Entrepot.Oci;

/// <summary>Which configured upstream a request means. Immutable, safe for concurrent use, allocates nothing when asked.</summary>
public sealed class UpstreamRoutes
{
    private const string DockerHub = "docker.io";

    private readonly Dictionary<string, string>.AlternateLookup<ReadOnlySpan<char>> _names;
    private readonly Dictionary<string, string>.AlternateLookup<ReadOnlySpan<char>> _hosts;

    /// <summary>Routes over upstreams, each with its name and the <c>Host</c> headers that select it.</summary>
    /// <param name="upstreams">Names are given once; a host belongs to one upstream.</param>
    /// <param name="byDefault">The name of the upstream of a request that names none.</param>
    public UpstreamRoutes(IEnumerable<(string Name, IEnumerable<string> Hosts)> upstreams, string byDefault)
    {
        var names = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var hosts = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, selectedBy) in upstreams)
        {
            names.Add(name, name);
            foreach (var host in selectedBy) hosts.Add(host, name);
        }

        Names = [.. names.Values];
        _names = names.GetAlternateLookup<ReadOnlySpan<char>>();
        _hosts = hosts.GetAlternateLookup<ReadOnlySpan<char>>();
        Default = names[byDefault];
    }

    /// <summary>The names of all upstreams, in the order in which they are configured.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The upstream of a request that names none.</summary>
    public string Default { get; }

    /// <summary>The upstream of that name, in its configured spelling; <see langword="null"/> if there is none.</summary>
    public string? ByName(ReadOnlySpan<char> name) => _names.TryGetValue(name, out var upstream) ? upstream : null;

    /// <summary>The upstream that a <c>Host</c> header selects, with its port or without; the default if it selects none.</summary>
    public string ByHost(ReadOnlySpan<char> host)
    {
        if (_hosts.TryGetValue(host, out var upstream)) return upstream;

        var colon = host.LastIndexOf(':');
        return colon > 0 && _hosts.TryGetValue(host[..colon], out upstream) ? upstream : Default;
    }

    /// <summary>A repository's full name: Docker Hub's official images are under <c>library/</c>.</summary>
    public static string FullName(string upstream, ReadOnlySpan<char> repository) =>
        upstream == DockerHub && !repository.Contains('/') ? $"library/{repository}" : repository.ToString();
}
