namespace Entrepot.Upstream;

/// <summary>One account of an upstream, or nobody's. Immutable.</summary>
/// <param name="Source">Its credentials.</param>
/// <param name="Budget">What it has left.</param>
internal sealed record Account(CredentialSource Source, Budget Budget);

/// <summary>The accounts of an upstream, which are used in turn as their budgets last. Safe for concurrent use.</summary>
internal sealed class Accounts
{
    private const string Anonymous = "anonymous";
    private const string FromDocker = "dockerConfig";

    private readonly Account[] _all;
    private readonly int _reserve;
    private readonly TimeProvider _clock;

    /// <param name="options">Who they are.</param>
    /// <param name="counters">Where their budgets are, which outlive options.</param>
    /// <param name="clock">The time.</param>
    public Accounts(UpstreamOptions options, UpstreamCounters counters, TimeProvider clock)
    {
        (_reserve, _clock) = (options.RateLimitReserve, clock);
        UpstreamOptions[] each = options.Accounts.Count == 0 ? [options] :
            [.. options.Accounts.Select(one => options with { Username = one.Username, Password = one.Password, PasswordFile = one.PasswordFile, Accounts = [] })];
        _all = [.. each.Select(one => new Account(new CredentialSource(one, clock), counters.BudgetOf(one.Username ?? (one.DockerConfig is null ? Anonymous : FromDocker))))];
    }

    /// <summary>How many there are; at least one.</summary>
    public int Count => _all.Length;

    /// <summary>
    /// The one to ask with: of those in their order the first that has more than the reserve left; otherwise the one that has most left; and when the upstream wants
    /// none of them to ask, the one that may ask first.
    /// </summary>
    public Account Choose()
    {
        var now = _clock.GetUtcNow();
        return Array.Find(_all, one => !one.Budget.IsLimited(now) && !one.Budget.IsShort(_reserve, now))
            ?? _all.Where(one => !one.Budget.IsLimited(now)).MaxBy(one => one.Budget.At(now).Remaining ?? 0)
            ?? _all.MinBy(one => one.Budget.At(now).LimitedFor)!;
    }

    /// <summary>How long clients are told to wait while none of them is to ask; <see langword="null"/> if one may.</summary>
    public TimeSpan? LimitedFor => Choose().Budget.RetryAfter(_clock.GetUtcNow());

    /// <summary>Whether all that may ask have less than the reserve left.</summary>
    public bool IsShort
    {
        get
        {
            var (now, chosen) = (_clock.GetUtcNow(), Choose().Budget);
            return chosen.IsShort(_reserve, now) && !chosen.IsLimited(now);
        }
    }
}
