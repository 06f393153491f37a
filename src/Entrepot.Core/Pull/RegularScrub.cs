using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>How often and how fast everything stored is hashed again. An immutable value.</summary>
/// <param name="Every">From one beginning to the next; <see cref="Timeout.InfiniteTimeSpan"/> for never.</param>
/// <param name="BytesPerSecond">Most bytes that are read a second.</param>
public sealed record ScrubRules(TimeSpan Every, double BytesPerSecond);

/// <summary>How far regular scrubs have come, as it outlasts a restart. An immutable value.</summary>
/// <param name="Began">When the last one began; of a store that never had one, when it was first thought of.</param>
/// <param name="After">The blob that it looked at last; <see langword="null"/> if it has looked at none, or has ended.</param>
/// <param name="Ended">When it ended; <see langword="null"/> while it has not.</param>
public sealed record ScrubMark(DateTimeOffset Began, Digest? After, DateTimeOffset? Ended);

/// <summary>How the regular scrub is. An immutable value.</summary>
/// <param name="Mark">How far it has come.</param>
/// <param name="Running">How far the one is that runs now; <see langword="null"/> if none does.</param>
/// <param name="Next">When the next one begins; <see langword="null"/> if one is due or runs, or none is wanted.</param>
public sealed record ScrubState(ScrubMark Mark, ScrubProgress? Running, DateTimeOffset? Next);

/// <summary>Hashes the whole store again, regularly and slowly, so that rot is found before somebody needs what has rotted.</summary>
/// <remarks>
/// <para>Safe for concurrent use; <see cref="RunAsync"/> runs once. It goes through the store in the order of digests and remembers where it is, so that one that a
/// restart interrupts goes on there: at 20 MB/s a terabyte takes 14 hours. A blob that comes meanwhile, behind where it is, was verified as it came.</para>
/// <para>What is wrong is dropped and, as far as a stored image names it, fetched again at once, whether pinned or not: an image that is here whole should be found whole
/// when its upstream is down. A scrub on demand leaves that to the next pull, since whoever asked for it is waiting for its answer.</para>
/// </remarks>
public sealed class RegularScrub
{
    /// <summary>How often it looks whether one is due, and after how long it tries again what could not begin or failed.</summary>
    public static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan SaveEvery = TimeSpan.FromMinutes(1);

    private readonly Scrub _scrub;
    private readonly TimeProvider _clock;
    private readonly Action<ScrubMark> _save;
    private volatile ScrubMark _mark;
    private volatile ScrubRun? _run;
    private volatile ScrubRules _rules;
    private long _due;   // by the clock's timestamps: when the next bytes may be read; its run's alone

    /// <summary>Goes on with what is remembered.</summary>
    /// <param name="scrub">What hashes.</param>
    /// <param name="rules">How often and how fast.</param>
    /// <param name="mark">What was saved last; <see langword="null"/> for a store that never had a scrub: then the first comes after a whole period.</param>
    /// <param name="save">Remembers a mark; may fail as a disk does.</param>
    /// <param name="clock">The time.</param>
    public RegularScrub(Scrub scrub, ScrubRules rules, ScrubMark? mark, Action<ScrubMark> save, TimeProvider clock)
    {
        (_scrub, _rules, _save, _clock) = (scrub, rules, save, clock);
        _mark = mark ?? new ScrubMark(clock.GetUtcNow(), null, clock.GetUtcNow());
    }

    /// <summary>How often and how fast, from now on: a scrub that runs changes its pace with the next bytes, and goes on if none is wanted any more.</summary>
    public ScrubRules Rules { get => _rules; set => _rules = value; }

    /// <summary>How it is.</summary>
    public ScrubState State
    {
        get
        {
            var (mark, run) = (_mark, _run);
            return new ScrubState(mark, run?.Progress, run is null && DueAt(mark) is { } due && due > _clock.GetUtcNow() ? due : null);
        }
    }

    /// <summary>Told when one has ended, with what it did since it began or was gone on with; must return at once.</summary>
    public Action<ScrubProgress, int>? Ended { get; init; }

    /// <summary>Told when the store or the index made it stop, or could not remember how far it is; must return at once.</summary>
    public Action<Exception>? Failed { get; init; }

    /// <summary>Scrubs whenever it is time.</summary>
    /// <param name="cancel">Ends it, at once; where it was is remembered.</param>
    public async Task RunAsync(CancellationToken cancel)
    {
        TrySave(_mark);
        while (true)
        {
            if (DueAt(_mark) is { } due && due <= _clock.GetUtcNow()) await TryScrubAsync(cancel);
            await Task.Delay(LookEvery, _clock, cancel);
        }
    }

    private DateTimeOffset? DueAt(ScrubMark mark) =>
        mark.Ended is null ? mark.Began : _rules.Every == Timeout.InfiniteTimeSpan ? null : mark.Began + _rules.Every;

    private async Task TryScrubAsync(CancellationToken cancel)
    {
        var mark = _mark.Ended is null ? _mark : new ScrubMark(_clock.GetUtcNow(), null, null);
        _due = _clock.GetTimestamp();
        if (_scrub.TryStart(new ScrubWay(IsInOrder: true, mark.After, Restores: true, PauseAsync), cancel) is not { } run) return;   // somebody has begun one on demand
        (_mark, _run) = (mark, run);
        try
        {
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            while (await Task.WhenAny(run.Ended, Task.Delay(SaveEvery, _clock, ended.Token)) != run.Ended) Save(run);
            await ended.CancelAsync();
            await run.Ended;
            TrySave(_mark = mark with { After = null, Ended = _clock.GetUtcNow() });
            Ended?.Invoke(run.Progress, run.Wrong(0).Count);
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
        {
            Failed?.Invoke(fault);
        }
        finally
        {
            if (_mark.Ended is null) Save(run);
            _run = null;
        }
    }

    private void Save(ScrubRun run) => TrySave(_mark = _mark with { After = run.Last ?? _mark.After });

    private void TrySave(ScrubMark mark)
    {
        try
        {
            _save(mark);
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
        {
            Failed?.Invoke(fault);
        }
    }

    // Each piece is paid for after it was read, so that none is followed by another one too soon; time in which nothing was read is not made up for.
    private async ValueTask PauseAsync(int bytes, CancellationToken cancel)
    {
        var now = _clock.GetTimestamp();
        _due = Math.Max(_due, now) + (long)(bytes / _rules.BytesPerSecond * _clock.TimestampFrequency);
        await Task.Delay(_clock.GetElapsedTime(now, _due), _clock, cancel);
    }
}
