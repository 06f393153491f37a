using System.Diagnostics;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>One blob on its way from an upstream: runs that write, any number of followers that read.</summary>
/// <remarks>
/// <para>Safe for concurrent use. All state, that of its runs and followers too, is under one lock that is never held across a wait; each change wakes all
/// who wait. Only its <see cref="FetchFill"/> begins and ends runs and ends the fetch; each run alone adds to what has arrived in its claim.</para>
/// <para>A follower that runs out of bytes of a failed fetch gets the failure, never a short blob.</para>
/// <para>When the upstream's bytes turn out to have changed, a new <em>generation</em> begins, with a partial blob of its own. Followers that have read
/// past the first difference are failed; the others go on in the new one, whose bytes before the difference are the same.</para>
/// </remarks>
public sealed partial class Fetch
{
    private readonly Lock _gate = new();
    private readonly Arrival _arrival;                          // guarded by _gate, like all below
    private readonly List<IPartialBlob> _generations = [];
    private readonly List<long> _differences = [];              // [g]: where generation g+1 first differs from g
    private readonly Signal _moved = new();                     // something has changed for those who follow or want to
    private readonly Signal _asked = new();                     // there may be something to decide for the fill
    private bool _isAsked;
    private Phase _phase = Phase.Arriving;
    private RegistryError? _error;
    private FollowKind? _end;                                   // what is told to whoever comes after it; null while it goes on
    private bool _passing;
    private bool _oneRun;                                       // the upstream has no ranges
    private bool _comparing;                                    // one run compares all, and no other may begin
    private bool _confirmed;                                    // the upstream has answered, so what is there is not all there will be
    private Relay? _relay;
    private Extents _left = new();                              // what an earlier fetch has left
    private int _asking;                                        // those who wait to follow
    private (int Ever, bool IsAbandoned) _joined;               // how many ever waited to follow, and whether the only one left for good
    private bool _wasAsked;
    private bool _running = true;                               // the fill has not left yet

    internal Fetch(Reference leader, RangeRequest? first, FetchRules rules, TimeProvider clock) =>
        (Leader, First, Rules, _arrival) = (leader, first, rules, new Arrival(rules, first, clock));

    private enum Phase { Arriving, Verified, Resting, Rested, Ended, Failed }

    /// <summary>The reference whose upstream and repository the bytes come from: that of the request which came first.</summary>
    public Reference Leader { get; }

    /// <summary>The whole blob's size in bytes; <see langword="null"/> until it is known.</summary>
    public long? Size { get { lock (_gate) return _arrival.Size; } }

    /// <summary>What other caches said of the first answer, known when <see cref="Size"/> is; <see langword="null"/> if none did.</summary>
    public Relay? Relay { get { lock (_gate) return _relay; } }

    /// <summary>Bytes that have arrived, wherever they are.</summary>
    public long Arrived { get { lock (_gate) return _arrival.Arrived.Total; } }

    /// <summary>Bytes a second that arrived in the last seconds.</summary>
    public long Rate { get { lock (_gate) return _arrival.PerSecond; } }

    /// <summary>Whether all bytes are there and right, be they durable yet or not.</summary>
    public bool IsVerified { get { lock (_gate) return _phase is Phase.Verified or Phase.Ended; } }

    /// <summary>Whether its bytes are not kept: they pass through a window, and only readers of the whole can follow.</summary>
    public bool IsPassing { get { lock (_gate) return _passing; } }

    /// <summary>Followers now reading.</summary>
    public int Followers { get { lock (_gate) return _arrival.Followers; } }

    /// <summary>Upstream requests that fill it now.</summary>
    public int Runs { get { lock (_gate) return _arrival.Runs; } }

    /// <summary>What the first reader wants; <see langword="null"/> for all of it.</summary>
    internal RangeRequest? First { get; }

    /// <summary>How it is to be filled.</summary>
    public FetchRules Rules { get; }

    /// <summary>Whether bytes were there before the upstream was asked for anything.</summary>
    internal bool HadLeft(ByteSpan span) { lock (_gate) return _left.Covers(span); }

    /// <summary>Whether all of it has arrived.</summary>
    internal bool IsComplete { get { lock (_gate) return _arrival.Arrived.Total == _arrival.Size; } }

    /// <summary>Whether the upstream has answered, so that followers may have begun.</summary>
    internal bool IsConfirmed { get { lock (_gate) return _confirmed; } }

    /// <summary>Whether a follower reads all of it.</summary>
    internal bool WantsAll { get { lock (_gate) return _arrival.WantsAll; } }

    /// <summary>Bytes that have arrived or are about to.</summary>
    internal long Claimed { get { lock (_gate) return _arrival.Claimed; } }

    /// <summary>Waits until what a range asks for can be followed, or the fetch has ended, and joins it.</summary>
    /// <param name="range">The bytes wanted; <see langword="null"/> for all of them. One that the blob does not have is followed with nothing to read.</param>
    /// <param name="cancel">Ends this wait. The fetch goes on: it is not the follower's to stop.</param>
    public async Task<FollowResult> FollowAsync(RangeRequest? range, CancellationToken cancel)
    {
        lock (_gate) (_asking, _joined, _wasAsked) = (_asking + 1, (_joined.Ever + 1, false), true);
        FollowedBlob? joined = null;   // until it is the caller's
        try
        {
            var result = await JoinAsync(range, blob => joined = blob, cancel);
            if (result.Kind is FollowKind.Following) joined = null;
            return result;
        }
        finally
        {
            PassingPartial? passing;
            lock (_gate) passing = --_asking == 0 ? _generations.LastOrDefault() as PassingPartial : null;
            passing?.Abandon();
            if (joined is not null) await joined.DisposeAsync();
        }
    }

    /// <summary>Waits until bytes at <paramref name="offset"/> may be given to a follower.</summary>
    /// <param name="follower">Who asks.</param>
    /// <param name="offset">The first byte that it wants and does not have.</param>
    /// <param name="cancel">Ends this wait.</param>
    /// <returns>The first byte that may not be read yet, and a reader of the present generation if the follower's is of another one.</returns>
    /// <exception cref="FetchFailedException">There will be no more, or what was given before was of other bytes.</exception>
    internal async ValueTask<(long End, Blob? Reopened)> PastAsync(FollowedBlob follower, long offset, CancellationToken cancel)
    {
        while (true)
        {
            Task moved;
            lock (_gate)
            {
                follower.Offset = offset;

                // What has arrived is as good as before, unless it is all there is: then that is what failed.
                var isWrong = _phase is Phase.Failed && _arrival.Arrived.Total == _arrival.Size;
                if (!isWrong && ReadableLocked(follower) is { } end)
                {
                    follower.WaitsSince = 0;
                    var current = _generations.Count - 1;
                    if (current == follower.Generation) return (end, null);
                    follower.Generation = current;
                    return (end, _generations[current].OpenReader(follower.Size));
                }

                if (_phase is Phase.Failed) throw new FetchFailedException(_error!);
                if (_arrival.Waits(follower)) AskLocked();
                moved = _moved.Next;
            }

            await moved.WaitAsync(cancel);
        }
    }

    /// <summary>A follower is done.</summary>
    internal ValueTask UnfollowAsync(FollowedBlob follower)
    {
        lock (_gate)
        {
            if (!_arrival.Unfollow(follower) || _arrival.Followers > 0) return default;
            AskLocked();
            if (_running) return default;
        }

        return CloseAsync();
    }

    /// <summary>The fill is done, and has ended the fetch.</summary>
    internal ValueTask LeaveAsync()
    {
        lock (_gate)
        {
            Debug.Assert(_phase is Phase.Rested or Phase.Ended or Phase.Failed && _arrival.Runs == 0);
            _running = false;
            if (_arrival.Followers > 0) return default;
        }

        return CloseAsync();
    }

    /// <summary>Begins the first generation, with what an earlier fetch has left in it.</summary>
    internal void Begin(IPartialBlob partial)
    {
        lock (_gate)
        {
            _generations.Add(partial);
            if (partial.Left is not { } left) return;
            _arrival.Size = left.Size;
            foreach (var span in left.Written.Spans) _arrival.Arrived.Add(span);
            _left = new Extents(left.Written);
        }

        _moved.Raise();
    }

    /// <summary>The blob will not be kept. Called before its size is announced, so that nobody follows yet.</summary>
    /// <returns>What was begun to keep it in, which nobody has read; the caller disposes it.</returns>
    internal IPartialBlob? Pass(PassingPartial partial)
    {
        lock (_gate)
        {
            if (_wasAsked && _asking == 0) partial.Abandon();
            Debug.Assert(_arrival.Size is null && _generations.Count <= 1);
            (_passing, var begun) = (true, _generations.FirstOrDefault());
            _generations.Clear();
            _generations.Add(partial);
            return begun;
        }
    }

    /// <summary>The upstream has answered, and tells the size, if it does.</summary>
    internal void Confirm(long? size, Relay? relay)
    {
        lock (_gate)
        {
            _arrival.Size ??= size;
            _relay ??= relay;
            _confirmed = true;
            AskLocked();
        }

        _moved.Raise();
    }

    /// <summary>Begins the run that the plan wants now, if any.</summary>
    /// <param name="mostRuns">Most runs at once.</param>
    /// <param name="stripe">Most that one of several is asked for, in bytes.</param>
    internal Run? BeginNext(int mostRuns, long stripe)
    {
        lock (_gate)
        {
            if (_arrival.Size is not { } size || _comparing) return null;
            if (!_passing) return _arrival.BeginNext(size, _oneRun ? 1 : mostRuns, stripe);
            return _arrival.Runs > 0 ? null : _arrival.Begin(new ByteSpan(_arrival.Arrived.EndFrom(0), size), isWanted: true);
        }
    }

    /// <summary>From here on several runs fill it, and those that are active go on for a stripe; not while one compares all.</summary>
    internal bool TryShare(long stripe) { lock (_gate) return !_comparing && _arrival.Share(stripe); }

    /// <summary>Begins a run that no plan is needed for: the first one, and one that compares all.</summary>
    internal Run Begin(long from, long? to) { lock (_gate) return _arrival.Begin(new ByteSpan(from, to ?? long.MaxValue), isWanted: true); }

    /// <summary>How many of the bytes that a run brings next are its to keep. Others are another one's, or behind the end.</summary>
    internal int Claim(Run run, int count) { lock (_gate) return _arrival.Claim(run, count); }

    /// <summary>The upstream sends a blob as a whole only: one run at a time, and one that begins now gets all that follows.</summary>
    internal void HasNoRanges(Run run)
    {
        lock (_gate)
        {
            _oneRun = true;
            if (run.From == 0 && _arrival is { Runs: 1, Arrived.Total: 0 }) run.End = long.MaxValue;
            if (_arrival.Runs == 1) return;
            run.End = run.Position;
            _arrival.GiveBack();
        }
    }

    /// <summary>A run brings nothing: those whose claims it cut go on.</summary>
    internal void GiveBack() { lock (_gate) _arrival.GiveBack(); }

    /// <summary>Bytes of a run are there, and it goes on behind them. Where many follow they are told in large steps, as long as more is at hand.</summary>
    internal void Add(Run run, int count, bool hasMore)
    {
        lock (_gate) if (!_arrival.Add(run, count, hasMore)) return;
        _moved.Raise();
    }

    /// <summary>A run has ended.</summary>
    internal void Remove(Run run)
    {
        lock (_gate)
        {
            _arrival.End(run);
            _comparing &= _arrival.Runs > 0;
            AskLocked();
        }

        _moved.Raise();   // for what its last bytes have not told
    }

    /// <summary>Ends when there may be something to decide: somebody waits for what no run brings, a run has ended, the last follower has left.</summary>
    internal Task AskedAsync() { lock (_gate) return Interlocked.Exchange(ref _isAsked, false) ? Task.CompletedTask : _asked.Next; }

    /// <summary>From here on one run compares all from the start; nobody reads on before his bytes are confirmed.</summary>
    /// <returns><see langword="false"/>, with nothing changed, if that run is not the only one.</returns>
    internal bool TryCompare()
    {
        lock (_gate)
        {
            if (_arrival.Runs > 1) return false;
            _comparing = true;
            _arrival.Restart(0, _arrival.Size);
            return true;
        }
    }

    /// <summary>A new generation, whose bytes before <paramref name="difference"/> (-1: none) are those of the last one.</summary>
    internal void Diverge(IPartialBlob partial, long difference, long? size)
    {
        lock (_gate)
        {
            _generations.Add(partial);
            _differences.Add(difference);
            _arrival.Restart(Math.Max(0, difference), size);
        }

        _moved.Raise();
    }

    /// <summary>All bytes are there and right.</summary>
    internal void Verify() => Become(Phase.Verified);

    /// <summary>What has arrived rests, unless somebody reads it or wants to. Until <see cref="Rest"/>, whoever comes waits for that.</summary>
    internal bool TryRest() { lock (_gate) return TryRestLocked(); }

    /// <summary>What has arrived rests; the next fetch goes on with it.</summary>
    internal void Rest() => Become(Phase.Rested, FollowKind.Rested);

    /// <summary>The blob can be opened in the store; or, if its store failed, it is complete for those who follow it and kept no longer.</summary>
    internal void End(RegistryError? storeFault) => Become(Phase.Ended, storeFault is null ? FollowKind.Stored : FollowKind.StoreFailed, storeFault);

    /// <summary>There will be no more bytes.</summary>
    /// <param name="error">Why, as followers are told.</param>
    /// <param name="kind">What it means for whoever comes now and has followed nothing of it.</param>
    internal void Fail(RegistryError error, FollowKind kind) => Become(Phase.Failed, kind, error);

    private async Task<FollowResult> JoinAsync(RangeRequest? range, Action<FollowedBlob> joined, CancellationToken cancel)
    {
        FollowedBlob? blob = null;
        while (true)
        {
            Task moved;
            lock (_gate)
            {
                if (_end is { } kind) return new FollowResult(kind, Error: _error);

                // An empty blob has no last bytes that could wait for verification, so its headers do.
                if (_arrival.Size is { } size && (size > 0 || _phase is Phase.Verified) && _phase is not Phase.Resting)
                {
                    if (blob is null)
                    {
                        joined(blob = new FollowedBlob(this, _generations[^1].OpenReader(size), size, range) { Generation = _generations.Count - 1 });
                        _arrival.Follow(blob);
                        AskLocked();
                    }

                    // Before anybody was told it, the size has turned out to be another one.
                    if (blob.Size != size) return new FollowResult(FollowKind.Rested);
                    var isThere = _arrival.Arrived.Covers(new ByteSpan(blob.From, blob.To));
                    if (isThere || _confirmed) return new FollowResult(FollowKind.Following, blob, IsThere: isThere);
                    blob.Offset = _arrival.Arrived.EndFrom(blob.From);   // what is missing is what it waits for
                    if (_arrival.Waits(blob)) AskLocked();
                }

                moved = _moved.Next;
            }

            await moved.WaitAsync(cancel);
        }
    }

    // Where the bytes end that a follower may have; null if there are none yet.
    private long? ReadableLocked(FollowedBlob follower)
    {
        for (var g = follower.Generation; g < _differences.Count; g++)
        {
            // Without a byte in common even the size may be another one.
            if ((follower.HasRead || _differences[g] < 0) && follower.Offset > _differences[g])
                throw new FetchFailedException(RegistryError.BadGateway("the blob's bytes changed while they were sent"));
        }

        var verified = _phase is Phase.Verified or Phase.Ended;
        var end = verified ? follower.Size : _arrival.Arrived.EndFrom(follower.Offset);
        if (follower.HoldTail && !verified) end = Math.Min(end, FetchPlan.HoldFrom(follower.Size));
        return end > follower.Offset ? end : null;
    }

    private void AskLocked()
    {
        _isAsked = true;
        _asked.Raise();
    }

    private void Become(Phase phase, FollowKind? end = null, RegistryError? error = null)
    {
        lock (_gate)
        {
            Debug.Assert(_phase is not (Phase.Ended or Phase.Failed or Phase.Rested), "a fetch ends once");
            (_phase, _end, _error) = (phase, end, error);
        }

        _moved.Raise();
    }

    // The last user closes the files; nobody is left to add one.
    private async ValueTask CloseAsync()
    {
        foreach (var partial in _generations) await partial.DisposeAsync();
    }
}
