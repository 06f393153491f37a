using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>What is done about a tag, said by what is known, how old that is, the upstream's rules and what it answered. Pure.</summary>
/// <remarks>
/// In order: what is fresh is served; an offline upstream is not asked; a "no such thing" holds for a while; otherwise the upstream is asked. An
/// upstream that cannot say, or takes too long, does not take away what is known; one that says no does.
/// </remarks>
public static class Freshness
{
    /// <summary>The detail of a tag that is not fresh, and whose upstream is never asked.</summary>
    public const string WhenOffline = "offline";

    /// <summary>The detail of a tag that is not fresh, and whose upstream takes longer than a client is made to wait.</summary>
    public const string WhenSlow = "slow";

    private static readonly RegistryError OfflineUnknown = RegistryError.ManifestUnknown with { Detail = OfflineUpstream.NotStored };

    /// <summary>What to do when a tag is asked for.</summary>
    /// <param name="tag">The tag.</param>
    /// <param name="known">What it meant when its upstream last said so; <see langword="null"/> if that is not known.</param>
    /// <param name="refusal">What the upstream said no to it with, if that came last; otherwise <see langword="null"/>.</param>
    /// <param name="rules">The rules of its upstream.</param>
    /// <param name="isShort">Whether the upstream has so few requests left that tags stay fresh for longer.</param>
    /// <param name="now">The time.</param>
    public static TagDecision BeforeAsking(string tag, TagRecord? known, Refusal? refusal, FreshnessRules rules, bool isShort, DateTimeOffset now)
    {
        if (known is not null && IsWithin(rules.TtlOf(tag, isShort), known.ValidatedAt, now)) return TagDecision.Hit;
        if (rules.Offline) return known is not null ? TagDecision.Stale(WhenOffline, null) : TagDecision.Refuse(OfflineUnknown);
        return IsGone(refusal, rules, now) ? TagDecision.Refuse(refusal!.Error) : TagDecision.Ask(PatienceFor(known, refusal, rules, now));
    }

    /// <summary>What to do when the upstream was asked for a tag and did not tell what it means.</summary>
    /// <param name="known">As before it was asked.</param>
    /// <param name="error">What it answered; <see langword="null"/> if it has not answered within the patience that it was given.</param>
    /// <param name="rules">The rules of the upstream.</param>
    /// <param name="now">The time.</param>
    public static TagDecision AfterAsking(TagRecord? known, RegistryError? error, FreshnessRules rules, DateTimeOffset now)
    {
        if (error is null) return TagDecision.Stale(WhenSlow, null);
        if (known is null) return TagDecision.Refuse(error);
        if (IsDenial(error)) return rules.ServeWhenDenied ? TagDecision.Stale("denied", error) : TagDecision.Refuse(error);
        return error.IsOutage && MayBeStale(known, rules, now) ? TagDecision.Stale(WhyStale(error), error) : TagDecision.Refuse(error);
    }

    /// <summary>Whether an upstream's "there is no such thing" still holds.</summary>
    public static bool IsGone(Refusal? refusal, FreshnessRules rules, DateTimeOffset now) =>
        refusal is { Error.Status: 404 } && IsWithin(rules.NegativeTtl, refusal.At, now);

    /// <summary>Whether an upstream's error says that it knows who asks, or wants to, and gives nothing.</summary>
    public static bool IsDenial(RegistryError error) => error.Status is 401 or 403;

    // Only who may be served stale has less patience than the upstream itself. A slow "no" is still a no.
    private static TimeSpan PatienceFor(TagRecord? known, Refusal? refusal, FreshnessRules rules, DateTimeOffset now)
    {
        if (known is null || !MayBeStale(known, rules, now)) return Timeout.InfiniteTimeSpan;
        return refusal is not null && IsDenial(refusal.Error) && !rules.ServeWhenDenied ? Timeout.InfiniteTimeSpan : rules.RevalidateWait;
    }

    private static bool MayBeStale(TagRecord known, FreshnessRules rules, DateTimeOffset now) => IsWithin(rules.StaleIfError, known.ValidatedAt, now);

    // What is from the future was written under a clock that was wrong; how old it is, nobody knows.
    private static bool IsWithin(TimeSpan limit, DateTimeOffset since, DateTimeOffset now) =>
        limit == Timeout.InfiniteTimeSpan || (now >= since && now - since < limit);

    private static string WhyStale(RegistryError outage) => outage.Status switch
    {
        429 => "rate-limited",
        504 => "timeout",
        502 => "bad-answer",
        _ => "unreachable",
    };
}

/// <summary>What is done about a tag.</summary>
public enum TagAction
{
    /// <summary>What is known is served as fresh.</summary>
    Hit,

    /// <summary>The upstream is asked.</summary>
    Ask,

    /// <summary>What is known is served, and told to be stale.</summary>
    Stale,

    /// <summary>The client is told an error.</summary>
    Refuse,
}

/// <summary>What is done about a tag, and why. An immutable value.</summary>
public readonly record struct TagDecision
{
    private TagDecision(TagAction action, string? why, RegistryError? error, TimeSpan patience) =>
        (Action, Why, Error, Patience) = (action, why, error, patience);

    /// <summary>What is done.</summary>
    public TagAction Action { get; }

    /// <summary>Why it is served stale, in a word; otherwise <see langword="null"/>.</summary>
    public string? Why { get; }

    /// <summary>What the client is told if it is refused, or what the upstream answered if it is served stale; <see langword="null"/> if there is none.</summary>
    public RegistryError? Error { get; }

    /// <summary>How long the upstream's answer is waited for; <see cref="Timeout.InfiniteTimeSpan"/> as long as it takes.</summary>
    public TimeSpan Patience { get; }

    internal static TagDecision Hit { get; } = new(TagAction.Hit, null, null, default);

    internal static TagDecision Ask(TimeSpan patience) => new(TagAction.Ask, null, null, patience);

    internal static TagDecision Stale(string why, RegistryError? error) => new(TagAction.Stale, why, error, default);

    internal static TagDecision Refuse(RegistryError error) => new(TagAction.Refuse, null, error, default);
}
