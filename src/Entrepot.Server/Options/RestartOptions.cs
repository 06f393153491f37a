using System.Globalization;

namespace Entrepot.Server.Options;

/// <summary>Which options are taken over when they are read again, and which need a restart. Pure.</summary>
internal static class RestartOptions
{
    /// <summary>Paths of the options that are taken over while the process runs.</summary>
    public static IReadOnlyList<string> Live { get; } = ["offline", "defaultUpstream", "storage.quota", "scrub.every", "scrub.rate", "warm", "upstreams"];

    /// <summary>Paths of all others, each with its value as text that is equal where the value is.</summary>
    public static IReadOnlyList<(string Path, Func<EntrepotOptions, string?> Value)> All { get; } =
    [
        ("listen", options => string.Join(',', options.Listen)),
        ("admin", options => options.Admin),
        ("metrics", options => options.Metrics),
        ("shutdownTimeout", options => Text(options.ShutdownTimeout)),
        ("storage.root", options => options.StorageRoot),
        ("storage.minFree", options => Text(options.MinFreeBytes)),
        ("storage.eviction", options => options.Eviction),
        ("storage.checkpointEvery", options => Text(options.CheckpointEvery)),
        ("storage.partialTtl", options => Text(options.PartialTtl)),
        ("memoryCache", options => Text(options.MemoryCacheBytes)),
        ("limits.minRate", options => Text(options.MinRate)),
        ("limits.connections", options => Text(options.Connections)),
        ("limits.clientConnections", options => Text(options.ClientConnections)),
        ("limits.adminConnections", options => Text(options.AdminConnections)),
        ("limits.idleTimeout", options => Text(options.IdleTimeout)),
        ("limits.headerTimeout", options => Text(options.HeaderTimeout)),
        ("limits.requestLine", options => Text(options.RequestLineBytes)),
        ("limits.headers", options => Text(options.HeaderBytes)),
        ("limits.headerCount", options => Text(options.HeaderCount)),
        ("limits.manifest", options => Text(options.ManifestLimit)),
        ("limits.tagList", options => Text(options.TagListBytes)),
        ("limits.fetches", options => Text(options.Fetches)),
        ("limits.waiting", options => Text(options.Waiting)),
        ("limits.logLines", options => Text(options.LogLines)),
    ];

    /// <summary>Paths of the options that need a restart and are not what they were at the start; empty if there are none.</summary>
    public static IReadOnlyList<string> Changed(EntrepotOptions atStart, EntrepotOptions now) =>
        [.. All.Where(option => option.Value(atStart) != option.Value(now)).Select(option => option.Path)];

    private static string Text<T>(T value) where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);
}
