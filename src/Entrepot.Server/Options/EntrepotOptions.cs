using Entrepot.Pull;
using Entrepot.Upstream;

namespace Entrepot.Server.Options;

/// <summary>Everything the appliance can be told. Immutable; read once at start, checked all together.</summary>
public sealed record EntrepotOptions
{
    /// <summary>Where the registry API listens.</summary>
    /// <value>At least one <c>address:port</c>; port 0 takes a free one. Default <c>0.0.0.0:5000</c>.</value>
    public IReadOnlyList<string> Listen { get; init; } = ["0.0.0.0:5000"];

    /// <summary>Where health, metrics and the admin API listen.</summary>
    /// <value>An <c>address:port</c>. Default <c>127.0.0.1:5001</c>: it is not for everybody.</value>
    public string Admin { get; init; } = "127.0.0.1:5001";

    /// <summary>Where metrics listen besides, and nothing else.</summary>
    /// <value>An <c>address:port</c>, or <see langword="null"/>, the default, for nowhere: they are on <see cref="Admin"/> in any case.</value>
    public string? Metrics { get; init; }

    /// <summary>Whether no upstream is ever contacted, whatever its own <see cref="FreshnessRules.Offline"/> says.</summary>
    public bool Offline { get; init; }

    /// <summary>The upstream of a request that names none.</summary>
    /// <value>The name of a configured upstream. Default <c>docker.io</c>.</value>
    public string DefaultUpstream { get; init; } = "docker.io";

    /// <summary>How long running responses get when the process is asked to end.</summary>
    /// <value>0 s to 10 min. Default 7 s: docker stop kills after 10.</value>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(7);

    /// <summary>The directory that everything is stored under.</summary>
    /// <value>A directory on one file system, because a commit is a rename. Default <c>./data</c>.</value>
    public string StorageRoot { get; init; } = "data";

    /// <summary>Most bytes that everything under the root may occupy.</summary>
    /// <value>At least 16 MiB, or more than 0 % to 100 % of the file system's size. Default 80 %.</value>
    public QuotaSize Quota { get; init; } = QuotaSize.OfPercent(80);

    /// <summary>Bytes that are kept free on the file system, whoever fills it.</summary>
    /// <value>0 or more. Default 1 GiB: files that are removed while they are read take their room until that ends.</value>
    public long MinFreeBytes { get; init; } = 1L << 30;

    /// <summary>The order in which blobs leave to make room.</summary>
    /// <value><c>lru</c>: who was used longest ago; <c>adaptive</c>: see <see cref="AdaptivePolicy"/>. Default <c>lru</c>.</value>
    public string Eviction { get; init; } = "lru";

    /// <summary>Time between two checkpoints of the index.</summary>
    /// <value>1 s to 1 h. Default 1 min: what a crash makes forgotten is when blobs were last used, and which of the newest were verified.</value>
    public TimeSpan CheckpointEvery { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long the beginning of a blob is kept whose fetch was ended, for the next pull to go on from.</summary>
    /// <value>0 s to 8760 h. Default 24 h: it outlasts a restart and a bad night.</value>
    public TimeSpan PartialTtl { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Most bytes of memory for what is small and was served lately.</summary>
    /// <value>0 to 64 GiB; 0 keeps nothing. Default 64 MiB: some ten thousand manifests and configurations.</value>
    public long MemoryCacheBytes { get; init; } = 64L << 20;

    /// <summary>Bytes a second, measured over a response, below which a client that reads is given up.</summary>
    /// <value>1 B/s to 1 GB/s. Default 1 KB/s: slower than any link that an image is pulled over.</value>
    public double MinRate { get; init; } = 1000;

    /// <summary>Most client connections at once; further ones are closed.</summary>
    /// <value>1 to 1,000,000. Default 10,000: a thousand nodes with ten layers each.</value>
    public int Connections { get; init; } = 10_000;

    /// <summary>Most connections of one client address at once; further ones are closed.</summary>
    /// <value>1 to 1,000,000. Default 5000: one machine never has so many, and others keep half of all.</value>
    public int ClientConnections { get; init; } = 5000;

    /// <summary>Most connections to the admin listener at once, and to that of metrics.</summary>
    /// <value>1 to 10,000. Default 100: some scrapers, probes and people.</value>
    public int AdminConnections { get; init; } = 100;

    /// <summary>How long a connection may stay without a request.</summary>
    /// <value>1 s to 1 h. Default 2 min: engines keep theirs for 90 s.</value>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long a request may take to the end of its headers.</summary>
    /// <value>1 s to 10 min. Default 30 s: engines send them in one piece.</value>
    public TimeSpan HeaderTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Most bytes of a request's first line.</summary>
    /// <value>1 KiB to 64 KiB. Default 8 KiB: the longest names with all their parameters are below 2 KiB.</value>
    public int RequestLineBytes { get; init; } = 8 << 10;

    /// <summary>Most bytes of a request's headers.</summary>
    /// <value>4 KiB to 1 MiB. Default 32 KiB: engines send below 2 KiB, proxies add some.</value>
    public int HeaderBytes { get; init; } = 32 << 10;

    /// <summary>Most lines of a request's headers.</summary>
    /// <value>20 to 1000. Default 100: dockerd sends some twenty.</value>
    public int HeaderCount { get; init; } = 100;

    /// <summary>Most bytes of a manifest; a larger one is 502.</summary>
    /// <value>64 KiB to 64 MiB. Default 8 MiB: registries allow 4 MiB.</value>
    public int ManifestLimit { get; init; } = 8 << 20;

    /// <summary>Most blobs that are fetched at once; further ones wait in order.</summary>
    /// <value>1 to 65,536. Default 512: more than the upstreams' connections keep busy.</value>
    public int Fetches { get; init; } = 512;

    /// <summary>Most bytes of a page of tags that an upstream sends; a larger one is 502.</summary>
    /// <value>64 KiB to 256 MiB. Default 8 MiB: 10,000 tags of the longest kind are 1.3 MB.</value>
    public int TagListBytes { get; init; } = 8 << 20;

    /// <summary>Most requests that wait for a place among an upstream's connections, and most blobs that wait to be fetched.</summary>
    /// <value>1 to 1,000,000. Default 4096: more than 64 connections can serve in the time that is waited.</value>
    public int Waiting { get; init; } = 4096;

    /// <summary>Most lines of the log that wait to be written; further ones are dropped.</summary>
    /// <value>100 to 1,000,000. Default 10,000, about 5 MB.</value>
    public int LogLines { get; init; } = 10_000;

    /// <summary>How often and how fast everything stored is hashed again, in the background.</summary>
    /// <value>Every 1 h to 8760 h, or never; 100 KB/s to 10 GB/s. Default every 168 h at 20 MB/s: a disk that is read by others hardly notices it.</value>
    public ScrubRules Scrub { get; init; } = new(TimeSpan.FromHours(168), 20e6);

    /// <summary>Files whose images are warmed again and again.</summary>
    /// <value>At most 100. Default: none.</value>
    public IReadOnlyList<WarmSchedule> Warm { get; init; } = [];

    /// <summary>The registries that content comes from.</summary>
    /// <value>At least one. Default: the well-known public registries.</value>
    public IReadOnlyList<UpstreamOptions> Upstreams { get; init; } = WellKnown;

    /// <summary>The public registries that are known without any configuration.</summary>
    public static IReadOnlyList<UpstreamOptions> WellKnown { get; } =
    [
        new() { Name = "docker.io", Urls = [new("https://registry-1.docker.io")] },
        new() { Name = "ghcr.io", Urls = [new("https://ghcr.io")] },
        new() { Name = "quay.io", Urls = [new("https://quay.io")] },
        new() { Name = "registry.k8s.io", Urls = [new("https://registry.k8s.io")] },
        new() { Name = "gcr.io", Urls = [new("https://gcr.io")] },
        new() { Name = "mcr.microsoft.com", Urls = [new("https://mcr.microsoft.com")] },
        new() { Name = "public.ecr.aws", Urls = [new("https://public.ecr.aws")] },
    ];
}
