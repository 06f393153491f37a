using System.Text;
using Entrepot.Server.Admin;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary>A status report for people: what is wrong comes first. Pure.</summary>
internal static class StatusText
{
    // What fits on a screen beside the rest; as JSON all are told.
    private const int MostFetches = 20;

    private const string Waiting = "waiting";

    /// <summary>All of it, some lines.</summary>
    public static string Of(StatusReport report)
    {
        var text = new StringBuilder();
        if (report.Problems.Count > 0)
        {
            text.Append($"{Words.Count(report.Problems.Count, "problem")}:\n");
            foreach (var problem in report.Problems) text.Append($"  {Words.Line(problem)}\n");
            text.Append('\n');
        }

        text.Append($"Entrepot {Words.Line(report.Version)}, {Words.Line(report.State)}, up {Words.Duration(TimeSpan.FromSeconds(report.Uptime))}\n");
        text.Append(Columns.Text([
            ["registry", string.Join(", ", report.Registry.Select(Words.Line))],
            ["storage", Storage(report.Storage)],
            ["scrub", Scrub(report.Scrub)],
            ["requests", Requests(report.Requests)],
            ["bytes", Bytes(report.Requests)],
        ], "  "));

        text.Append("\nupstreams\n");
        text.Append(Columns.Text([.. report.Upstreams.Select(Upstream)], "  "));
        if (report.Fetches.Count == 0) return text.ToString();

        var waiting = report.Fetches.Count(fetch => fetch.State == Waiting);
        text.Append($"\nfetches: {Words.Number(report.Fetches.Count - waiting)} running{(waiting > 0 ? $", {Words.Number(waiting)} waiting for their turn (limits.fetches)" : "")}\n");
        text.Append(Columns.Text([.. report.Fetches.Take(MostFetches).Select(Fetch)], "  ", right: [1, 2, 3, 4, 5]));
        if (report.Fetches.Count > MostFetches) text.Append($"  and {Words.Number(report.Fetches.Count - MostFetches)} more\n");
        return text.ToString();
    }

    private static string Storage(StorageStatus storage)
    {
        var text = new StringBuilder(
            $"{Words.Line(storage.Root)}: {Words.Count(storage.Blobs, "blob")}{Words.Parts(storage.Partials, storage.PartialBytes)}, {Quantity.Show(storage.Bytes)}, "
            + $"{Words.Percent(storage.Bytes, storage.Quota)} of the quota of {Quantity.Show(storage.Quota)}");
        if (storage.Reserved > 0) text.Append($"; {Quantity.Show(storage.Reserved)} reserved");
        if (storage.Pinned > 0) text.Append($"; {Quantity.Show(storage.Pinned)} pinned");
        return text.Append($"; {Quantity.Show(storage.Free)} free on the file system").ToString();
    }

    private static string Scrub(ScrubStatus scrub)
    {
        if (scrub.State == "running") return $"running, {Words.Percent(scrub.Bytes, scrub.TotalBytes)} of {Quantity.Show(scrub.TotalBytes)}";
        var next = scrub.Next is { } begin ? $"next {begin:yyyy-MM-dd HH:mm}Z" : scrub.State == "off" ? "off" : "due";
        return scrub.LastEnd is { } end ? $"{next}; the store was last looked through until {end:yyyy-MM-dd HH:mm}Z" : next;
    }

    private static string Requests(RequestStatus requests)
    {
        if (requests.Total == 0) return "none yet";
        var hits = requests.Sources.GetValueOrDefault("hit");
        var sources = requests.Sources.OrderByDescending(source => source.Value).ThenBy(source => source.Key, StringComparer.Ordinal)
            .Select(source => $"{Words.Line(source.Key)} {Words.Number(source.Value)}");
        return $"{Words.Number(requests.Total)}, {Words.Percent(hits, requests.Total)} of them hits ({string.Join(", ", sources)})";
    }

    private static string Bytes(RequestStatus requests) =>
        $"{Quantity.Show(requests.Bytes)} sent, {Words.Percent(requests.HitBytes, requests.Bytes)} of them from the store";

    private static string[] Upstream(UpstreamStatus upstream) =>
    [
        Words.Line(upstream.Name),
        Words.Line(upstream.State),
        RateLimit(upstream),
        string.Join(", ", upstream.Urls.Select(Words.Line)),
    ];

    private static string RateLimit(UpstreamStatus upstream) => upstream.Accounts.Count switch
    {
        0 => "no rate limit told",
        1 => RateLimit(upstream.Accounts[0]),
        _ => string.Join(", ", upstream.Accounts.Select(account => $"{Words.Line(account.Account)} {RateLimit(account)}")),
    };

    private static string RateLimit(AccountStatus account) => account switch
    {
        { LimitedFor: { } seconds } => $"limited for {Words.Duration(TimeSpan.FromSeconds(seconds))}",
        { Remaining: { } left, Limit: { } limit } => $"{Words.Number(left)} of {Words.Number(limit)} requests left",
        { Remaining: { } left } => $"{Words.Count(left, "request")} left",
        _ => $"{Words.Count(account.Limit ?? 0, "request")} allowed",
    };

    private static string[] Fetch(FetchStatus fetch) =>
    [
        Reference(Words.Line(fetch.Reference)),
        fetch.Size is { } whole ? Words.Percent(fetch.Arrived, whole) : "",
        fetch.State == Waiting ? "" : fetch.Size is { } size ? $"{Quantity.Show(fetch.Arrived)} of {Quantity.Show(size)}" : Quantity.Show(fetch.Arrived),
        fetch.State == Waiting ? "" : $"{Quantity.Show(fetch.Rate)}/s",
        fetch.State == Waiting ? "" : Words.Count(fetch.Runs, "run"),
        fetch.State == Waiting ? "" : Words.Count(fetch.Followers, "follower"),
        fetch.State switch { Waiting => "waiting", "passing" => "not kept", _ => "" },
    ];

    // The digest's first digits tell it from others by eye, and leave the line short enough for a terminal.
    private static string Reference(string reference)
    {
        var digest = reference.LastIndexOf('@') + 1;
        return reference[..digest] + Words.Short(reference[digest..]);
    }
}
