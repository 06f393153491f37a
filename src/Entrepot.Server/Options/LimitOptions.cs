using Top = Entrepot.Server.Options.OptionSpec<Entrepot.Server.Options.EntrepotOptions>;

namespace Entrepot.Server.Options;

/// <summary>The options under <c>limits</c>: how much of anything there may be. What has a bound that is no option is told in <c>docs/limits.md</c>.</summary>
internal static class LimitOptions
{
    /// <summary>All of them, in the order of the reference.</summary>
    public static IReadOnlyList<OptionSpec<EntrepotOptions>> All { get; } =
    [
        new Top("limits.minRate", "rate", "1B/s to 1GB/s", "1KB/s",
            "A client that reads a response more slowly is given up, judged over the time that 128 KiB take at this rate, and at least 5 s. "
            + "The default is slower than any link that images are pulled over.")
        { Apply = Top.One(new TryParse<double>(Quantity.TryParseRate).Within(1, 1e9), (to, value) => to with { MinRate = value }) },

        new Top("limits.connections", "count", "1 to 1000000", "10000",
            "Most client connections at once; further ones are closed without an answer, upon which engines go to their next mirror. Each is a descriptor, and two while it "
            + "is sent a file; where the process may have few, there are only as many connections as leave 1000 of them to others, or half. "
            + "The default is a thousand nodes with ten layers each.")
        { Apply = Top.One(Count(1, 1_000_000), (to, value) => to with { Connections = value }) },

        new Top("limits.clientConnections", "count", "1 to 1000000", "5000",
            "Most connections of one client address at once, of IPv6 of one /64; further ones are closed as above. The default leaves others half of all places, and is as good as none "
            + "for one machine; behind a proxy, which is one address for all, let it be as many as limits.connections.")
        { Apply = Top.One(Count(1, 1_000_000), (to, value) => to with { ClientConnections = value }) },

        new Top("limits.adminConnections", "count", "1 to 10000", "100",
            "Most connections to the admin listener at once, and as many to that of metrics; each runs one request. They are not among limits.connections, so that a flood of pulls "
            + "can be looked at. The default is some scrapers, probes and people.")
        { Apply = Top.One(Count(1, 10_000), (to, value) => to with { AdminConnections = value }) },

        new Top("limits.idleTimeout", "duration", "1s to 1h", "2m",
            "How long a connection may stay without a request before it is closed. The default is longer than engines keep theirs, 90 s.")
        { Apply = Top.One(Time(TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)), (to, value) => to with { IdleTimeout = value }) },

        new Top("limits.headerTimeout", "duration", "1s to 10m", "30s",
            "How long a request may take from its first byte to the end of its headers; then it is answered 408. Engines send them in one piece, and the default is a very bad link.")
        { Apply = Top.One(Time(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10)), (to, value) => to with { HeaderTimeout = value }) },

        new Top("limits.requestLine", "size", "1KiB to 64KiB", "8KiB",
            "Most bytes of a request's first line; a longer one is answered 414. The longest names with all their parameters are below 2 KiB.")
        { Apply = Top.One(Bytes(1 << 10, 64 << 10), (to, value) => to with { RequestLineBytes = (int)value }) },

        new Top("limits.headers", "size", "4KiB to 1MiB", "32KiB",
            "Most bytes of a request's headers; more are answered 431. With the request line it is the most memory that a client takes with what it sends. Engines send "
            + "below 2 KiB; the default leaves room for what proxies and single sign-on add.")
        { Apply = Top.One(Bytes(4 << 10, 1 << 20), (to, value) => to with { HeaderBytes = (int)value }) },

        new Top("limits.headerCount", "count", "20 to 1000", "100",
            "Most lines of a request's headers; more are answered 431. dockerd sends one for each media type, some twenty in all.")
        { Apply = Top.One(Count(20, 1000), (to, value) => to with { HeaderCount = value }) },

        new Top("limits.manifest", "size", "64KiB to 64MiB", "8MiB",
            "Most bytes of a manifest, and of a page of referrers; a larger one is refused (502). Registries allow 4 MiB.")
        { Apply = Top.One(Bytes(64 << 10, 64 << 20), (to, value) => to with { ManifestLimit = (int)value }) },

        new Top("limits.tagList", "size", "64KiB to 256MiB", "8MiB",
            "Most bytes of a page of tags that an upstream sends; a larger one is refused (502). 10,000 tags of the longest kind are 1.3 MB, and some registries send all in one page.")
        { Apply = Top.One(Bytes(64 << 10, 256 << 20), (to, value) => to with { TagListBytes = (int)value }) },

        new Top("limits.fetches", "count", "1 to 65536", "512",
            "Most blobs that are fetched at once; further ones wait in order. The default is more than the upstreams' connections keep busy.")
        { Apply = Top.One(Count(1, 65_536), (to, value) => to with { Fetches = value }) },

        new Top("limits.waiting", "count", "1 to 1000000", "4096",
            "Most requests that wait for a place among an upstream's connections, and most blobs that wait to be fetched; what would be one more is served stale where it is known, and answered 503 "
            + "with Retry-After where not. No wait for a place is longer than requestTimeout of the upstream. By default more wait than 64 connections can serve in 20 s.")
        { Apply = Top.One(Count(1, 1_000_000), (to, value) => to with { Waiting = value }) },

        new Top("limits.logLines", "count", "100 to 1000000", "10000",
            "Most lines of the log that wait to be written; when whoever reads the log stops reading, further ones are dropped, since a log must not hold up pulls. The default is 5 MB.")
        { Apply = Top.One(Count(100, 1_000_000), (to, value) => to with { LogLines = value }) },
    ];

    private static TryParse<int> Count(int least, int most) => new TryParse<int>(Parsers.TryParseCount).Within(least, most);

    private static TryParse<long> Bytes(long least, long most) => new TryParse<long>(Quantity.TryParseSize).Within(least, most);

    private static TryParse<TimeSpan> Time(TimeSpan least, TimeSpan most) => new TryParse<TimeSpan>(Quantity.TryParseDuration).Within(least, most);
}
