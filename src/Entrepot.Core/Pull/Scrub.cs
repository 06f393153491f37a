using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Hashes what is stored again, one blob after the other: one disk operation and one processor at most. Safe for concurrent use.</summary>
/// <remarks>
/// One that is wrong is dropped. One that the disk does not give stays, since a disk that fails may be well again; but one that it did not give to a client
/// either (<see cref="Doubt"/>), while it takes and gives others, is dropped too: whoever pulls it next is served.
/// Disposed before the store, when nothing doubts any more.
/// </remarks>
/// <param name="store">What is hashed.</param>
/// <param name="index">What is in it.</param>
/// <param name="unreadable">Told of a blob that the disk does not give, which stays; must return at once.</param>
public sealed class Scrub(IBlobStore store, ICacheIndex index, Action<Digest, Exception> unreadable) : IAsyncDisposable
{
    private const int MostDoubts = 1024;

    // A few bad sectors cost a few blobs. A disk that has more of them is about to go, or only seems so: what it has is left to it.
    private const int MostLost = 16;

    private readonly Lock _gate = new();
    private readonly HashSet<Digest> _doubts = [];        // waiting or being looked at; guarded by _gate, like the next
    private Task _doubting = Task.CompletedTask;
    private readonly CancellationTokenSource _stop = new();
    private long _wrong;
    private int _lost;   // changed by the one check that runs
    private int _isRunning;

    /// <summary>Blobs that were found wrong, since the start.</summary>
    public long Failures => Interlocked.Read(ref _wrong);

    /// <summary>Finds out whether the disk takes and gives anything; may wait for it.</summary>
    public Func<bool> DiskWorks { get; init; } = () => false;

    /// <summary>Told of a blob that has been dropped, by a scrub that restores or as one in doubt; the next blob is looked at when it completes.</summary>
    public Func<Digest, CancellationToken, Task> Dropped { get; init; } = (_, _) => Task.CompletedTask;

    /// <summary>Begins with all, as fast as it can be done, unless one is running: one at a time is what hits can bear.</summary>
    /// <param name="cancel">Ends it early.</param>
    /// <returns><see langword="null"/> if one is running.</returns>
    public ScrubRun? TryStart(CancellationToken cancel) => TryStart(ScrubWay.AtOnce, cancel);

    /// <summary>A blob could not be read when it was to be served: it is looked at soon.</summary>
    public void Doubt(Digest digest)
    {
        lock (_gate)
        {
            if (_stop.IsCancellationRequested || _doubts.Count == MostDoubts || !_doubts.Add(digest)) return;
            _doubting = CheckAsync(_doubting, digest);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Task doubting;
        lock (_gate)
        {
            _stop.Cancel();
            doubting = _doubting;
        }

        await doubting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    /// <summary>Begins, unless one is running.</summary>
    internal ScrubRun? TryStart(ScrubWay way, CancellationToken cancel)
    {
        if (Interlocked.Exchange(ref _isRunning, 1) == 1) return null;
        var run = new ScrubRun();
        run.Ended = Task.Run(() => RunAsync(run, way, cancel), CancellationToken.None);
        return run;
    }

    private async Task RunAsync(ScrubRun run, ScrubWay way, CancellationToken cancel)
    {
        try
        {
            // Listed once: hashing takes hours, in which the index moves its rows, and what is moved while it is listed can come twice.
            var sizes = new Dictionary<Digest, long>();
            foreach (var (digest, record) in index.Blobs())
                if (way.Comes(digest) && sizes.TryAdd(digest, record.Size)) run.Expect(record.Size);
            List<Digest> digests = [.. sizes.Keys];
            if (way.IsInOrder) digests.Sort(Digest.Compare);
            foreach (var digest in digests)
            {
                var isRight = await TryVerifyAsync(digest, run, way, cancel);
                if (isRight is false) Interlocked.Increment(ref _wrong);
                run.Looked(digest, isRight is false);
                if (isRight is false && way.Restores) await Dropped(digest, cancel);
            }
        }
        finally
        {
            Volatile.Write(ref _isRunning, 0);
        }
    }

    // Null if nothing can be said: it has gone, or the disk does not give it, which is counted.
    private async Task<bool?> TryVerifyAsync(Digest digest, ScrubRun run, ScrubWay way, CancellationToken cancel)
    {
        try
        {
            return await store.VerifyAsync(digest, HashedAsync, cancel);
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
        {
            run.Unread();
            unreadable(digest, fault);
            return null;
        }

        ValueTask HashedAsync(int bytes)
        {
            run.Hashed(bytes);
            return way.Pause(bytes, cancel);
        }
    }

    private async Task CheckAsync(Task before, Digest digest)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        try
        {
            if (!await IsDroppedAsync(digest)) return;
            Interlocked.Increment(ref _wrong);
            await Dropped(digest, _stop.Token);
        }
        catch (OperationCanceledException)
        {
            // It is looked at again when it is served again.
        }
        finally
        {
            lock (_gate) _doubts.Remove(digest);
        }
    }

    private async Task<bool> IsDroppedAsync(Digest digest)
    {
        try
        {
            return await store.VerifyAsync(digest, _ => default, _stop.Token) is false;
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
        {
            unreadable(digest, fault);
        }

        try
        {
            return _lost < MostLost && DiskWorks() && store.Drop(digest) && ++_lost > 0;
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
        {
            unreadable(digest, fault);
            return false;
        }
    }
}

/// <summary>A scrub that runs, or has ended. Safe for concurrent use.</summary>
public sealed class ScrubRun
{
    private readonly Lock _gate = new();
    private readonly List<Digest> _wrong = [];   // guarded by _gate
    private ScrubProgress _progress;             // guarded by _gate
    private Digest? _last;                       // guarded by _gate

    internal ScrubRun() { }

    /// <summary>The blob that was looked at last; <see langword="null"/> if none was.</summary>
    internal Digest? Last { get { lock (_gate) return _last; } }

    /// <summary>Ends with it; it fails as the store or the index does, and is cancelled when it was ended early.</summary>
    public Task Ended { get; internal set; } = Task.CompletedTask;

    /// <summary>How far it is.</summary>
    public ScrubProgress Progress { get { lock (_gate) return _progress; } }

    /// <summary>Blobs that were found wrong and have been removed, but for the first <paramref name="after"/>.</summary>
    public IReadOnlyList<Digest> Wrong(int after)
    {
        lock (_gate) return _wrong[after..];
    }

    internal void Expect(long size) => Move(progress => progress with { TotalBlobs = progress.TotalBlobs + 1, TotalBytes = progress.TotalBytes + size });

    internal void Hashed(long bytes) => Move(progress => progress with { Bytes = progress.Bytes + bytes });

    internal void Unread() => Move(progress => progress with { Unreadable = progress.Unreadable + 1 });

    internal void Looked(Digest digest, bool isWrong)
    {
        lock (_gate) _last = digest;
        Move(progress => progress with { Blobs = progress.Blobs + 1 });
        if (!isWrong) return;
        lock (_gate) _wrong.Add(digest);
    }

    private void Move(Func<ScrubProgress, ScrubProgress> step)
    {
        lock (_gate) _progress = step(_progress);
    }
}

/// <summary>How far a scrub is. An immutable value.</summary>
/// <param name="Blobs">Blobs looked at.</param>
/// <param name="TotalBlobs">Blobs there were when it began.</param>
/// <param name="Bytes">Bytes hashed.</param>
/// <param name="TotalBytes">Bytes there were when it began.</param>
/// <param name="Unreadable">Of the blobs looked at, those that the disk did not give: nobody knows whether they are right.</param>
public readonly record struct ScrubProgress(long Blobs, long TotalBlobs, long Bytes, long TotalBytes, long Unreadable);
