using Entrepot.Oci;

namespace Entrepot.Upstream;

/// <summary>What holds for tries of whatever kind.</summary>
internal static class Attempt
{
    /// <summary>The longest that the other side may want to be left alone for and be tried again while a client waits.</summary>
    public static readonly TimeSpan Moment = TimeSpan.FromSeconds(2);
}

/// <summary>How one try ended: with something, or with an error and what that says about trying again. A value.</summary>
internal readonly record struct Attempt<T> where T : class
{
    private Attempt(T? value, RegistryError? error, bool isDead, TimeSpan? pause, bool isAnswered = false) =>
        (Value, Error, IsDead, Pause, IsAnswered) = (value, error, isDead, pause, isAnswered);

    /// <summary>What came; <see langword="null"/> if there is an error.</summary>
    public T? Value { get; }

    /// <summary>What a client would be told; <see langword="null"/> if something came.</summary>
    public RegistryError? Error { get; }

    /// <summary>Whether it failed as something dead fails: no connection, no answer, 5xx.</summary>
    public bool IsDead { get; }

    /// <summary>Whether what failed as something dead does was an answer, of 5xx: somebody is there. Of a larger step that failed with it that is not said.</summary>
    public bool IsAnswered { get; }

    /// <summary>How long the other side wants to be left alone (Retry-After); <see langword="null"/> if it did not say.</summary>
    public TimeSpan? Pause { get; }

    /// <summary>Whether it is tried again while a client waits: what failed as something dead does, or whoever asks for no more than a moment.</summary>
    /// <remarks>
    /// Engines have patience of their own, and other mirrors. Whoever limits, or wants to be left alone for longer than two seconds, is passed on at
    /// once: in a chain of caches each would otherwise wait as often as all behind it together.
    /// </remarks>
    public bool IsWorthAgain => Pause is { } pause ? pause <= Attempt.Moment : IsDead;

    /// <summary>Something came.</summary>
    public static Attempt<T> Of(T value) => new(value, null, isDead: false, null);

    /// <summary>The other side lives, and this is what there is to say.</summary>
    public static Attempt<T> Refused(RegistryError error, TimeSpan? pause = null) => new(null, error, isDead: false, pause);

    /// <summary>The other side seems dead.</summary>
    public static Attempt<T> Dead(RegistryError error, TimeSpan? pause = null) => new(null, error, isDead: true, pause);

    /// <summary>The other side answered that it cannot.</summary>
    public static Attempt<T> Broken(RegistryError error, TimeSpan? pause = null) => new(null, error, isDead: true, pause, isAnswered: true);

    /// <summary>The same failure of a larger step.</summary>
    public Attempt<TOther> As<TOther>() where TOther : class => new(null, Error, IsDead, Pause);
}
