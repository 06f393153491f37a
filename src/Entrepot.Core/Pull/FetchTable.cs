using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>The fetches now running, at most one for a digest (invariant 3). Safe for concurrent use.</summary>
/// <remarks>The table owns its fetches: a request that happened to come first may go away, the fetch goes on. They end when it is disposed.</remarks>
public sealed class FetchTable : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Digest, Entry> _running = [];   // guarded by _gate
    private readonly CancellationTokenSource _stop = new();
    private readonly IBlobStore _store;
    private readonly TimeProvider _clock;
    private readonly Turnstile _places;
    private readonly int _most;
    private bool _stopped;   // guarded by _gate
    private long _wrong;

    /// <summary>An empty table.</summary>
    /// <param name="store">Where blobs are kept.</param>
    /// <param name="clock">The time.</param>
    /// <param name="most">Most fetches that run at once; more wait, in the order in which they came.</param>
    public FetchTable(IBlobStore store, TimeProvider clock, int most) => (_store, _clock, _most, _places) = (store, clock, most, new Turnstile(most));

    /// <summary>Most fetches that wait; further ones fail at once.</summary>
    /// <value>1 or more. Default 4096.</value>
    public int Waiting { get; init; } = 4096;

    /// <summary>Fetches now running or waiting to.</summary>
    public int Count { get { lock (_gate) return _running.Count; } }

    /// <summary>How each of them is now, in no order.</summary>
    public IReadOnlyList<FetchState> States { get { lock (_gate) return [.. _running.Values.Select(one => new FetchState(one.Fetch, one.IsWaiting))]; } }

    /// <summary>How often fetched bytes were not what their digest names, since the start.</summary>
    public long VerifyFailures => Interlocked.Read(ref _wrong);

    /// <summary>Told of each fetch that goes on with what an earlier one has left, before it asks for the rest; must return at once.</summary>
    public Action<Fetch>? Resumed { get; init; }

    /// <summary>Told of each fetch's end, with what went wrong or <see langword="null"/>; must return at once.</summary>
    public Action<FetchEnd>? Ended { get; init; }

    /// <summary>The fetch that runs for a digest, if one does.</summary>
    public Fetch? Find(Digest digest)
    {
        lock (_gate) return _running.TryGetValue(digest, out var one) ? one.Fetch : null;
    }

    /// <summary>Joins the running fetch of a digest, or starts one. One that is one too many has failed already.</summary>
    /// <param name="reference">The blob.</param>
    /// <param name="range">What is wanted of it first; <see langword="null"/> for all.</param>
    /// <param name="upstream">Where it comes from, if it has to be started.</param>
    /// <returns>The fetch, and whether this call started it.</returns>
    /// <exception cref="ObjectDisposedException">The process is ending.</exception>
    public (Fetch Fetch, bool Started) Join(Reference reference, RangeRequest? range, IUpstream upstream)
    {
        lock (_gate)
        {
            if (_running.TryGetValue(reference.Digest, out var one)) return (one.Fetch, false);
            ObjectDisposedException.ThrowIf(_stopped, this);

            var fetch = new Fetch(reference, range, upstream.Fetching, _clock);
            if (_running.Count - _most >= Waiting)
            {
                // It is not in the table, so that whoever asks again is not told what was true now.
                fetch.Fail(RegistryError.Busy($"{_running.Count} blobs are being fetched or wait for it"), FollowKind.Failed);
                return (fetch, true);
            }

            var entry = new Entry(fetch);
            _running.Add(reference.Digest, entry);
            entry.Run = Task.Run(() => RunAsync(entry, upstream));
            return (fetch, true);
        }
    }

    /// <summary>Ends all fetches and waits until they have ended. What had arrived rests, and none can begin any more.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] runs;
        lock (_gate)
        {
            _stopped = true;
            runs = [.. _running.Values.Select(one => one.Run)];
        }

        await _stop.CancelAsync();
        await Task.WhenAll(runs);
        _stop.Dispose();
    }

    private async Task RunAsync(Entry entry, IUpstream upstream)
    {
        var fetch = entry.Fetch;
        var fill = new FetchFill(fetch, upstream, _store, _clock) { Resumed = () => Resumed?.Invoke(fetch) };
        FetchEnd end;
        try
        {
            using var place = await _places.EnterAsync(Demand.Always, _stop.Token);
            lock (_gate) entry.IsWaiting = false;
            end = await fill.RunAsync(_stop.Token);
        }
        catch (OperationCanceledException)
        {
            end = new FetchEnd(fetch.Leader, null, 0, RegistryError.Down(FetchEnd.Stopping)) { IsStopped = true };
        }

        Interlocked.Add(ref _wrong, fill.VerifyFailures);

        // Out of the table first: whoever sees the fetch end and tries again must start a new one, or find the blob in the store.
        lock (_gate) _running.Remove(fetch.Leader.Digest);
        if (end.Rested) fetch.Rest();
        else if (end.Error is null || fetch.IsVerified) fetch.End(end.Error);
        else fetch.Fail(end.Error, end.StoreFailed ? FollowKind.StoreFailed : end.IsDeserted ? FollowKind.Rested : FollowKind.Failed);
        await fetch.LeaveAsync();
        Ended?.Invoke(end);
    }

    private sealed class Entry(Fetch fetch)
    {
        public Fetch Fetch => fetch;

        public Task Run { get; set; } = Task.CompletedTask;

        public bool IsWaiting { get; set; } = true;
    }
}
