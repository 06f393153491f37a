using System.Globalization;
using Entrepot.Pull;
using Entrepot.Upstream;
using AccountSpec = Entrepot.Server.Options.OptionSpec<Entrepot.Upstream.UpstreamAccount>;
using Entry = Entrepot.Server.Options.OptionSpec<Entrepot.Upstream.UpstreamOptions>;
using Rule = Entrepot.Server.Options.OptionSpec<Entrepot.Pull.TagRule>;
using Schedule = Entrepot.Server.Options.OptionSpec<Entrepot.Server.Options.WarmSchedule>;
using Top = Entrepot.Server.Options.OptionSpec<Entrepot.Server.Options.EntrepotOptions>;

namespace Entrepot.Server.Options;

/// <summary>Every option there is. The file, the environment, the flags and the reference are all read from this table.</summary>
internal static class OptionTable
{
    private const string Address = "an IP address and a port, e.g. 0.0.0.0:5000 (every interface), 127.0.0.1:5000 or [::]:5000";
    private const string HostAndPort = "a host name with an optional port, e.g. registry.example.com:5000";

    // Ten years: long enough for anybody, short enough to be added to any date.
    private static readonly TimeSpan LongestTtl = TimeSpan.FromHours(87_600);

    /// <summary>The options of one entry of an upstream's <c>tags</c>; their paths begin at the entry.</summary>
    public static IReadOnlyList<OptionSpec<TagRule>> Tag { get; } =
    [
        new Rule("match", "pattern", "a tag's letters, digits, '_', '.' and '-', with '*' for any text and '?' for any one character, at most 128", "none",
            "Which tags it is about; the pattern is of the whole tag. Required, and given once.")
        { Apply = Rule.One<string>(Parsers.TryParseTagPattern, (to, value) => to with { Match = value }) },

        new Rule("tagTtl", "duration", "0s to 87600h, or unlimited", "none",
            "How long these tags stay fresh. Required. Unlimited suits tags that never move.")
        { Apply = Rule.One<TimeSpan>(TryParseTtl, (to, value) => to with { TagTtl = value }) },
    ];

    /// <summary>The options of one entry of <c>warm</c>; their paths begin at the entry.</summary>
    public static IReadOnlyList<OptionSpec<WarmSchedule>> Warm { get; } =
    [
        new Schedule("from", "path", "the path of a file", "none",
            "A file that names images, read anew each time: a list, a compose file, Kubernetes manifests or a Dockerfile. Relative to the options' file. Required, and given once.")
        { Apply = Schedule.One<string>(Parsers.TryParseText, (to, value) => to with { From = value }) },

        new Schedule("every", "duration", "1m to 720h", "none",
            "Time between two beginnings; the first is ten seconds after the start. Required. What is unchanged costs a HEAD or a few for each image, and twice a day the list of what refers to it.")
        { Apply = Schedule.One(new TryParse<TimeSpan>(Quantity.TryParseDuration).Within(TimeSpan.FromMinutes(1), TimeSpan.FromHours(720)), (to, value) => to with { Every = value }) },

        new Schedule("platforms", "platform", "os/architecture or os/architecture/variant, e.g. linux/amd64 or linux/arm/v7", "none",
            "The platforms that are wanted of images with several; by default all, or those that the file says.")
        { IsList = true, Apply = Schedule.Many<string>(TryParsePlatform, (to, values) => to with { Platforms = string.Join(',', values) }) },

        new Schedule("pin", "switch", "true or false", "false",
            "Whether images that are whole are pinned, with what belongs to them.")
        { Apply = Schedule.One<bool>(Parsers.TryParseSwitch, (to, value) => to with { Pin = value }) },
    ];

    /// <summary>The options of one entry of an upstream's <c>accounts</c>; their paths begin at the entry.</summary>
    public static IReadOnlyList<OptionSpec<UpstreamAccount>> Account { get; } =
    [
        new AccountSpec("username", "text", "a text without ':'", "none",
            "The account's name, as metrics and status have it. Required, and given once.")
        { Apply = AccountSpec.One<string>(Parsers.TryParseUsername, (to, value) => to with { Username = value }) },

        new AccountSpec("password", "text", "a text without control characters", "none",
            "The account's password or access token. Prefer passwordFile.")
        { IsSecret = true, Apply = AccountSpec.One<string>(Parsers.TryParseText, (to, value) => to with { Password = value }) },

        new AccountSpec("passwordFile", "path", "the path of a file", "none",
            "A file that holds the password; read again when it changes; one trailing newline is ignored.")
        { Apply = AccountSpec.One<string>(Parsers.TryParseText, (to, value) => to with { PasswordFile = value }) },
    ];

    /// <summary>The options of one upstream; their paths begin at the entry.</summary>
    public static IReadOnlyList<OptionSpec<UpstreamOptions>> Upstream { get; } =
    [
        new Entry("name", "host", HostAndPort, "none",
            "The namespace that clients know it by. Required, and given once.")
        { Apply = Entry.One<string>(Parsers.TryParseHostAndPort, (to, value) => to with { Name = value }) },

        new Entry("urls", "url", "http:// or https://, a host and an optional port, nothing else", "https:// and the name",
            "Where the registry is; several are tried in order. A well-known name has its well-known address.")
        { IsList = true, Apply = Entry.Many<Uri>(Parsers.TryParseUrl, (to, values) => to with { Urls = values }) },

        new Entry("hosts", "host", HostAndPort, "none",
            "Values of a client's Host header that select this upstream; each at one upstream only.")
        { IsList = true, Apply = Entry.Many<string>(Parsers.TryParseHostAndPort, (to, values) => to with { Hosts = values }) },

        new Entry("username", "text", "a text without ':'", "none",
            "The account's name; needs password or passwordFile.")
        { Apply = Entry.One<string>(Parsers.TryParseUsername, (to, value) => to with { Username = value }) },

        new Entry("password", "text", "a text without control characters", "none",
            "The account's password or access token. Prefer passwordFile.")
        { IsSecret = true, Apply = Entry.One<string>(Parsers.TryParseText, (to, value) => to with { Password = value }) },

        new Entry("passwordFile", "path", "the path of a file", "none",
            "A file that holds the password; read again when it changes; one trailing newline is ignored.")
        { Apply = Entry.One<string>(Parsers.TryParseText, (to, value) => to with { PasswordFile = value }) },

        new Entry("dockerConfig", "path", "the path of a file", "none",
            "A Docker config.json to take the account from, instead of username.")
        { Apply = Entry.One<string>(Parsers.TryParseText, (to, value) => to with { DockerConfig = value }) },

        new Entry("accounts", "entry", "a list of at most 16 entries, each with username, and password or passwordFile", "none",
            "Several accounts in place of username, used in turn: in their order, each until no more than rateLimitReserve of its requests are left.")
        { IsList = true, Entry = Account, Apply = AccountList.Apply },

        new Entry("rateLimitReserve", "count", "0 to 1000000", "10",
            "With fewer requests left, by what the upstream says of its rate limit, what is left is kept for what is not stored: tags stay fresh for an hour at least. "
            + "The default is the images of one deployment; 0 keeps none.")
        { Apply = Entry.One(new TryParse<int>(Parsers.TryParseCount).Within(0, 1_000_000), (to, value) => to with { RateLimitReserve = value }) },

        new Entry("tokenRealms", "host", "a host name, e.g. auth.example.com", "none",
            "Further hosts that may be sent the account as its token service; the upstream's own domain needs no entry.")
        { IsList = true, Apply = Entry.Many<string>(Parsers.TryParseHost, (to, values) => to with { TokenRealms = values }) },

        new Entry("privateRedirects", "switch", "true or false", "false",
            "Whether redirects may lead to private, link-local and loopback addresses although the upstream is not there itself. "
            + "By default a registry on the internet cannot make this machine ask its neighbours.")
        { Apply = Entry.One<bool>(Parsers.TryParseSwitch, (to, value) => to with { PrivateRedirects = value }) },

        new Entry("tagTtl", "duration", "0s to 87600h, or unlimited", "1m",
            "How long a tag stays fresh after the upstream was asked.")
        { Apply = Entry.One<TimeSpan>(TryParseTtl, (to, value) => to with { Freshness = to.Freshness with { TagTtl = value } }) },

        new Entry("tags", "entry", "a list of at most 100 entries, each with match and tagTtl", "none",
            "Tags that stay fresh for another time than tagTtl; the first entry that matches applies.")
        { IsList = true, Entry = Tag, Apply = TagRuleList.Apply },

        new Entry("revalidateWait", "duration", "0s to 10m, or unlimited", "2s",
            "How long a request for a known tag waits for the upstream before it is served stale, while asking goes on. "
            + "A healthy registry answers in a tenth of the default, and no engine minds it.")
        { Apply = Entry.One<TimeSpan>(TryParseWait, (to, value) => to with { Freshness = to.Freshness with { RevalidateWait = value } }) },

        new Entry("staleIfError", "duration", "0s to 87600h, or unlimited", "unlimited",
            "How long after it was last validated a tag is served whose upstream is unreachable, silent, failing or limiting. "
            + "By default an old tag is better than none.")
        { Apply = Entry.One<TimeSpan>(TryParseTtl, (to, value) => to with { Freshness = to.Freshness with { StaleIfError = value } }) },

        new Entry("negativeTtl", "duration", "0s to 1h", "10s",
            "How long the upstream's answer holds that there is no such tag or manifest. By default what is pushed after a failed pull is soon seen.")
        { Apply = Entry.One(new TryParse<TimeSpan>(Quantity.TryParseDuration).Within(TimeSpan.Zero, TimeSpan.FromHours(1)),
            (to, value) => to with { Freshness = to.Freshness with { NegativeTtl = value } }) },

        new Entry("serveWhenDenied", "switch", "true or false", "false",
            "Whether known tags are served although the upstream answers 401 or 403. By default who loses access upstream loses it here.")
        { Apply = Entry.One<bool>(Parsers.TryParseSwitch, (to, value) => to with { Freshness = to.Freshness with { ServeWhenDenied = value } }) },

        new Entry("offline", "switch", "true or false", "false",
            "Whether this upstream is never contacted: what is stored is served, whatever its age, and nothing else.")
        { Apply = Entry.One<bool>(Parsers.TryParseSwitch, (to, value) => to with { Freshness = to.Freshness with { Offline = value } }) },

        new Entry("connections", "count", "1 to 1024", "64",
            "Most requests that run at this upstream at once; further ones wait.")
        { Apply = Entry.One(new TryParse<int>(Parsers.TryParseCount).Within(1, 1024), (to, value) => to with { Connections = value }) },

        new Entry("connectTimeout", "duration", "100ms to 10m", "5s",
            "How long a connection to it may take to be made, TLS included; then its next address is asked, or it counts as out of reach (503). "
            + "By default packets may be lost twice.")
        { Apply = Entry.One(Wait(TimeSpan.FromMilliseconds(100)), (to, value) => to with { ConnectTimeout = value }) },

        new Entry("headerTimeout", "duration", "100ms to 10m", "10s",
            "How long each try of a request may take, connecting included, until the answer's headers are there; then it counts as silent (504). "
            + "The default leaves time for a second try within requestTimeout; raise both for a registry that fetches what it is asked for first.")
        { Apply = Entry.One(Wait(TimeSpan.FromMilliseconds(100)), (to, value) => to with { HeaderTimeout = value }) },

        new Entry("requestTimeout", "duration", "100ms to 10m", "20s",
            "How long a request waits for a place among connections; then how long all its tries may take together; then how long an answer that is no blob may take to arrive. "
            + "Engines wait some 30 s for the headers of an answer.")
        { Apply = Entry.One(Wait(TimeSpan.FromMilliseconds(100)), (to, value) => to with { RequestTimeout = value }) },

        new Entry("stallTimeout", "duration", "1s to 10m", "15s",
            "How long the next KiB of any body may take; then the connection counts as broken, and a blob is resumed over another one. In the middle of a blob, a Retry-After "
            + "of as long is waited for. By default a blob that takes years is given up, and one on a bad radio link is not.")
        { Apply = Entry.One(Wait(TimeSpan.FromSeconds(1)), (to, value) => to with { Fetching = to.Fetching with { StallTimeout = value } }) },

        new Entry("parallelRuns", "count", "1 to 16", "4",
            "Most requests that fill one large blob at the same time, if this upstream answers ranges. Many registries throttle each connection; "
            + "more than a few for a blob are taken from other blobs.")
        { Apply = Entry.One(new TryParse<int>(Parsers.TryParseCount).Within(1, 16),
            (to, value) => to with { Fetching = to.Fetching with { ParallelRuns = value } }) },

        new Entry("fill", "name", "complete or touched", "complete",
            "What is fetched of a blob of which a client read a part: all of it, so that the next client has it, or only what is read, so that "
            + "lazy pulling stays lazy.")
        { Apply = Entry.One<FillMode>(TryParseFill, (to, value) => to with { Fetching = to.Fetching with { Fill = value } }) },

        new Entry("bandwidth", "rate", "1KB/s to 1TB/s, or unlimited", "unlimited",
            "Most bytes a second that are taken from this upstream by all requests together; what clients wait for goes first. "
            + "By default the cache is as fast as the network.")
        { Apply = Entry.One<long?>(TryParseBandwidth, (to, value) => to with { Bandwidth = value }) },
    ];

    /// <summary>The options of the appliance.</summary>
    public static IReadOnlyList<OptionSpec<EntrepotOptions>> All { get; } =
    [
        new Top("listen", "address", Address, "0.0.0.0:5000",
            "Where the registry API listens; port 0 takes a free one.")
        { IsList = true, Apply = Top.Many<string>(Parsers.TryParseListen, (to, values) => to with { Listen = values }) },

        new Top("admin", "address", Address, "127.0.0.1:5001",
            "Where health, metrics and the admin API listen; port 0 takes a free one.")
        { Apply = Top.One<string>(Parsers.TryParseListen, (to, value) => to with { Admin = value }) },

        new Top("metrics", "address", Address, "none",
            "One more listener for /metrics, /healthz and /readyz alone, for those who may not reach the admin listener.")
        { Apply = Top.One<string>(Parsers.TryParseListen, (to, value) => to with { Metrics = value }) },

        new Top("offline", "switch", "true or false", "false",
            "Whether no upstream is ever contacted, as if each had offline: true.")
        { Apply = Top.One<bool>(Parsers.TryParseSwitch, (to, value) => to with { Offline = value }) },

        new Top("defaultUpstream", "name", "the name of a configured upstream", "docker.io",
            "The upstream of a request that names none.")
        { Apply = Top.One<string>(Parsers.TryParseHostAndPort, (to, value) => to with { DefaultUpstream = value }) },

        new Top("shutdownTimeout", "duration", "0s to 10m", "7s",
            "How long running responses get when the process is asked to end. docker stop kills after 10 s.")
        { Apply = Top.One(new TryParse<TimeSpan>(Quantity.TryParseDuration).Within(TimeSpan.Zero, TimeSpan.FromMinutes(10)),
            (to, value) => to with { ShutdownTimeout = value }) },

        new Top("storage.root", "path", "the path of a directory on one file system", "data",
            "The directory that everything is stored under.")
        { Apply = Top.One<string>(Parsers.TryParseText, (to, value) => to with { StorageRoot = value }) },

        new Top("storage.quota", "size", "16MiB or more, or more than 0% to 100% of the file system's size", "80%",
            "Most bytes that everything under the root may occupy. What was used longest ago leaves for what comes.")
        { Apply = Top.One<QuotaSize>(TryParseQuota, (to, value) => to with { Quota = value }) },

        new Top("storage.minFree", "size", "0B or more", "1GiB",
            "Bytes that are kept free on the file system, whoever fills it: files that are removed while they are read take their room until that ends.")
        { Apply = Top.One(new TryParse<long>(Quantity.TryParseSize).Within(0, long.MaxValue), (to, value) => to with { MinFreeBytes = value }) },

        new Top("storage.eviction", "name", "lru or adaptive", "lru",
            "Who leaves to make room: with lru, who was used longest ago; with adaptive, what was pulled only once leaves sooner, and small blobs later.")
        { Apply = Top.One<string>(TryParseEviction, (to, value) => to with { Eviction = value }) },

        new Top("storage.checkpointEvery", "duration", "1s to 1h", "1m",
            "Time between two checkpoints of the index. A crash makes forgotten when blobs were last used, and which of the newest were verified.")
        { Apply = Top.One(new TryParse<TimeSpan>(Quantity.TryParseDuration).Within(TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
            (to, value) => to with { CheckpointEvery = value }) },

        new Top("storage.partialTtl", "duration", "0s to 8760h", "24h",
            "How long the beginning of a blob is kept whose fetch was ended, so that the next pull goes on from there. A day outlasts a restart and a bad night.")
        { Apply = Top.One(new TryParse<TimeSpan>(Quantity.TryParseDuration).Within(TimeSpan.Zero, TimeSpan.FromHours(8760)),
            (to, value) => to with { PartialTtl = value }) },

        new Top("memoryCache", "size", "0B to 64GiB", "64MiB",
            "Most bytes of memory for recent manifests and small blobs, which are then served without reading the disk; 0B keeps none. "
            + "The default holds what some thousand images need.")
        { Apply = Top.One(new TryParse<long>(Quantity.TryParseSize).Within(0, 64L << 30), (to, value) => to with { MemoryCacheBytes = value }) },

        .. LimitOptions.All,

        new Top("scrub.every", "duration", "1h to 8760h, or unlimited", "168h",
            "From the beginning of one scrub to that of the next: everything stored is hashed again, what is wrong is dropped and fetched again. "
            + "Disks lose bits over months, so a week finds them in time. Unlimited is never.")
        { Apply = Top.One<TimeSpan>(TryParseScrub, (to, value) => to with { Scrub = to.Scrub with { Every = value } }) },

        new Top("scrub.rate", "rate", "100KB/s to 10GB/s", "20MB/s",
            "Most bytes a second that a scrub reads. The default takes a tenth of a slow disk, and 14 hours for a terabyte.")
        { Apply = Top.One(new TryParse<double>(Quantity.TryParseRate).Within(1e5, 1e10), (to, value) => to with { Scrub = to.Scrub with { BytesPerSecond = value } }) },

        new Top("warm", "entry", "a list of at most 100 entries, each with from and every", "none",
            "Files whose images are fetched before anybody pulls them, again and again.")
        { IsList = true, Entry = Warm, Apply = WarmList.Apply },

        new Top("upstreams", "entry", "a list of upstreams, each with a name", "the well-known public registries",
            "The registries that content comes from. Well-known ones that are not listed stay as they are.")
        { IsList = true, Entry = Upstream, Apply = UpstreamList.Apply },
    ];

    private static bool TryParsePlatform(string text, out string value)
    {
        value = text;
        return Oci.Platform.TryParse(text, out _);
    }

    private static TryParse<TimeSpan> Wait(TimeSpan least) =>
        new TryParse<TimeSpan>(Quantity.TryParseDuration).Within(least, TimeSpan.FromMinutes(10));

    private static bool TryParseWait(string text, out TimeSpan wait) =>
        Quantity.TryParseDurationOrUnlimited(text, out wait) && wait <= TimeSpan.FromMinutes(10);

    private static bool TryParseScrub(string text, out TimeSpan every) =>
        Quantity.TryParseDurationOrUnlimited(text, out every) && (every == Timeout.InfiniteTimeSpan || (every >= TimeSpan.FromHours(1) && every <= TimeSpan.FromHours(8760)));

    private static bool TryParseFill(string text, out FillMode fill)
    {
        fill = text == "touched" ? FillMode.Touched : FillMode.Complete;
        return text is "complete" or "touched";
    }

    private static bool TryParseBandwidth(string text, out long? bytesPerSecond)
    {
        bytesPerSecond = null;
        if (text == Quantity.Unlimited) return true;
        if (!Quantity.TryParseRate(text, out var rate) || rate is < 1e3 or > 1e12) return false;
        bytesPerSecond = (long)rate;
        return true;
    }

    private static bool TryParseEviction(string text, out string name)
    {
        name = text;
        return EntrepotHost.EvictionPolicies.ContainsKey(text);
    }

    private static bool TryParseQuota(string text, out QuotaSize quota)
    {
        quota = default;
        if (text.EndsWith('%'))
        {
            if (!decimal.TryParse(text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var percent) || percent is <= 0 or > 100) return false;
            quota = QuotaSize.OfPercent(percent);
            return true;
        }

        if (!Quantity.TryParseSize(text, out var bytes) || bytes < QuotaSize.Least) return false;
        quota = QuotaSize.OfBytes(bytes);
        return true;
    }

    private static bool TryParseTtl(string text, out TimeSpan ttl) =>
        Quantity.TryParseDurationOrUnlimited(text, out ttl) && ttl <= LongestTtl;
}
