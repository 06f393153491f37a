using System.Diagnostics;
using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>One blob on its way from an upstream: one run that writes, any number of followers that read.</summary>
/// <remarks>
/// <para>Safe for concurrent use. All state is under one lock that is never held across a wait; each change wakes all who wait.
/// The run (see <see cref="FetchRun"/>) is the only one to change it, but for the count of followers.</para>
/// <para>The end of a blob and the failure of its fetch are different states: a follower that runs out of bytes of a failed fetch gets the
/// failure, never a short blob.</para>
/// <para>When the upstream's bytes turn out to have changed, a new <em>generation</em> begins, with a partial blob of its own. Followers that have read
/// past the first difference are failed; the others go on in the new one, whose bytes before the difference are the same.</para>
/// </remarks>
public sealed class Fetch
{
    private readonly Lock _gate = new();
    private readonly Extents _arrived = new();                  // guarded by _gate, like all below
    private readonly List<IPartialBlob> _generations = [];
    private readonly List<long> _differences = [];              // [g]: where generation g+1 first differs from g
    private TaskCompletionSource? _moved;                       // made by the first who waits, taken by the next change
    private Phase _phase = Phase.Arriving;
    private RegistryError? _error;
    private bool _storeFailed;
    private bool _passing;
    private long? _size;
    private Relay? _relay;
    private int _followers;
    private int _asking;                                        // those who wait to follow
    private bool _wasAsked;
    private bool _running = true;                               // the run has not left yet

    internal Fetch(Reference leader) => Leader = leader;

    private enum Phase { Arriving, Verified, Ended, Failed }

    /// <summary>The reference whose upstream and repository the bytes come from: that of the request which came first.</summary>
    public Reference Leader { get; }

    /// <summary>The whole blob's size in bytes; <see langword="null"/> until the upstream has told it.</summary>
    public long? Size { get { lock (_gate) return _size; } }

    /// <summary>What other caches said of the first answer, known when <see cref="Size"/> is; <see langword="null"/> if none did.</summary>
    public Relay? Relay { get { lock (_gate) return _relay; } internal set { lock (_gate) _relay = value; } }

    /// <summary>Bytes that have arrived, from the start.</summary>
    public long Arrived { get { lock (_gate) return _arrived.EndFrom(0); } }

    /// <summary>Whether all bytes are there and right, be they durable yet or not.</summary>
    public bool IsVerified { get { lock (_gate) return _phase is Phase.Verified or Phase.Ended; } }

    /// <summary>Whether its bytes are not kept: they pass through a window, and only readers of the whole can follow.</summary>
    public bool IsPassing { get { lock (_gate) return _passing; } }

    /// <summary>Followers now reading.</summary>
    public int Followers { get { lock (_gate) return _followers; } }

    /// <summary>Waits until the size is known, or the fetch has ended, and joins it.</summary>
    /// <param name="cancel">Ends this wait. The fetch goes on: it is not the follower's to stop.</param>
    public async Task<FollowResult> FollowAsync(CancellationToken cancel)
    {
        lock (_gate)
        {
            _asking++;
            _wasAsked = true;
        }

        try
        {
            return await JoinAsync(cancel);
        }
        finally
        {
            PassingPartial? passing;
            lock (_gate) passing = --_asking == 0 ? _generations.LastOrDefault() as PassingPartial : null;
            passing?.Abandon();
        }
    }

    /// <summary>Waits until bytes at <paramref name="offset"/> may be given to a follower.</summary>
    /// <param name="offset">Bytes from the start that the follower has or does not want.</param>
    /// <param name="generation">The generation its reader is of.</param>
    /// <param name="holdTail">Whether the last bytes wait for verification (invariant 5).</param>
    /// <param name="cancel">Ends this wait.</param>
    /// <returns>The first byte that may not be read yet, and a reader of the present generation if that is another one.</returns>
    /// <exception cref="FetchFailedException">There will be no more, or what was given before was of other bytes.</exception>
    internal async ValueTask<(long End, Blob? Reopened, int Generation)> PastAsync(long offset, int generation, bool holdTail, CancellationToken cancel)
    {
        while (true)
        {
            Task moved;
            lock (_gate)
            {
                if (_phase is Phase.Failed) throw new FetchFailedException(_error!);
                for (var g = generation; g < _differences.Count; g++)
                    if (offset > _differences[g]) throw new FetchFailedException(RegistryError.BadGateway("the blob's bytes changed while they were sent"));

                var size = _size!.Value;
                var verified = _phase is not Phase.Arriving;
                var end = verified ? size : _arrived.EndFrom(offset);
                if (holdTail && !verified) end = Math.Min(end, FetchPlan.HoldFrom(size));
                if (end > offset)
                {
                    var current = _generations.Count - 1;
                    return (end, current == generation ? null : _generations[current].OpenReader(size), current);
                }

                moved = (_moved ??= NewSignal()).Task;
            }

            await moved.WaitAsync(cancel);
        }
    }

    /// <summary>A follower is done.</summary>
    internal ValueTask UnfollowAsync()
    {
        lock (_gate)
        {
            Debug.Assert(_followers > 0);
            if (--_followers > 0 || _running) return default;
        }

        return CloseAsync();
    }

    /// <summary>The run is done, after it has ended the fetch in one way or the other.</summary>
    internal ValueTask LeaveAsync()
    {
        lock (_gate)
        {
            Debug.Assert(_phase is Phase.Ended or Phase.Failed);
            _running = false;
            if (_followers > 0) return default;
        }

        return CloseAsync();
    }

    internal void Begin(IPartialBlob partial)
    {
        lock (_gate) _generations.Add(partial);
    }

    /// <summary>The blob will not be kept. Called before its size is announced, so that nobody follows yet.</summary>
    /// <returns>What was begun to keep it in, which nobody has read; the caller disposes it.</returns>
    internal IPartialBlob? Pass(PassingPartial partial)
    {
        lock (_gate)
        {
            if (_wasAsked && _asking == 0) partial.Abandon();
            Debug.Assert(_size is null && _generations.Count <= 1);
            var begun = _generations.FirstOrDefault();
            _passing = true;
            _generations.Clear();
            _generations.Add(partial);
            return begun;
        }
    }

    internal void Announce(long size)
    {
        lock (_gate) _size = size;
        Wake();
    }

    internal void Add(ByteSpan span)
    {
        lock (_gate) _arrived.Add(span);
        Wake();
    }

    /// <summary>All is compared with what comes now: nobody reads on before his bytes are confirmed.</summary>
    internal void Distrust()
    {
        lock (_gate) _arrived.Clear();
    }

    /// <summary>A new generation, whose bytes before <paramref name="difference"/> (-1: none) are those of the last one.</summary>
    internal void Diverge(IPartialBlob partial, long difference, long? size)
    {
        lock (_gate)
        {
            _generations.Add(partial);
            _differences.Add(difference);
            _size = size;
            _arrived.Clear();
            _arrived.Add(new ByteSpan(0, partial.Length));
        }

        Wake();
    }

    /// <summary>All bytes are there and right.</summary>
    internal void Verify() => Become(Phase.Verified);

    /// <summary>The blob can be opened in the store; or, if its store failed, it is complete for those who follow it and kept no longer.</summary>
    internal void End(RegistryError? storeFault)
    {
        lock (_gate) (_error, _storeFailed) = (storeFault, storeFault is not null);
        Become(Phase.Ended);
    }

    /// <summary>There will be no more bytes.</summary>
    internal void Fail(RegistryError error, bool storeFailed)
    {
        lock (_gate) (_error, _storeFailed) = (error, storeFailed);
        Become(Phase.Failed);
    }

    private async Task<FollowResult> JoinAsync(CancellationToken cancel)
    {
        while (true)
        {
            Task moved;
            lock (_gate)
            {
                if (_storeFailed) return new FollowResult(FollowKind.StoreFailed, null, _error);
                if (_phase is Phase.Ended) return new FollowResult(FollowKind.Stored, null, null);
                if (_phase is Phase.Failed) return new FollowResult(FollowKind.Failed, null, _error);

                // An empty blob has no last bytes that could wait for verification, so its headers do.
                if (_size is { } size && (size > 0 || _phase is Phase.Verified))
                {
                    _followers++;
                    var blob = new FollowedBlob(this, _generations[^1].OpenReader(size), _generations.Count - 1, size);
                    return new FollowResult(FollowKind.Following, blob, null);
                }

                moved = (_moved ??= NewSignal()).Task;
            }

            await moved.WaitAsync(cancel);
        }
    }

    private void Become(Phase phase)
    {
        lock (_gate)
        {
            Debug.Assert(_phase is not (Phase.Ended or Phase.Failed), "a fetch ends once");
            _phase = phase;
        }

        Wake();
    }

    private void Wake()
    {
        TaskCompletionSource? moved;
        lock (_gate) (moved, _moved) = (_moved, null);
        moved?.SetResult();
    }

    // The last user closes the files; nobody is left to add one.
    private async ValueTask CloseAsync()
    {
        foreach (var partial in _generations) await partial.DisposeAsync();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>What came of joining a fetch.</summary>
/// <param name="Kind">Which of the others is there.</param>
/// <param name="Blob">The blob to read; the caller disposes it.</param>
/// <param name="Error">Why there is none.</param>
public readonly record struct FollowResult(FollowKind Kind, FollowedBlob? Blob, RegistryError? Error);

/// <summary>How joining a fetch can end.</summary>
public enum FollowKind
{
    /// <summary>There are bytes to follow.</summary>
    Following,

    /// <summary>The fetch has ended; the blob is to be looked up in the store again.</summary>
    Stored,

    /// <summary>The upstream did not give it.</summary>
    Failed,

    /// <summary>The store did not take it; the upstream may well give it.</summary>
    StoreFailed,
}

/// <summary>A fetch failed after it had begun to give bytes: what was given must not be completed cleanly.</summary>
public sealed class FetchFailedException : IOException
{
    /// <summary>A failure for this reason.</summary>
    public FetchFailedException(RegistryError error) : base(error.Detail ?? error.Message) => Error = error;

    /// <summary>Why; it is too late to tell the client.</summary>
    public RegistryError Error { get; }
}
