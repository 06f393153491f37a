using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>What a fetch knows of its bytes: which have arrived, which runs bring more, who reads where.</summary>
/// <remarks>Not safe for concurrent use; its fetch holds a lock. No waits, no effects but on what it holds.</remarks>
internal sealed class Arrival(FetchRules rules, RangeRequest? first, TimeProvider clock)
{
    private readonly HashSet<FollowedBlob> _followers = [];
    private readonly List<Run> _runs = [];
    private readonly Pace _pace = new(clock);
    private long _waits;   // counts waits, to tell who has waited longest
    private bool _hasBegun;
    private bool _isShared;
    private long _untold;   // bytes that have arrived since those who wait were last told

    /// <summary>Bytes of the whole; <see langword="null"/> until that is known.</summary>
    public long? Size { get; set; }

    /// <summary>What followers may read.</summary>
    public Extents Arrived { get; } = new();

    /// <summary>Bytes a second that came in the last seconds.</summary>
    public long PerSecond => _pace.PerSecond;

    /// <summary>Runs that are active.</summary>
    public int Runs => _runs.Count;

    /// <summary>Who reads.</summary>
    public int Followers => _followers.Count;

    /// <summary>Bytes that have arrived or are in a run's claim.</summary>
    public long Claimed => Arrived.Total + _runs.Sum(run => Math.Min(run.End, Size ?? run.End) - run.Position);

    /// <summary>Whether somebody reads all of it.</summary>
    public bool WantsAll => _followers.Any(one => one.HoldTail);

    /// <summary>Adds a reader.</summary>
    public void Follow(FollowedBlob follower) => _followers.Add(follower);

    /// <summary>A reader has left: what it alone wanted is not waited for any longer.</summary>
    /// <returns>Whether it had not left before.</returns>
    public bool Unfollow(FollowedBlob follower)
    {
        if (!_followers.Remove(follower)) return false;
        foreach (var run in _runs) run.Demand.IsWanted = IsWanted(run);
        return true;
    }

    /// <summary>A reader waits at its offset.</summary>
    /// <returns>Whether some run has to begin for it: none is about to bring its bytes.</returns>
    public bool Waits(FollowedBlob follower)
    {
        if (follower.WaitsSince == 0) follower.WaitsSince = ++_waits;
        if (Arrived.EndFrom(follower.Offset) > follower.Offset) return false;   // they are there, and wait for verification
        foreach (var run in _runs)
        {
            if (!FetchPlan.Brings(new ByteSpan(run.Position, run.End), follower.Offset)) continue;
            run.Demand.IsWanted = true;
            return false;
        }

        return true;
    }

    /// <summary>Begins the run that the plan wants now, if any, and takes from another what lies in its claim.</summary>
    public Run? BeginNext(long size, int mostRuns, long stripe)
    {
        // Whoever reads all of a blob of which only what is read is kept reads it like any other.
        var fill = rules.Fill is FillMode.Touched && WantsAll ? FillMode.Complete : rules.Fill;
        var waiting = _followers.Where(one => one.WaitsSince > 0).OrderBy(one => one.WaitsSince).Select(one => new ByteSpan(one.Offset, one.To)).ToList();

        // Whoever came first is about to wait: all runs would be filling something else by then.
        if (!_hasBegun && waiting.Count == 0 && first is { } wanted && wanted.TryResolve(size, out var span)) waiting.Add(span);
        var near = _followers.Count > 0 ? _followers.Min(one => one.Offset) : 0;
        var claims = _runs.ConvertAll(run => new ByteSpan(run.Position, Math.Min(run.End, size)));
        var view = new FetchView(size, Arrived, claims, waiting, near, mostRuns, stripe, _isShared, fill);
        if (FetchPlan.Next(view) is not { } next)
        {
            if (_runs.Count >= mostRuns) MakePlace(waiting.Count(reader => !FetchPlan.IsComing(view, reader.From)), size);
            return null;
        }

        foreach (var run in _runs.Where(run => run.Position < next.Span.From && next.Span.From < run.End)) run.End = next.Span.From;
        return Begin(next.Span, next.IsWaitedFor);
    }

    /// <summary>From here on several runs fill it: what those that are active have claimed far ahead is for others to bring.</summary>
    public bool Share(long stripe)
    {
        foreach (var run in _runs) run.End = Math.Min(run.End, run.Position + Math.Max(stripe, FetchPlan.LeastStripe));
        return _isShared = true;
    }

    /// <summary>A run brings nothing: whose claims were cut go on as far as they asked, up to what is there or is another one's.</summary>
    public void GiveBack()
    {
        foreach (var run in _runs.Where(run => run.End > run.Position))
        {
            var others = _runs.Where(other => other.Position > run.Position && other.End > other.Position).Select(other => other.Position);
            var free = others.Append(run.Asked).Min();
            run.End = Math.Max(run.End, Arrived.FirstGap(run.Position, free)?.To ?? free);
        }
    }

    /// <summary>Begins a run.</summary>
    public Run Begin(ByteSpan span, bool isWanted)
    {
        var run = new Run(span, isWanted);
        _runs.Add(run);
        _hasBegun = true;
        return run;
    }

    /// <summary>A run has ended.</summary>
    public void End(Run run) => _runs.Remove(run);

    /// <summary>How many of the bytes that a run brings next are its to keep.</summary>
    public int Claim(Run run, int count) => (int)Math.Clamp(Math.Min(run.End, Size ?? long.MaxValue) - run.Position, 0, count);

    /// <summary>Bytes of a run are there, and it goes on behind them.</summary>
    /// <returns>Whether to tell those who wait. Many of them are woken in large steps, as long as more is at hand.</returns>
    public bool Add(Run run, int count, bool hasMore)
    {
        Arrived.Add(new ByteSpan(run.Position, run.Position + count));
        run.Position += count;
        _pace.Add(count);
        _untold += count;
        if (hasMore && _untold < FetchPlan.CrowdStep && Followers > FetchPlan.Crowd && Arrived.Total != Size) return false;
        _untold = 0;
        return true;
    }

    /// <summary>Nothing counts as arrived but what is before <paramref name="confirmed"/>, of <paramref name="size"/> bytes in all; the one run that is active goes on there.</summary>
    public void Restart(long confirmed, long? size)
    {
        Size = size;
        Arrived.Clear();
        Arrived.Add(new ByteSpan(0, confirmed));
        foreach (var run in _runs) (run.Position, run.End) = (confirmed, long.MaxValue);
    }

    // Runs that nobody waits for end soon where somebody waits for a place. Not at once: bytes may be on their way to the disk.
    private void MakePlace(int places, long size)
    {
        places -= _runs.Count(run => Math.Min(run.End, size) - run.Position <= FetchPlan.Farewell);
        var others = _runs.Where(run => !run.Demand.IsWanted && Math.Min(run.End, size) - run.Position > 2 * FetchPlan.Farewell);
        foreach (var run in others.OrderByDescending(run => run.Position).Take(Math.Max(0, places)).ToList()) run.End = run.Position + FetchPlan.Farewell;
    }

    private bool IsWanted(Run run) => _followers.Any(one =>
        one.To > run.Position && one.Offset < run.End && one.Offset >= run.From - FetchPlan.Patience && one.Offset <= run.Position + FetchPlan.Patience);
}
