namespace Entrepot.Pull;

/// <summary>What a fetch does next, as arithmetic. Pure.</summary>
public static class FetchPlan
{
    /// <summary>
    /// How far ahead of the run a reader is made to wait, in bytes. Asking the upstream for the same bytes once more costs a round trip, in
    /// which a run brings about this much.
    /// </summary>
    public const long Patience = 8 << 20;

    /// <summary>
    /// The last bytes of a response that begins at the first byte: they wait until the whole is verified. One flush of a response is enough to keep
    /// a wrong blob from ending cleanly, and small enough not to be noticed.
    /// </summary>
    public const long HeldTail = 64 << 10;

    /// <summary>Whether a reader at <paramref name="from"/> is too far ahead of what has arrived up to <paramref name="arrived"/>.</summary>
    public static bool IsFar(long from, long arrived) => from - arrived > Patience;

    /// <summary>Where a response that begins at the first byte has to stop until the whole is verified.</summary>
    public static long HoldFrom(long size) => Math.Max(0, size - HeldTail);

    /// <summary>What to do with bytes that an upstream offers to go on with.</summary>
    /// <param name="arrived">Bytes there are, from the start; where the upstream was asked to go on.</param>
    /// <param name="size">The whole blob's size as it was announced before; <see langword="null"/> if it was not.</param>
    /// <param name="validator">What the earlier bytes came with; <see langword="null"/> if nothing.</param>
    /// <param name="offered">What the upstream offers now.</param>
    public static Continuation Continue(long arrived, long? size, string? validator, UpstreamBlob offered)
    {
        if (offered.Offset == 0) return Continuation.Compare;
        if (offered.Offset != arrived) return Continuation.AskFromStart;

        var changed = offered.Size < arrived
            || (size, offered.Size) is ({ } was, { } now) && was != now
            || (validator, offered.Validator) is ({ } before, { } after) && before != after;
        return changed ? Continuation.AskFromStart : Continuation.Append;
    }
}

/// <summary>How bytes that an upstream offers join those that have arrived.</summary>
public enum Continuation
{
    /// <summary>They follow on.</summary>
    Append,

    /// <summary>They begin at 0: compared with those that have arrived as far as these go, appended after that.</summary>
    Compare,

    /// <summary>They may be of another blob, or lie somewhere else: not used; the upstream is asked for all from 0.</summary>
    AskFromStart,
}
