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

    /// <summary>Most client connections at once.</summary>
    /// <value>1 to 1,000,000. Default 10,000: a thousand nodes with ten layers each.</value>
    public int Connections { get; init; } = 10_000;

    /// <summary>Most bytes of a manifest; a larger one is 502.</summary>
    /// <value>64 KiB to 64 MiB. Default 8 MiB: registries allow 4 MiB.</value>
    public int ManifestLimit { get; init; } = 8 << 20;

    /// <summary>Most blobs that are fetched at once; further ones wait in order.</summary>
    /// <value>1 to 65,536. Default 512: more than the upstreams' connections keep busy.</value>
    public int Fetches { get; init; } = 512;

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
