using System.Text;

namespace Entrepot.Server.Telemetry;

/// <summary>The metrics' reference page, made from the table of metrics so that it cannot say anything else. Pure.</summary>
internal static class MetricsReference
{
    private const string Introduction = """
        # Metrics

        This page is printed by `entrepot metrics-reference`; change the table in the source, not this file.

        `GET /metrics` answers in Prometheus' text format on the admin listener, and on a listener of its own if the option `metrics` names one. What
        `source` says is told in the [README](../README.md#what-it-tells). Counters begin at 0 with the process.


        """;

    private const string Exactness = """

        ## What exactly is counted

        - **Requests**: each request that was read from a connection, once, when its answer has ended, whatever came of it. So the sum over
          all labels of `entrepot_requests_total` is the number of requests that have ended. A client that left before its answer began
          counts as `failed`; one that left later, by where the answer came from.
        - **No requests** are a malformed request line, headers beyond the limits, a TLS hello: they are answered with 400 or the like before
          they could be about anything, and are not counted. Neither is a connection that is not accepted, beyond `limits.connections` or
          when the process is ending.
        - **Served bytes**: bytes of bodies, those of errors included, without headers. Of a response that reached its end they are exactly
          what its client got. Of one that was broken off, by the client or by Entrepot, they are what the connection had taken: more than
          the client has read by what was still in buffers on the way, or less by at most 64 KiB, the piece that was being handed over.
        - **Time to first byte**: of each request whose answer began.
        - **Upstream requests**: each exchange with an upstream, a content network that it redirects to, or its token service: tries again,
          redirects and challenges are exchanges of their own. `code` is `error` where no answer came: no connection, silence, or nobody
          waited for it any longer.
        - **Circuits**: an address that fails four times in a row, and has not answered for ten seconds, is left alone for ten seconds at a time (`open`), after which one request finds out
          whether it lives again (`halfopen`, until then). Four bodies in a row of which nothing comes have the same effect. Answers of 5xx
          only count if one to `/v2/` is 5xx, too (`kind="ping"`). `entrepot_upstream_circuits{state="closed"} == 0` is an upstream that is out of reach. Hosts
          that it redirects to have circuits of their own, which the log tells.
        - **Rate limits**: what an upstream says in `ratelimit-limit` and `ratelimit-remaining`, of each account that has asked. Docker Hub counts GETs of manifests.
        - **Upstream bytes**: bytes of bodies that were read, tokens and error documents included. Bodies that tell nothing, those of
          redirects, challenges, 429 and 5xx, are not read.
        - **Blobs being fetched**: those that run. Their rate is not a metric of its own: over time it is that of the upstreams' bytes,
          `rate(entrepot_upstream_bytes_total[1m])`; `entrepot status` tells that of each blob. `entrepot_fetch_size_bytes` less
          `entrepot_fetch_arrived_bytes` is what is to come, but for upstreams with `fill: touched`, of whose blobs only what is read comes.
        - **Parts that rest** were left by a fetch that was interrupted, and wait for the next one that wants the blob, or are what lazy clients
          read of it. They count in `entrepot_storage_bytes`, not in `entrepot_storage_blobs`, and leave like blobs, or as `expired` when
          nobody has gone on with an interrupted fetch for `storage.partialTtl`. While a fetch goes on with a part, that counts as reserved.
        - **Evictions**: `quota` and `space` make room for something else, within `storage.quota` and for `storage.minFree`; `corrupt` was found to be
          wrong; `removed` was asked for.
        - **An upstream that is configured no longer**, after the options were read again, keeps its series; they go on if it comes back.

        """;

    /// <summary>The whole page as Markdown, ending in a newline.</summary>
    public static string Markdown()
    {
        var page = new StringBuilder(Introduction);
        page.Append("| metric | type | unit | labels | what it is |\n| --- | --- | --- | --- | --- |\n");
        foreach (var metric in MetricTable.All)
        {
            var labels = metric.Labels.Length == 0 ? "none" : string.Join(", ", metric.Labels.Select(label => $"`{label.Name}`"));
            page.Append($"| `{metric.Name}` | {metric.Kind.ToString().ToLowerInvariant()} | {metric.Unit} | {labels} | {metric.Help} |\n");
        }

        page.Append("\n## Labels\n\n| metric | label | values |\n| --- | --- | --- |\n");
        foreach (var group in MetricTable.All.SelectMany(metric => metric.Labels, (metric, label) => (metric.Name, Label: label)).GroupBy(one => (one.Label.Name, Values(one.Label))))
            page.Append($"| {string.Join(", ", group.Select(one => $"`{one.Name}`"))} | `{group.Key.Name}` | {group.Key.Item2} |\n");
        page.Append(Exactness);
        return page.ToString();
    }

    private static string Values(MetricLabel label)
    {
        var values = label.Values.Select(value => $"`{value}`");
        return string.Join(", ", label.Otherwise is null ? values : values.Prepend(label.Otherwise));
    }
}
