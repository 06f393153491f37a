using System.Collections.Concurrent;
using System.Globalization;

namespace Entrepot.Upstream;

/// <summary>What was asked of one upstream and what came back, since the start. Safe for concurrent use.</summary>
public sealed class UpstreamCounters
{
    private readonly ConcurrentDictionary<(string Kind, string Code), Counter> _requests = new();
    private readonly ConcurrentDictionary<string, Budget> _budgets = new();
    private long _bytes;

    /// <summary>Body bytes received, as they came over the wire.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>What each account that ever asked has left, by its name; a snapshot, in no order.</summary>
    public IReadOnlyList<(string Account, Budget Budget)> Budgets => [.. _budgets.Select(entry => (entry.Key, entry.Value))];

    /// <summary>Every combination of kind and code seen so far; a snapshot, in no order.</summary>
    public IReadOnlyList<UpstreamRequests> Requests =>
        [.. _requests.Select(entry => new UpstreamRequests(entry.Key.Kind, entry.Key.Code, Interlocked.Read(ref entry.Value.Count)))];

    /// <summary>Counts an answer; <paramref name="status"/> is <see langword="null"/> if there was none.</summary>
    internal void Answered(string kind, int? status)
    {
        var code = status is null ? "error" : status is >= 100 and < 600 ? status.Value.ToString(CultureInfo.InvariantCulture) : "other";
        Interlocked.Increment(ref _requests.GetOrAdd((kind, code), _ => new Counter()).Count);
    }

    /// <summary>What an account has left: one object for a name, whoever asks.</summary>
    internal Budget BudgetOf(string account) => _budgets.GetOrAdd(account, _ => new Budget());

    internal void Received(int bytes) => Interlocked.Add(ref _bytes, bytes);

    private sealed class Counter
    {
        public long Count;
    }
}

/// <summary>How many requests of one kind ended in one way.</summary>
/// <param name="Kind"><c>manifest</c>, <c>blob</c>, <c>tags</c>, <c>referrers</c>, <c>token</c> or <c>ping</c>.</param>
/// <param name="Code">The status code, or <c>error</c> when no answer came.</param>
/// <param name="Count">Requests.</param>
public sealed record UpstreamRequests(string Kind, string Code, long Count);
