using System.IO.Enumeration;

namespace Entrepot.Pull;

/// <summary>How long what one upstream said holds, and what is served when it does not say. Immutable.</summary>
public sealed record FreshnessRules
{
    /// <summary>How long a tag stays fresh after the upstream was asked.</summary>
    /// <value>0 s or more; <see cref="Timeout.InfiniteTimeSpan"/> is unlimited. Default 1 minute.</value>
    public TimeSpan TagTtl { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Tags that stay fresh for another time; the first that matches applies.</summary>
    /// <value>At most 100. Default: none.</value>
    public IReadOnlyList<TagRule> Tags { get; init; } = [];

    /// <summary>How long a request for a known tag waits for the upstream before it is served stale; asking goes on.</summary>
    /// <value>0 s or more; <see cref="Timeout.InfiniteTimeSpan"/> waits for whatever the upstream says. Default 2 seconds.</value>
    public TimeSpan RevalidateWait { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long after its last validation a tag may be served whose upstream cannot say, or takes too long to.</summary>
    /// <value>0 s or more; <see cref="Timeout.InfiniteTimeSpan"/> is unlimited, the default: an old tag is better than none.</value>
    public TimeSpan StaleIfError { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>How long an upstream's "there is no such tag or manifest" holds.</summary>
    /// <value>0 s or more. Default 10 seconds: what is pushed after a failed pull is soon seen.</value>
    public TimeSpan NegativeTtl { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether a known tag is served although the upstream answers 401 or 403.</summary>
    public bool ServeWhenDenied { get; init; }

    /// <summary>Whether the upstream is never contacted.</summary>
    public bool Offline { get; init; }

    /// <summary>How long the upstream is waited for at least where what is known cannot be served without it. A healthy registry answers in a tenth of it.</summary>
    public static readonly TimeSpan LeastWait = TimeSpan.FromSeconds(2);

    /// <summary>How long a tag stays fresh at least while its upstream has few requests left.</summary>
    public static readonly TimeSpan WhenShort = TimeSpan.FromHours(1);

    /// <summary>How long a tag stays fresh.</summary>
    /// <param name="tag">The tag.</param>
    /// <param name="isShort">Whether its upstream has few requests left.</param>
    public TimeSpan TtlOf(string tag, bool isShort)
    {
        var ttl = TtlOf(tag);
        return isShort && ttl != Timeout.InfiniteTimeSpan && ttl < WhenShort ? WhenShort : ttl;
    }

    private TimeSpan TtlOf(string tag)
    {
        foreach (var rule in Tags)
            if (rule.Matches(tag)) return rule.TagTtl;
        return TagTtl;
    }
}

/// <summary>Tags that stay fresh for a time of their own. Immutable.</summary>
/// <param name="Match">A pattern of the whole tag, in which <c>*</c> is any text and <c>?</c> any one character; case matters.</param>
/// <param name="TagTtl">How long they stay fresh; <see cref="Timeout.InfiniteTimeSpan"/> is unlimited.</param>
public sealed record TagRule(string Match, TimeSpan TagTtl)
{
    /// <summary>Whether this is about a tag.</summary>
    public bool Matches(string tag) => FileSystemName.MatchesSimpleExpression(Match, tag, ignoreCase: false);
}
