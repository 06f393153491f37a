using System.Collections.Concurrent;
using System.Globalization;

namespace Entrepot.Upstream;

/// <summary>What was asked of one upstream and what came back, since the start. Safe for concurrent use.</summary>
public sealed class UpstreamCounters
{
    private readonly ConcurrentDictionary<(string Kind, string Code), Counter> _requests = new();
    private long _bytes;
    private long _limit = -1;
    private long _remaining = -1;

    /// <summary>Body bytes received, as they came over the wire.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Requests that the upstream allows in its period; <see langword="null"/> if it never said.</summary>
    public long? Limit => Known(Interlocked.Read(ref _limit));

    /// <summary>Requests that the upstream said were left, at its latest answer; <see langword="null"/> if it never said.</summary>
    public long? Remaining => Known(Interlocked.Read(ref _remaining));

    /// <summary>Every combination of kind and code seen so far; a snapshot, in no order.</summary>
    public IReadOnlyList<UpstreamRequests> Requests =>
        [.. _requests.Select(entry => new UpstreamRequests(entry.Key.Kind, entry.Key.Code, Interlocked.Read(ref entry.Value.Count)))];

    /// <summary>Counts an answer; <paramref name="status"/> is <see langword="null"/> if there was none.</summary>
    internal void Answered(string kind, int? status)
    {
        var code = status is null ? "error" : status is >= 100 and < 600 ? status.Value.ToString(CultureInfo.InvariantCulture) : "other";
        Interlocked.Increment(ref _requests.GetOrAdd((kind, code), _ => new Counter()).Count);
    }

    internal void Received(int bytes) => Interlocked.Add(ref _bytes, bytes);

    /// <summary>Remembers <c>ratelimit-limit</c> and <c>ratelimit-remaining</c>, e.g. <c>100;w=21600</c>; what is no number is ignored.</summary>
    internal void Limited(string? limit, string? remaining)
    {
        if (TryRead(limit, out var most)) Interlocked.Exchange(ref _limit, most);
        if (TryRead(remaining, out var left)) Interlocked.Exchange(ref _remaining, left);
    }

    private static long? Known(long value) => value < 0 ? null : value;

    private static bool TryRead(string? header, out long value) =>
        long.TryParse(header.AsSpan(0, header?.IndexOf(';', StringComparison.Ordinal) is >= 0 and var end ? end : header?.Length ?? 0).Trim(),
            NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private sealed class Counter
    {
        public long Count;
    }
}

/// <summary>How many requests of one kind ended in one way.</summary>
/// <param name="Kind"><c>manifest</c>, <c>blob</c>, <c>tags</c>, <c>referrers</c> or <c>token</c>.</param>
/// <param name="Code">The status code, or <c>error</c> when no answer came.</param>
/// <param name="Count">Requests.</param>
public sealed record UpstreamRequests(string Kind, string Code, long Count);
