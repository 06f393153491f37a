using System.Diagnostics;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>What fills a <see cref="Fetch"/>: it begins runs where the plan wants them and judges how they end, until the blob is whole, right and durable.</summary>
/// <remarks>
/// Used once, by one task, which alone begins and ends runs; each run is a task of its own (see <see cref="FetchRun"/>).
/// Faults of the upstream and of the store end here, as values.
/// </remarks>
internal sealed class FetchFill(Fetch fetch, IUpstream upstream, IBlobStore store, TimeProvider clock)
{
    // Tries in a row that brought nothing new; the upstream has its own tries inside each of them.
    private const int FutileTries = 5;
    private const int FutileBytes = 64 << 10;

    // An upstream whose bytes keep changing is given up rather than followed for ever.
    private const int MaxGenerations = 4;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);

    // A lazy reader comes again soon: opening and describing what rests costs more than keeping it open for so long.
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(2);

    private readonly Dictionary<Task<RunEnd>, ActiveRun> _active = [];
    private readonly FetchTarget _target = new(fetch, store);
    private Task? _pause;
    private Task? _look;            // when the one run is looked at
    private long _lookFrom;         // since when that is waited for
    private (long At, long Arrived)? _seen;   // when it was first
    private bool _isShared;
    private int _mostRuns = fetch.Rules.ParallelRuns;
    private long _stripe = FetchPlan.FirstStripe;
    private int _futile;
    private TimeSpan _told;
    private bool _fromStart;   // the next run compares all
    private bool _rebegun;
    private bool _isKept;

    /// <summary>Told when there is something of an earlier fetch to go on with.</summary>
    public required Action Resumed { get; init; }

    /// <summary>How often all bytes were there and wrong.</summary>
    public int VerifyFailures { get; private set; }

    /// <summary>Fetches the blob, unless it is in the store by now.</summary>
    /// <param name="cancel">Ends the fetch; only the owner of all fetches does that. What has arrived rests then.</param>
    public async Task<FetchEnd> RunAsync(CancellationToken cancel)
    {
        try
        {
            // A fetch that ended between the request's miss and this one's start has left the table, and its blob is here.
            if (await store.OpenAsync(fetch.Leader.Digest, cancel) is { } stored)
            {
                await stored.DisposeAsync();
                return Ended(null);
            }

            return await FillAndKeepAsync(cancel);
        }
        catch (OperationCanceledException)
        {
            return Ended(RegistryError.Down(FetchEnd.Stopping)) with { IsStopped = true };
        }
        catch (NobodyReadsException)
        {
            return Ended(RegistryError.Down("the blob is not kept, and nobody reads it any longer")) with { IsDeserted = true };
        }
        catch (UnannouncedException fault)
        {
            return Ended(RegistryError.BadGateway(fault.Message));
        }
        catch (Exception fault)   // Every failure reaches the followers; none is lost in this task.
        {
            return Ended(RegistryError.StoreFault(fault.Message)) with { StoreFailed = true, Fault = fault };
        }
    }

    private FetchEnd Ended(RegistryError? error) => new(fetch.Leader, fetch.Size, fetch.Arrived, error) { IsKept = _isKept };

    private async Task<FetchEnd> FillAndKeepAsync(CancellationToken cancel)
    {
        RegistryError? error;
        var isRight = false;
        try
        {
            if (await _target.OpenAsync(cancel) is { } noRoom) return Ended(noRoom) with { StoreFailed = true };
            if (_target.Partial.Left is not null) Resumed();
            error = await FillAsync(cancel);
            isRight = error is null && fetch.IsComplete && !fetch.IsResting;
        }
        finally
        {
            await EndRunsAsync();

            // Whatever ended it: what has arrived is gone on with by the next one.
            _isKept = _target.CanRest && !isRight && await _target.Partial.RestAsync(CancellationToken.None);
        }

        if (error is not null) return Ended(error);
        if (!isRight) return Ended(null) with { Rested = true };

        // Whoever ends all fetches waits for this one: most of it has been flushed by now, and fetching all again would take longer.
        fetch.Verify();
        if (!fetch.IsPassing) await _target.Partial.CommitAsync(CancellationToken.None);
        return Ended(null);
    }

    // Returns null when all bytes are there and right, or when nobody wants more of them.
    private async Task<RegistryError?> FillAsync(CancellationToken cancel)
    {
        if (fetch.Size is null && IsSizeFirst && await LearnSizeAsync(cancel) is { } unknown) return unknown;
        while (true)
        {
            if (fetch.IsComplete && _active.Count == 0)
            {
                if (await _target.Partial.VerifyAsync(cancel)) return null;

                // Bytes spoilt on the way are worth one more look; bytes that are wrong at the upstream are not, unless it has another address.
                VerifyFailures++;
                if ((!_target.Spoil() && _rebegun) || fetch.IsPassing) return WrongBytes();
                _rebegun = _fromStart = true;
            }

            var asked = fetch.AskedAsync();
            if (fetch.TryLeave()) return null;
            BeginRuns(cancel);
            if (_active.Count == 0 && _pause is null && !await LingerAsync(asked, cancel)) return null;

            LookLater(cancel);
            await Task.WhenAny([.. _active.Keys, asked, .. OrNone(_pause), .. OrNone(_look)]).WaitAsync(cancel);
            if (_pause is { IsCompleted: true }) _pause = null;
            if (_look is { IsCompleted: true }) LookNow();
            cancel.ThrowIfCancellationRequested();
            foreach (var (task, one) in _active.Where(run => run.Key.IsCompleted).ToList())
            {
                // One that ended beside another one that has made an end of all is not judged any more.
                if (_active.ContainsKey(task) && await EndAsync(task, one, cancel) is { } error) return error;
            }
        }
    }

    // The last bytes are to be asked for by their place; and what may lie behind the end is not asked for with all of the blob where only what is read is kept.
    private bool IsSizeFirst => fetch.First is { First: null } || (fetch.Rules.Fill is FillMode.Touched && fetch.First is { First: > 0 });

    private RegistryError WrongBytes() => RegistryError.BadGateway($"the bytes received are not those of {fetch.Leader.Digest}");

    private async Task<RegistryError?> LearnSizeAsync(CancellationToken cancel)
    {
        if (!(await upstream.HeadBlobAsync(fetch.Leader, cancel)).Has(out var info, out var error)) return error;
        await _target.ConfirmAsync(info.Size, null, cancel);
        return null;
    }

    private void BeginRuns(CancellationToken cancel)
    {
        if (_pause is not null || IsComparing) return;
        if (_fromStart)
        {
            if (_active.Count == 0) Begin(fetch.Begin(0, null), compares: true, cancel);
            _fromStart = false;
            return;
        }

        if (fetch.Size is null)
        {
            if (_active.Count > 0) return;
            var (from, to) = FetchPlan.First(fetch.First, _mostRuns, fetch.Rules.Fill);
            Begin(fetch.Begin(fetch.Arrived > 0 ? fetch.Arrived : from, fetch.Arrived > 0 ? null : to), compares: false, cancel);
            return;
        }

        while (fetch.BeginNext(_mostRuns, _stripe) is { } run) Begin(run, compares: false, cancel);
    }

    // Also before its answer has come: a run beside it would take from it what it is about to ask for, and a part of the blob says nothing of the rest.
    private bool IsComparing => _active.Values.Any(one => one.Compares);

    private static Task[] OrNone(Task? task) => task is null ? [] : [task];

    // One run fills a blob, as plainly as a client would ask for it, unless that turns out to be slow.
    private void LookLater(CancellationToken cancel)
    {
        if (_isShared || _look is not null || _mostRuns == 1 || fetch.IsPassing || fetch.Rules.Fill is FillMode.Touched) return;
        if (fetch.Size >= FetchPlan.ParallelFrom) (_look, _lookFrom) = (Task.Delay(FetchPlan.Look, clock, cancel), clock.GetTimestamp());
    }

    private void LookNow()
    {
        _look = null;
        var (now, arrived) = (clock.GetTimestamp(), fetch.Arrived);
        if (fetch.Followers > FetchPlan.Crowd || clock.GetElapsedTime(_lookFrom, now) > FetchPlan.Look * 1.2 || IsComparing || _active.Values.Any(one => one.Run.IsHeldUp))
        {
            // It is this side that is slow: it serves many, comes late, compares, or does not take what has come. More connections would not change that.
            foreach (var one in _active.Values) one.Run.IsHeldUp = false;
            _seen = null;
            return;
        }

        if (_seen is { } seen && clock.GetElapsedTime(seen.At, now) is var time && FetchPlan.IsSlow(fetch.Size!.Value - arrived, arrived - seen.Arrived, time))
        {
            _stripe = FetchPlan.StripeOf(arrived - seen.Arrived, time);
            _isShared = fetch.TryShare(_stripe);
        }

        // The first bytes come late, and say nothing about how fast the others come.
        if (_active.Values.Any(one => one.Run.Position > one.Run.From)) _seen ??= (now, arrived);
    }

    private void Begin(Run run, bool compares, CancellationToken cancel)
    {
        var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var running = Task.Run(() => new FetchRun(fetch, run, _target, upstream).RunAsync(compares, stop.Token), CancellationToken.None);
        _active.Add(running, new ActiveRun(run, stop, clock.GetTimestamp(), compares));
    }

    // Whether to go on: somebody wants more, or may come to.
    private async Task<bool> LingerAsync(Task asked, CancellationToken cancel)
    {
        Debug.Assert(fetch.Rules.Fill is FillMode.Touched || fetch.IsComplete, "what is to be complete always has a run or a pause");
        if (fetch.Followers > 0) return true;
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var linger = Task.Delay(Linger, clock, ended.Token);
        var first = await Task.WhenAny(asked, linger);
        await ended.CancelAsync();
        cancel.ThrowIfCancellationRequested();
        return first == asked || !fetch.TryRest();
    }

    // Returns why the whole fetch is to end, if it is.
    private async Task<RegistryError?> EndAsync(Task<RunEnd> task, ActiveRun one, CancellationToken cancel)
    {
        var end = await RemoveAsync(task, one);
        var brought = one.Run.Position - one.Run.From;
        switch (end.Outcome)
        {
            case RunOutcome.Done:
                (_futile, _told) = (0, TimeSpan.Zero);
                if (brought >= FetchPlan.LeastStripe) _stripe = FetchPlan.StripeOf(brought, clock.GetElapsedTime(one.Began));
                return null;
            case RunOutcome.Refused when _active.Count > 0:
                _mostRuns = _active.Count;   // it takes no more of them, and those that it took go on
                fetch.GiveBack();
                return null;
            case RunOutcome.Refused when !end.Error!.IsOutage || !fetch.IsConfirmed:
                return end.Error;
            case RunOutcome.FromStart:
                await EndRunsAsync();
                _fromStart = true;
                break;
        }

        if (brought >= FutileBytes) (_futile, _told) = (0, TimeSpan.Zero);
        if (_pause is not null && end.Outcome is not RunOutcome.FromStart) return null;   // several that fall together are one setback
        if (++_futile >= FutileTries || _target.Generations > MaxGenerations || PauseAfter(end.Error) is not { } pause)
            return end.Error ?? RegistryError.BadGateway("the blob ends before its announced size, however often it is asked for");
        if (end.Outcome is not RunOutcome.FromStart) _pause = Task.Delay(pause, clock, cancel);
        return null;
    }

    // Returns null if the upstream wants to be left alone for longer than it is waited for.
    private TimeSpan? PauseAfter(RegistryError? error)
    {
        var pause = FirstPause * (1 << (_futile - 1));
        if (error?.RetryAfter is not { } told || told <= pause) return pause;

        _told += told;
        return _told <= fetch.Rules.StallTimeout ? told : null;
    }

    private async Task EndRunsAsync()
    {
        foreach (var one in _active.Values) await one.Stop.CancelAsync();
        foreach (var (task, one) in _active.ToList())
        {
            try
            {
                await RemoveAsync(task, one);
            }
            catch (Exception)   // What ends the fetch is told already; a run that was stopped has nothing to add.
            {
                Debug.Assert(task.IsCompleted);
            }
        }
    }

    private async Task<RunEnd> RemoveAsync(Task<RunEnd> task, ActiveRun one)
    {
        _active.Remove(task);
        try
        {
            return await task;
        }
        finally
        {
            fetch.Remove(one.Run);
            one.Stop.Dispose();
        }
    }

    private sealed record ActiveRun(Run Run, CancellationTokenSource Stop, long Began, bool Compares);
}
