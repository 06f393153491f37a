using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>What a fetch does next, as arithmetic. Pure.</summary>
public static class FetchPlan
{
    /// <summary>
    /// How far ahead of a run a reader is made to wait, in bytes. Asking the upstream for the same bytes once more costs a round trip, in
    /// which a run brings about this much.
    /// </summary>
    public const long Patience = 8 << 20;

    /// <summary>
    /// The last bytes of a response that has all of them: they wait until the whole is verified. One flush of a response is enough to keep
    /// a wrong blob from ending cleanly, and small enough not to be noticed.
    /// </summary>
    public const long HeldTail = 64 << 10;

    /// <summary>Bytes from which on a blob is filled by several runs: below that, the round trips of more requests cost what they bring.</summary>
    public const long ParallelFrom = 32_000_000;

    /// <summary>What the first run asks for where a part is wanted and several runs are allowed: readers of parts come in numbers.</summary>
    public const long FirstStripe = 32 << 20;

    /// <summary>Bytes a second of a run from which on more of them bring nothing: it is not its connection then that holds it back.</summary>
    public const long FastEnough = 100_000_000;

    /// <summary>Readers of one blob from which on serving them takes more than fetching it, so that a slow run says nothing about its upstream.</summary>
    public const int Crowd = 16;

    /// <summary>Bytes after which a crowd is woken, while more is at hand: waking hundreds for each piece takes longer than the next ones take to arrive.</summary>
    public const long CrowdStep = 1 << 20;

    /// <summary>How long a run is looked at before others are begun beside it, and again until they are.</summary>
    public static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    /// <summary>The least that one of several runs is asked for, in bytes.</summary>
    public const long LeastStripe = 4 << 20;

    /// <summary>The most that one of several runs is asked for, in bytes: who waits for a place among them waits for no more than that.</summary>
    public const long MostStripe = 64 << 20;

    /// <summary>What a run still brings, in bytes, when it has to give its place to one that somebody waits for: more than is on its way to the disk.</summary>
    public const long Farewell = 1 << 20;

    /// <summary>The unit in which a blob is fetched of which only what is read is kept, in bytes. Lazy readers ask for less than that, again and again.</summary>
    public const long Piece = 64 << 10;

    /// <summary>How far ahead of its reader such a blob is fetched, in bytes: an open-ended range whose client leaves early costs no more than that.</summary>
    public const long ReadAhead = 4 << 20;

    // No blob is as large, and from there on nothing overflows.
    private const long MostOffset = 1L << 60;

    /// <summary>Where a response that has all bytes has to stop until the whole is verified.</summary>
    /// <remarks>Of a small blob a half: its first bytes go on as they come, too.</remarks>
    public static long HoldFrom(long size) => size - Math.Min(HeldTail, (size + 1) / 2);

    /// <summary>What one of several runs is asked for, by what a run has brought: about a second's worth.</summary>
    /// <param name="bytes">Bytes that it brought.</param>
    /// <param name="time">The time that took.</param>
    public static long StripeOf(long bytes, TimeSpan time) =>
        time <= TimeSpan.Zero ? MostStripe : (long)Math.Clamp(bytes / time.TotalSeconds, LeastStripe, MostStripe);

    /// <summary>Whether a blob is worth several runs: the one that it has would take long for what is left, and is not fast.</summary>
    /// <param name="left">Bytes that are left.</param>
    /// <param name="bytes">Bytes that the run brought lately.</param>
    /// <param name="time">The time that took.</param>
    public static bool IsSlow(long left, long bytes, TimeSpan time) =>
        bytes < FastEnough * time.TotalSeconds && left * time.TotalSeconds > bytes;

    /// <summary>What the first run of a blob of unknown size asks for.</summary>
    /// <param name="first">What the first reader wants; <see langword="null"/> for all of it.</param>
    /// <param name="mostRuns">Most runs at once.</param>
    /// <param name="fill">Whether all of it is wanted in the end.</param>
    /// <returns>The first byte, and the first byte no longer wanted; <see langword="null"/> for all the rest.</returns>
    public static (long From, long? To) First(RangeRequest? first, int mostRuns, FillMode fill)
    {
        var from = Math.Min(first?.First ?? 0, MostOffset);
        if (fill is FillMode.Touched && first is { } range)
        {
            var to = Math.Min(range.Last ?? long.MaxValue, from + ReadAhead - 1) + 1;
            return (from / Piece * Piece, (to + Piece - 1) / Piece * Piece);
        }

        return (from, mostRuns > 1 && (first is not null || fill is FillMode.Touched) ? from + FirstStripe : null);
    }

    /// <summary>Where the next run begins and how much it is asked for.</summary>
    /// <returns><see langword="null"/> if no run is to begin now.</returns>
    public static NextRun? Next(FetchView view)
    {
        if (view.Runs.Count >= view.MostRuns) return null;

        // Runs' claims count as there: nobody asks for a byte that is on its way.
        var claimed = new Extents(view.Arrived);
        foreach (var run in view.Runs) claimed.Add(run);

        var waiting = view.Waiting.Where(reader => !IsComing(view, reader.From)).ToList();
        if (waiting.Count > 0) return new NextRun(WaitedFor(view, claimed, waiting), IsWaitedFor: true);
        if (view.Fill is FillMode.Touched) return null;

        if (!view.IsShared && view.Runs.Count > 0) return null;
        if ((claimed.FirstGap(view.Near, view.Size) ?? claimed.FirstGap(0, view.Size)) is not { } gap) return null;
        return new NextRun(gap with { To = Math.Min(gap.To, gap.From + Stripe(view, claimed)) }, IsWaitedFor: false);
    }

    /// <summary>Whether a byte that a reader waits for has arrived, or is about to by a run that is near it.</summary>
    public static bool IsComing(FetchView view, long offset)
    {
        if (view.Arrived.EndFrom(offset) > offset) return true;
        foreach (var run in view.Runs)
            if (Brings(run, offset)) return true;
        return false;
    }

    /// <summary>Whether a run that still brings <paramref name="run"/> is near enough to a byte to be waited for.</summary>
    public static bool Brings(ByteSpan run, long offset) => run.From <= offset && offset < run.To && offset - run.From <= Patience;

    /// <summary>What to do with bytes that an upstream offers.</summary>
    /// <param name="asked">Where the upstream was asked to begin.</param>
    /// <param name="size">The whole blob's size as it was announced before; <see langword="null"/> if it was not.</param>
    /// <param name="validator">What the earlier bytes came with; <see langword="null"/> if nothing.</param>
    /// <param name="offered">What the upstream offers now.</param>
    public static Continuation Continue(long asked, long? size, string? validator, UpstreamBlob offered)
    {
        if (offered.Offset == 0 && asked > 0) return Continuation.Compare;
        if (offered.Offset != asked) return Continuation.AskFromStart;

        var changed = offered.Size < asked
            || (size, offered.Size) is ({ } was, { } now) && was != now
            || (validator, offered.Validator) is ({ } before, { } after) && before != after;
        return !changed ? Continuation.Append : asked == 0 ? Continuation.Compare : Continuation.AskFromStart;
    }

    // Who has waited longest comes first, so that nobody waits for more than the runs of those before him.
    private static ByteSpan WaitedFor(FetchView view, Extents claimed, List<ByteSpan> waiting)
    {
        var (from, wanted) = (waiting[0].From, waiting[0].To);

        // What lies in a run's claim, but far ahead of it, is taken from that one.
        var end = claimed.FirstGap(from, view.Size) is { } gap && gap.From == from ? gap.To : view.Size;
        foreach (var run in view.Runs)
        {
            if (run.From <= from && from < run.To) end = run.To;
            else if (run.From > from) end = Math.Min(end, run.From);
        }

        if (view.Arrived.FirstGap(from, view.Size) is { } missing) end = Math.Min(end, missing.To);
        if (view.Fill is FillMode.Touched)
        {
            var start = Math.Max(from / Piece * Piece, claimed.EndFrom(from) > from ? from : claimed.GapStart(from));
            wanted = Math.Min(wanted, from + ReadAhead);
            return new ByteSpan(start, Math.Min(end, (wanted + Piece - 1) / Piece * Piece));
        }

        var length = Stripe(view, claimed);
        if (waiting.Count > 1) length = Math.Min(length, Math.Max(wanted - from, LeastStripe));
        return new ByteSpan(from, Math.Min(end, from + length));
    }

    // Shares that get smaller towards the end, so that all runs end at about the same time.
    private static long Stripe(FetchView view, Extents claimed) =>
        view.MostRuns == 1 || view.Size < ParallelFrom ? view.Size
        : !view.IsShared ? MostStripe
        : Math.Clamp((view.Size - claimed.Total) / (2 * view.MostRuns), LeastStripe, view.Stripe);
}

/// <summary>What a fetch knows when it decides about its next run. Immutable, valid as long as what it points to is not changed.</summary>
/// <param name="Size">Bytes of the whole blob.</param>
/// <param name="Arrived">What has arrived.</param>
/// <param name="Runs">What each active run still brings.</param>
/// <param name="Waiting">For each reader that waits, where it waits and where it ends; who has waited longest comes first.</param>
/// <param name="Near">Where the foremost reader is: the rest is filled from there on.</param>
/// <param name="MostRuns">Most runs at once; at least 1.</param>
/// <param name="Stripe">Most that one of several runs is asked for, in bytes.</param>
/// <param name="IsShared">Whether several runs fill it; otherwise one does, and others run only where somebody waits.</param>
/// <param name="Fill">Whether all of it is wanted, or only what is waited for.</param>
public sealed record FetchView(
    long Size, Extents Arrived, IReadOnlyList<ByteSpan> Runs, IReadOnlyList<ByteSpan> Waiting, long Near, int MostRuns, long Stripe, bool IsShared,
    FillMode Fill);

/// <summary>A run that is to begin.</summary>
/// <param name="Span">What it is asked for.</param>
/// <param name="IsWaitedFor">Whether somebody waits for it now.</param>
public readonly record struct NextRun(ByteSpan Span, bool IsWaitedFor);

/// <summary>How bytes that an upstream offers join those that have arrived.</summary>
public enum Continuation
{
    /// <summary>They are what was asked for.</summary>
    Append,

    /// <summary>They begin at 0: compared with those that have arrived, and kept where there are none.</summary>
    Compare,

    /// <summary>They may be of another blob, or lie somewhere else: not used; the upstream is asked for all from 0.</summary>
    AskFromStart,
}
