using System.Net;
using System.Text;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary>What is said once, when the appliance is ready. Pure.</summary>
internal static class Banner
{
    /// <summary>A few lines for people: what listens where, what is stored, and what to put into daemon.json.</summary>
    /// <param name="version">The program's version.</param>
    /// <param name="registry">Where the registry API really listens; at least one.</param>
    /// <param name="admin">Where the admin endpoint really listens.</param>
    /// <param name="store">How full the store is.</param>
    /// <param name="upstreams">Names of the configured upstreams.</param>
    /// <param name="metrics">Where metrics alone really listen; <see langword="null"/> for nowhere.</param>
    public static string Text(string version, IReadOnlyList<Uri> registry, Uri admin, StoreUsage store, IEnumerable<string> upstreams, Uri? metrics = null)
    {
        var text = new StringBuilder();
        text.Append($"Entrepot {version}, a pull-through cache for container registries\n");
        text.Append($"  registry   {string.Join(", ", registry.Select(Address))}\n");
        text.Append($"  admin      {Address(admin)}\n");
        if (metrics is not null) text.Append($"  metrics    {Address(metrics)}\n");
        text.Append($"  storage    {store.Root}: {Usage(store)}\n");
        text.Append($"  upstreams  {string.Join(", ", upstreams)}\n");
        text.Append($$"""  daemon.json on this machine: { "registry-mirrors": ["{{Mirror(registry)}}"] }""").Append('\n');
        if (registry.FirstOrDefault(IsEveryInterface) is { } open)
            text.Append($"  on other machines: http://<this machine>:{open.Port}\n");
        return text.ToString();
    }

    /// <summary>The address that clients on this machine put into <c>registry-mirrors</c>.</summary>
    public static string Mirror(IReadOnlyList<Uri> registry)
    {
        // One that listens on this machine alone or everywhere is reached even when the network is gone.
        var best = registry.FirstOrDefault(uri => uri.IsLoopback || IsEveryInterface(uri)) ?? registry[0];
        return IsEveryInterface(best) ? $"http://127.0.0.1:{best.Port}" : Address(best);
    }

    /// <summary>How full the store is, for people.</summary>
    public static string Usage(StoreUsage store) =>
        $"{Quantity.Show(store.Bytes)} in {Words.Count(store.Blobs, "blob")}{Words.Parts(store.Partials, store.PartialBytes)}; "
        + $"quota {Quantity.Show(store.QuotaBytes)}; {Quantity.Show(store.FreeBytes)} free on the file system";

    private static bool IsEveryInterface(Uri uri) =>
        IPAddress.TryParse(uri.DnsSafeHost, out var address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));

    // Always with its port, and without the slash at the end.
    private static string Address(Uri uri) => $"{uri.Scheme}://{uri.Host}:{uri.Port}";
}
