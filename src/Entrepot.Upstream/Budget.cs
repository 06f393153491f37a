using System.Globalization;

namespace Entrepot.Upstream;

/// <summary>What an upstream last said of how many requests one account has. An immutable snapshot.</summary>
/// <param name="Limit">Requests that the account has in a period; <see langword="null"/> if nobody said.</param>
/// <param name="Remaining">Requests of them that are left; <see langword="null"/> if nobody said.</param>
/// <param name="Window">The period; <see langword="null"/> if nobody said.</param>
/// <param name="Source">Whom the upstream counts them for: an address, or an account's number; <see langword="null"/> if nobody said.</param>
/// <param name="LimitedFor">How long it wants not to be asked, since it answered 429; <see langword="null"/> if it may be asked.</param>
public sealed record BudgetState(long? Limit, long? Remaining, TimeSpan? Window, string? Source, TimeSpan? LimitedFor);

/// <summary>How many requests one account of one upstream has left. Safe for concurrent use.</summary>
public sealed class Budget
{
    // A "Retry-After" of years would be somebody's mistake, and a registry that is asked once an hour does not mind.
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    // After a 429 that does not say for how long. Some registries limit by the second and say no time: for them more would be an outage of its own. With one that
    // goes on to limit, each silence is twice as long as the one before.
    private static readonly TimeSpan WhenUnsaid = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestUnsaid = TimeSpan.FromMinutes(10);

    // A 429 that comes within this time after a silence, or within as long as that was, says that it was too short.
    private static readonly TimeSpan SoonAgain = TimeSpan.FromMinutes(1);

    // What clients are told of such a silence. Engines wait as long as they are told, several times, before they go to their next mirror;
    // a cache in front waits for a moment itself (see Attempt.Moment), and passes more on.
    private static readonly TimeSpan ToldWhenUnsaid = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan WindowWhenUnsaid = TimeSpan.FromHours(1);

    private const int SourceLength = 100;

    private readonly Lock _gate = new();
    private BudgetState _told = new(null, null, null, null, null);   // guarded by _gate, as is what follows; without LimitedFor
    private DateTimeOffset _toldAt;
    private DateTimeOffset _limitedUntil;
    private TimeSpan _silence;   // the last one whose length nobody said
    private bool _isUnsaid;      // whether the present one is such

    /// <summary>How it is at a time.</summary>
    public BudgetState At(DateTimeOffset now)
    {
        lock (_gate) return _told with { LimitedFor = now < _limitedUntil ? _limitedUntil - now : null };
    }

    /// <summary>Remembers <c>ratelimit-limit</c>, <c>ratelimit-remaining</c> (e.g. <c>100;w=21600</c>) and <c>docker-ratelimit-source</c>; what makes no sense is ignored.</summary>
    internal void Tell(string? limit, string? remaining, string? source, DateTimeOffset now)
    {
        lock (_gate)
        {
            if (TryRead(limit, out var most, out var window)) _told = _told with { Limit = most, Window = window ?? _told.Window };
            if (TryRead(remaining, out var left, out window))
                (_told, _toldAt) = (_told with { Remaining = left, Window = window ?? _told.Window }, now);

            if (!string.IsNullOrWhiteSpace(source)) _told = _told with { Source = Plain.Line(source.Length > SourceLength ? source[..SourceLength] : source) };
        }
    }

    /// <summary>It was answered 429.</summary>
    /// <param name="pause">For how long it is not to be asked (Retry-After); <see langword="null"/> if that was not said: then for 10 s, and twice as long each time that it
    /// is too short, up to 10 minutes.</param>
    /// <param name="now">The time.</param>
    internal void Limit(TimeSpan? pause, DateTimeOffset now)
    {
        lock (_gate)
        {
            if (pause is { } told)
            {
                // A moment is waited for by whoever was told so.
                if (told <= Attempt.Moment) return;

                // Of several answers the longest time holds: a short one is of another limit, such as that by the second. It is better than a guess.
                var until = now + (told < Longest ? told : Longest);
                if (_isUnsaid || until > _limitedUntil) (_limitedUntil, _isUnsaid) = (until, false);
                return;
            }

            // Requests that were on their way when it began say nothing new.
            if (now < _limitedUntil) return;
            var isAgain = _silence > TimeSpan.Zero && now - _limitedUntil < (_silence > SoonAgain ? _silence : SoonAgain);
            _silence = !isAgain ? WhenUnsaid : 2 * _silence < LongestUnsaid ? 2 * _silence : LongestUnsaid;
            (_limitedUntil, _isUnsaid) = (now + _silence, true);
        }
    }

    /// <summary>How long clients are told to wait: the rest of a time that the upstream named, a moment of one that it did not; <see langword="null"/> if it may be asked.</summary>
    internal TimeSpan? RetryAfter(DateTimeOffset now)
    {
        lock (_gate)
        {
            if (now >= _limitedUntil) return null;
            var rest = _limitedUntil - now;
            return _isUnsaid && rest > ToldWhenUnsaid ? ToldWhenUnsaid : rest;
        }
    }

    /// <summary>Whether it was told 429, and the time for which it is not to ask is not over.</summary>
    internal bool IsLimited(DateTimeOffset now)
    {
        lock (_gate) return now < _limitedUntil;
    }

    /// <summary>Whether fewer requests than this are left, as far as was told within the period.</summary>
    internal bool IsShort(int reserve, DateTimeOffset now)
    {
        lock (_gate) return _told.Remaining < reserve && now - _toldAt < (_told.Window ?? WindowWhenUnsaid);
    }

    private static bool TryRead(string? header, out long value, out TimeSpan? window)
    {
        (value, window) = (0, null);
        var parts = (header ?? "").Split(';', StringSplitOptions.TrimEntries);
        if (!long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out value)) return false;
        foreach (var part in parts)
            if (part.StartsWith("w=", StringComparison.Ordinal) && int.TryParse(part.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds > 0)
                window = TimeSpan.FromSeconds(seconds);
        return true;
    }
}
