using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>Gives verified blobs their names once their bytes are durable (invariant 1): many small ones together, large ones each for itself.</summary>
/// <remarks>
/// <para>Safe for concurrent use. No thread of the pool waits for the disk here: a large blob has a thread for its flush, and all small ones have one together, which comes
/// with work and leaves when there has been none for a while, so nobody has to end it. It takes all that wait, has the disk begin with them before it waits for the
/// first, and flushes each directory once. So a flush takes longer for one blob and less for each of many.</para>
/// <para>Measured for files of 10 KB on ext4, each: flushing them one after the other 170 to 650 µs, with writing begun for all before 80 to 260 µs, syncfs 100 to 135 µs; a rename
/// and a flush of its directory 250 to 300 µs, one flush for all 40 to 90 µs. syncfs gains nothing beyond that, and would wait for all large blobs that arrive meanwhile.</para>
/// <para>A blob that cannot be flushed or named fails for itself, and only a directory that cannot be flushed fails all that were named in it, who lose those names.</para>
/// </remarks>
/// <param name="root">Where the names are.</param>
/// <param name="index">What is remembered of them.</param>
/// <param name="space">The room that they take.</param>
/// <param name="clock">The time.</param>
/// <param name="named">Told of a partial blob whose file has its blob's name.</param>
#pragma warning disable CA1001   // The queue's semaphores hold nothing that the collector does not free.
internal sealed class Commits(StoreRoot root, ICacheIndex index, DiskSpace space, TimeProvider clock, Action<DiskPartial> named)
#pragma warning restore CA1001
{
    /// <summary>Most bytes of a blob that waits for others, and has them wait for it.</summary>
    public const long SmallBytes = 1 << 20;

    // Of one group: what comes meanwhile is the next one.
    private const int MostTogether = 128;

    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<Digest, bool> _naming = new();   // those whose files get their names now, which may not be durable yet
    private readonly BlockingCollection<Commit> _small = new(new ConcurrentQueue<Commit>());
    private readonly Lock _gate = new();
    private bool _isServed;   // whether there is a thread for small ones; guarded by _gate
    private int _groups;

    /// <summary>Whether the blob's name may be there without being durable.</summary>
    public bool IsNaming(Digest digest) => _naming.ContainsKey(digest);

    /// <summary>Small blobs that wait; for tests.</summary>
    public int Waiting => _small.Count;

    /// <summary>Groups of small blobs that were begun; for tests.</summary>
    public int Groups => Volatile.Read(ref _groups);

    /// <summary>Makes a verified blob durable, then visible.</summary>
    /// <param name="partial">Its bytes; stays open until this completes.</param>
    /// <param name="digest">Its name.</param>
    /// <param name="size">Its size in bytes.</param>
    /// <param name="reserved">Bytes on disk that were set aside for it.</param>
    /// <exception cref="IOException">The disk refused; what has a name all the same is no longer the partial blob's (see <see cref="DiskPartial.IsPublished"/>).</exception>
    public Task CommitAsync(DiskPartial partial, Digest digest, long size, long reserved)
    {
        var commit = new Commit(partial, digest, size, reserved);
        if (size > SmallBytes)
        {
            Begin(() => Make([commit]));
            return commit.Task;
        }

        lock (_gate)
        {
            _small.Add(commit);
            if (!_isServed) Begin(Serve);
            _isServed = true;
        }

        return commit.Task;
    }

    private static void Begin(ThreadStart work) => new Thread(work) { IsBackground = true, Name = "commits" }.Start();

    private void Serve()
    {
        while (true)
        {
            if (!_small.TryTake(out var first, Linger))
            {
                lock (_gate)
                {
                    // Something may have come just now, counting on this thread.
                    if (_small.Count > 0) continue;
                    _isServed = false;
                    return;
                }
            }

            var group = new List<Commit> { first };
            while (group.Count < MostTogether && _small.TryTake(out var more)) group.Add(more);
            Interlocked.Increment(ref _groups);
            Make(group);
        }
    }

    private void Make(List<Commit> group)
    {
        if (group.Count > 1)
        {
            foreach (var one in group) Posix.BeginWriting(one.Partial.File);
        }

        foreach (var one in group) one.Try(() => root.Files.Flush(one.Partial.File));
        foreach (var one in group) one.Try(() => Name(one));
        foreach (var folder in group.Where(one => one.Fault is null).GroupBy(one => one.Folder))
        {
            var first = folder.First();
            first.Try(() => root.Files.FlushDirectory(folder.Key));
            if (first.Fault is null) continue;
            foreach (var one in folder)
            {
                one.Fault = first.Fault;
                TakeBack(one);
            }
        }

        foreach (var one in group)
        {
            one.Try(() => Remember(one));
            _naming.TryRemove(one.Digest, out _);
            one.End();
        }
    }

    private void Name(Commit one)
    {
        one.Folder = root.EnsureFolder(one.Digest);
        one.StoredAt = clock.GetUtcNow();   // before anybody can see it: who removes it then has seen it later
        _naming.TryAdd(one.Digest, true);

        // It takes its room from here on, whatever else fails.
        lock (space.NameOf(one.Digest))
        {
            root.Files.Rename(one.Partial.Path, root.BlobPath(one.Digest));
            one.Partial.IsPublished = true;
            space.Admit(one.Digest, one.Size, one.Reserved);
        }

        named(one.Partial);
    }

    // A name that a crash may forget is none, and who found it later could not tell.
    private void TakeBack(Commit one)
    {
        lock (space.NameOf(one.Digest))
        {
            if (!space.Contains(one.Digest)) return;   // it had to leave already
            try
            {
                index.RemoveBlob(one.Digest);
                root.Delete(one.Digest, isResting: false);
                space.Remove(one.Digest);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                // It stays, with its room, and is hashed before it is opened.
            }
        }
    }

    private void Remember(Commit one)
    {
        lock (space.NameOf(one.Digest))
        {
            // It may have had to leave already.
            if (space.Contains(one.Digest))
                index.AddBlob(one.Digest, new BlobRecord(one.Size, File.GetLastWriteTimeUtc(root.BlobPath(one.Digest)), one.StoredAt));
        }
    }

    // Of its thread alone, once it was taken.
    private sealed class Commit(DiskPartial partial, Digest digest, long size, long reserved)
        : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public DiskPartial Partial => partial;
        public Digest Digest => digest;
        public long Size => size;
        public long Reserved => reserved;
        public string Folder { get; set; } = "";
        public DateTimeOffset StoredAt { get; set; }
        public Exception? Fault { get; set; }

        public void Try(Action step)
        {
            if (Fault is not null) return;
            try
            {
                step();
            }
            catch (Exception fault)   // whoever waits is told
            {
                Fault = fault;
            }
        }

        public void End()
        {
            if (Fault is null) SetResult();
            else SetException(Fault);
        }
    }
}
