using Entrepot.FunctionalTests.Kit;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Faults;

/// <summary>Asks for things while something is wrong, and puts into few words what came, what is cached afterwards and what the metrics say.</summary>
/// <remarks>Content that comes is compared with what is right: a row is only told of a fault that nobody was given wrong bytes in.</remarks>
internal sealed class Witness(Appliance cache)
{
    private static readonly string[] Sources = ["hit", "joined", "fetched", "revalidated", "stale", "bypass", "missing", "denied", "failed"];
    private static readonly string[] Codes = ["200", "206", "301", "302", "307", "400", "401", "403", "404", "429", "500", "502", "503", "504", "error", "other"];

    private readonly List<(string What, string Answer)> _answers = [];
    private int _asked;
    private MetricValues _before = null!;     // set by BeginAsync
    private HashSet<Digest> _stored = [];

    /// <summary>Remembers how things are.</summary>
    public async Task BeginAsync()
    {
        _before = await cache.MetricsAsync();
        _stored = [.. cache.Store.Checked()];
    }

    /// <summary>Asks, by GET and by HEAD; what they are answered is told once if it is the same.</summary>
    /// <param name="what">What it is, as the row has it.</param>
    /// <param name="path">Where it is.</param>
    /// <param name="right">Its bytes; <see langword="null"/> for what is made anew each time.</param>
    /// <param name="before">Done before each of the two.</param>
    public async Task AskAsync(string what, string path, byte[]? right, Action before)
    {
        _asked += 2;
        before();
        var got = await cache.GetAsync(path);
        if (got is { Status: 200, Clean: true } && right is not null) got.Is(right);
        await cache.IdleAsync();   // who comes later does not join what is about to fail
        before();
        var head = await cache.HeadAsync(path);
        foreach (var name in (string[])["X-Injected", "Set-Cookie", "WWW-Authenticate", "Content-Encoding"]) Assert.Null(got.Header(name) ?? head.Header(name));
        _answers.Add((what, Say(got)));
        if (Say(head) != Say(got)) _answers.Add(($"HEAD of the {what}", Say(head)));
    }

    /// <summary>Asks for the metrics' sake.</summary>
    public async Task AgainAsync(string path)
    {
        _asked++;
        await cache.GetAsync(path);
    }

    /// <summary>What was observed since the beginning.</summary>
    /// <param name="fault">What was wrong.</param>
    public async Task<FaultRow> RowAsync(string fault)
    {
        var asked = _before.Sum("entrepot_requests_total") + _asked;
        var now = await cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total") == asked);
        return new FaultRow(fault, Saw(), Cached(), Metrics(now));
    }

    private string Saw() => string.Join("; ", _answers.GroupBy(one => one.Answer, one => one.What).Select(group => $"{string.Join(", ", group)}: {group.Key}"));

    private string Cached()
    {
        var now = cache.Store.Checked().ToHashSet();
        var (more, less) = (now.Count(digest => !_stored.Contains(digest)), _stored.Count(digest => !now.Contains(digest)));
        return (more, less) switch
        {
            (0, 0) => "what was before",
            (_, 0) => $"what was before, and {more} more",
            _ => $"{less} less, and {more} more",
        };
    }

    private string Metrics(MetricValues now)
    {
        var sources = Sources.Select(source => (source, Count: Grown("entrepot_requests_total", $"source=\"{source}\""))).Where(one => one.Count > 0);
        var codes = Codes.Where(code => Grown("entrepot_upstream_requests_total", $"code=\"{code}\"") > 0).ToList();
        var circuit = ((string[])["open", "halfopen"]).FirstOrDefault(state => now.Sum("entrepot_upstream_circuits", $"state=\"{state}\"", "upstream=\"docker.io\"") > 0) ?? "closed";
        return $"{string.Join(", ", sources.Select(one => $"{one.source} {one.Count}"))}; upstream {(codes.Count == 0 ? "not asked" : string.Join(", ", codes))}; circuit {circuit}";

        double Grown(string metric, string label) => now.Sum(metric, label) - _before.Sum(metric, label);
    }

    private static string Say(Got got)
    {
        if (!got.Clean) return got.Status == 0 ? "cut off" : $"{got.Status}, cut off";
        if (got.Status == 200)
        {
            if (got.CacheStatus!.Contains("fwd=stale", StringComparison.Ordinal)) Assert.NotNull(got.Header("Age"));
            return got.CacheStatus switch
            {
                "Entrepot; hit" => "hit",
                "Entrepot; fwd=miss" or "Entrepot; fwd=miss; stored" => "fetched",
                "Entrepot; fwd=stale; fwd-status=200" => "revalidated",
                var stale => $"stale ({stale[(stale.IndexOf("detail=", StringComparison.Ordinal) + 7)..]})",
            };
        }

        if (got.Status == 503) Assert.NotNull(got.Header("Retry-After"));
        return got.Status == 429 && got.Header("Retry-After") is not null ? "429 with Retry-After" : $"{got.Status}";
    }
}
