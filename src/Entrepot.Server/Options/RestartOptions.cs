using System.Globalization;

namespace Entrepot.Server.Options;

/// <summary>Which options are taken over when they are read again, and which need a restart. Pure.</summary>
internal static class RestartOptions
{
    /// <summary>Paths of the options that are taken over while the process runs.</summary>
    public static IReadOnlyList<string> Live { get; } = ["offline", "defaultUpstream", "storage.quota", "warm", "upstreams"];

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
        ("limits.manifest", options => Text(options.ManifestLimit)),
        ("limits.fetches", options => Text(options.Fetches)),
    ];

    /// <summary>Paths of the options that need a restart and are not what they were at the start; empty if there are none.</summary>
    public static IReadOnlyList<string> Changed(EntrepotOptions atStart, EntrepotOptions now) =>
        [.. All.Where(option => option.Value(atStart) != option.Value(now)).Select(option => option.Path)];

    private static string Text<T>(T value) where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);
}
