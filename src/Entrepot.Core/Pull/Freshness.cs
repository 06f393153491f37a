using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>When a tag is asked for again. Pure.</summary>
public static class Freshness
{
    /// <summary>Whether what a tag meant may be told without asking its upstream.</summary>
    /// <param name="record">What is known.</param>
    /// <param name="ttl">How long that holds; <see cref="Timeout.InfiniteTimeSpan"/> is for ever.</param>
    /// <param name="now">The time.</param>
    public static bool IsFresh(TagRecord record, TimeSpan ttl, DateTimeOffset now) =>
        ttl == Timeout.InfiniteTimeSpan || now - record.ValidatedAt < ttl;

    /// <summary>Why a tag is served that its upstream did not confirm, in a word.</summary>
    public static string WhyStale(RegistryError error) => error.Status switch
    {
        429 => "rate-limited",
        504 => "timeout",
        502 => "bad-answer",
        _ => "unreachable",
    };
}
