using Entrepot.Pull;

namespace Entrepot.Upstream;

/// <summary>One registry that content comes from. Immutable; checked by whoever read it. Equal to another that says the same, lists included.</summary>
public sealed record UpstreamOptions
{
    /// <summary>The namespace that clients know, e.g. <c>docker.io</c>.</summary>
    /// <value>A host name with an optional port. Required, and given once.</value>
    public required string Name { get; init; }

    /// <summary>Where it is; several are tried in order.</summary>
    /// <value>At least one http or https address without path, query and credentials. Default: https and the name.</value>
    public required IReadOnlyList<Uri> Urls { get; init; }

    /// <summary>Values of a client's <c>Host</c> header that select this upstream.</summary>
    /// <value>Host names with an optional port, each at one upstream only. Default: none.</value>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    /// <summary>The account's name.</summary>
    /// <value>Default: none, that is, anonymous or from <see cref="DockerConfig"/>.</value>
    public string? Username { get; init; }

    /// <summary>The account's password or access token.</summary>
    /// <value>Only with <see cref="Username"/>, and not together with <see cref="PasswordFile"/>.</value>
    public string? Password { get; init; }

    /// <summary>A file that holds the password; read again when it changes; one trailing newline is ignored.</summary>
    /// <value>Only with <see cref="Username"/>.</value>
    public string? PasswordFile { get; init; }

    /// <summary>A Docker <c>config.json</c> with <c>auths</c>, <c>credHelpers</c> or <c>credsStore</c>; read again when it changes.</summary>
    /// <value>Not together with <see cref="Username"/>. Default: none.</value>
    public string? DockerConfig { get; init; }

    /// <summary>Accounts that are used in turn as their budgets last.</summary>
    /// <value>At most 16, each name once. Not together with <see cref="Username"/> or <see cref="DockerConfig"/>. Default: none.</value>
    public IReadOnlyList<UpstreamAccount> Accounts { get; init; } = [];

    /// <summary>Requests that are kept for what is necessary: with fewer left, by what the upstream says, tags stay fresh for longer.</summary>
    /// <value>0 to 1,000,000. Default 10: the images of one deployment.</value>
    public int RateLimitReserve { get; init; } = 10;

    /// <summary>Further hosts that may be sent this upstream's credentials as its token service.</summary>
    /// <value>Host names. Default: none; the upstream's own registrable domain needs no entry.</value>
    public IReadOnlyList<string> TokenRealms { get; init; } = [];

    /// <summary>Whether its answers may lead to addresses that are not public, although it is not there itself.</summary>
    /// <value>Default: <see langword="false"/>: an upstream on the internet must not make this machine ask its neighbours.</value>
    public bool PrivateRedirects { get; init; }

    /// <summary>How long what it says holds, and what is served when it does not say.</summary>
    public FreshnessRules Freshness { get; init; } = new();

    /// <summary>How its blobs are fetched.</summary>
    public FetchRules Fetching { get; init; } = new();

    /// <summary>Most requests that run at this upstream at once; further ones wait.</summary>
    /// <value>1 to 1024. Default 64: more than one machine's disk keeps up with, less than what registries block.</value>
    public int Connections { get; init; } = 64;

    /// <summary>Longest wait for a connection, TLS included.</summary>
    /// <value>100 ms to 10 minutes. Default 5 s: a handshake whose packets are lost twice is done by then.</value>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest wait from a request, connecting included, to its answer's headers.</summary>
    /// <value>100 ms to 10 minutes. Default 10 s: engines give a registry 30 s for all of its tries.</value>
    public TimeSpan HeaderTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Longest wait for a place among <see cref="Connections"/>; after that for all tries of one request together, the pauses between them included; and
    /// then for the whole of an answer that is no blob.</summary>
    /// <value>100 ms to 10 minutes. Default 20 s: less than engines have patience for.</value>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Most bytes a second that are taken from this upstream, by all requests together.</summary>
    /// <value>1,000 to 10^12, or <see langword="null"/>, the default, for no limit.</value>
    public long? Bandwidth { get; init; }

    /// <inheritdoc/>
    public bool Equals(UpstreamOptions? other) =>
        other is not null
        && (Name, Username, Password, PasswordFile, DockerConfig, RateLimitReserve, PrivateRedirects)
            == (other.Name, other.Username, other.Password, other.PasswordFile, other.DockerConfig, other.RateLimitReserve, other.PrivateRedirects)
        && (Connections, ConnectTimeout, HeaderTimeout, RequestTimeout, Bandwidth, Fetching)
            == (other.Connections, other.ConnectTimeout, other.HeaderTimeout, other.RequestTimeout, other.Bandwidth, other.Fetching)
        && Accounts.SequenceEqual(other.Accounts)
        && Urls.SequenceEqual(other.Urls)
        && Hosts.SequenceEqual(other.Hosts)
        && TokenRealms.SequenceEqual(other.TokenRealms)
        && Freshness with { Tags = other.Freshness.Tags } == other.Freshness
        && Freshness.Tags.SequenceEqual(other.Freshness.Tags);

    /// <inheritdoc/>
    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);
}

/// <summary>One of several accounts of an upstream. Immutable; it never shows its password.</summary>
/// <param name="Username">Its name.</param>
/// <param name="Password">Its password or access token; <see langword="null"/> if a file holds it.</param>
/// <param name="PasswordFile">The file that holds it, read again when it changes; <see langword="null"/> if it is given.</param>
public sealed record UpstreamAccount(string Username, string? Password, string? PasswordFile)
{
    /// <inheritdoc/>
    public override string ToString() => Username;
}
