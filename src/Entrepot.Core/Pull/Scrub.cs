using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Hashes everything that is stored again, one blob after the other: one disk operation and one processor at most. Safe for concurrent use.</summary>
/// <param name="store">What is hashed.</param>
/// <param name="index">What is in it.</param>
/// <param name="unreadable">Told of a blob that the disk does not give, which stays; must return at once.</param>
public sealed class Scrub(IBlobStore store, ICacheIndex index, Action<Digest, Exception> unreadable)
{
    private long _wrong;
    private int _isRunning;

    /// <summary>Blobs that were found wrong, since the start.</summary>
    public long Failures => Interlocked.Read(ref _wrong);

    /// <summary>Begins, unless one is running: one at a time is what hits can bear.</summary>
    /// <param name="cancel">Ends it early.</param>
    /// <returns><see langword="null"/> if one is running.</returns>
    public ScrubRun? TryStart(CancellationToken cancel)
    {
        if (Interlocked.Exchange(ref _isRunning, 1) == 1) return null;
        var run = new ScrubRun();
        run.Ended = Task.Run(() => RunAsync(run, cancel), CancellationToken.None);
        return run;
    }

    private async Task RunAsync(ScrubRun run, CancellationToken cancel)
    {
        try
        {
            // Listed once: hashing takes hours, in which the index moves its rows, and what is moved while it is listed can come twice.
            var digests = new HashSet<Digest>();
            foreach (var (digest, record) in index.Blobs())
                if (digests.Add(digest)) run.Expect(record.Size);
            foreach (var digest in digests)
            {
                var isRight = await TryVerifyAsync(digest, run, cancel);
                if (isRight is false) Interlocked.Increment(ref _wrong);
                run.Looked(digest, isRight is false);
            }
        }
        finally
        {
            Volatile.Write(ref _isRunning, 0);
        }
    }

    // Null if nothing can be said: it has gone, or the disk does not give it, which is counted.
    private async Task<bool?> TryVerifyAsync(Digest digest, ScrubRun run, CancellationToken cancel)
    {
        try
        {
            return await store.VerifyAsync(digest, run.Hashed, cancel);
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
        {
            run.Unread();
            unreadable(digest, fault);
            return null;
        }
    }
}

/// <summary>A scrub that runs, or has ended. Safe for concurrent use.</summary>
public sealed class ScrubRun
{
    private readonly Lock _gate = new();
    private readonly List<Digest> _wrong = [];   // guarded by _gate
    private ScrubProgress _progress;             // guarded by _gate

    internal ScrubRun() { }

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
