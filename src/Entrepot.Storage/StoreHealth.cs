using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>What is wrong with a store.</summary>
public enum StorageFault
{
    /// <summary>The file system has no room, or less than it is to keep free, and eviction cannot help.</summary>
    Full,

    /// <summary>The file system does not take writes.</summary>
    ReadOnly,

    /// <summary>Files or directories under the root are not this process's to use.</summary>
    Permission,

    /// <summary>The process, or the system, has no descriptor left for one more file.</summary>
    Descriptors,

    /// <summary>Anything else: the device fails, directories are gone.</summary>
    Io,
}

/// <summary>How a store fails. An immutable value.</summary>
/// <param name="Fault">What is wrong, as it was found last.</param>
/// <param name="Why">How that was said, one line.</param>
/// <param name="Since">When it began.</param>
/// <param name="IsReadable">Whether the last probe could read: what is stored can be served then.</param>
public sealed record StoreCondition(StorageFault Fault, string Why, DateTimeOffset Since, bool IsReadable);

/// <summary>Knows whether the store fails: it is told of faults as they are met, and finds out itself, now and then, whether there still are any.</summary>
/// <remarks>
/// <para>Safe for concurrent use. It decides nothing for pulls: each of them tries the store and passes by it where that fails, so that caching goes on with the first blob
/// after the fault. What this knows is for people, metrics and load balancers.</para>
/// <para>A probe does what keeping a blob takes: it makes something in each directory of the root, writes, flushes and renames a file, and reads. The store is well again when a probe
/// succeeds and nothing was met for as long as lies between two of them: so a fault that no probe meets, such as one bad sector, is told of too, and ends.</para>
/// </remarks>
public sealed class StoreHealth
{
    /// <summary>Between two probes of a store that fails: an operator sees soon that his mending helped, and a dying disk is not kept busy.</summary>
    public static readonly TimeSpan ProbeEvery = TimeSpan.FromSeconds(1);

    /// <summary>Between two probes of one that is well: a fault shows before the next pull meets it.</summary>
    public static readonly TimeSpan ProbeWellEvery = TimeSpan.FromSeconds(10);

    /// <summary>The number of the error that no descriptor is left: EMFILE.</summary>
    public const int NoDescriptors = 24;

    private const string ProbeName = ".probe";

    private readonly Lock _probing = new();   // held by a probe: two would take away each other's files
    private readonly Lock _gate = new();
    private readonly long[] _met = new long[Enum.GetValues<StorageFault>().Length];   // guarded by _gate, like all below
    private readonly StoreRoot _root;
    private readonly DiskSpace _space;
    private readonly TimeProvider _clock;
    private StoreCondition? _now;
    private DateTimeOffset _metAt;
    private TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Takes the store for well until it is told otherwise.</summary>
    public StoreHealth(StoreRoot root, DiskSpace space, TimeProvider clock) => (_root, _space, _clock) = (root, space, clock);

    /// <summary>Told when a fault begins, or turns out to be another one; must return at once.</summary>
    public Action<StoreCondition>? Began { get; init; }

    /// <summary>Told when the store is well again, and how long it was not; must return at once.</summary>
    public Action<TimeSpan>? Ended { get; init; }

    /// <summary>How it fails; <see langword="null"/> if it does not.</summary>
    public StoreCondition? Now { get { lock (_gate) return _now; } }

    /// <summary>How often a fault was met, since the start.</summary>
    public long Met(StorageFault fault)
    {
        lock (_gate) return _met[(int)fault];
    }

    /// <summary>Something was tried, and the store refused. That a quota has no room is no fault.</summary>
    public void Report(Exception fault)
    {
        if (fault is NoRoomException or FetchFailedException) return;
        Report(KindOf(fault), fault.Message, isReadable: null);
    }

    /// <summary>Probes again and again.</summary>
    /// <param name="cancel">Ends it.</param>
    public async Task RunAsync(CancellationToken cancel)
    {
        while (true)
        {
            await Task.Run(Probe, cancel);
            Task told;
            bool isWell;
            lock (_gate) (told, isWell) = (_told.Task, _now is null);
            if (isWell) await Task.WhenAny(told, Task.Delay(ProbeWellEvery, _clock, cancel)).WaitAsync(cancel);
            else await Task.Delay(ProbeEvery, _clock, cancel);
        }
    }

    /// <summary>Finds out how the store is now.</summary>
    /// <returns>Whether it takes and gives what it is asked to.</returns>
    public bool Probe()
    {
        lock (_probing) return ProbeLocked();
    }

    /// <summary>What kind of fault an exception tells of.</summary>
    internal static StorageFault KindOf(Exception fault) => (fault as IOException ?? fault.InnerException as IOException)?.HResult switch
    {
        _ when fault is UnauthorizedAccessException => StorageFault.Permission,
        1 or 13 => StorageFault.Permission,      // EPERM, EACCES
        28 or 122 => StorageFault.Full,          // ENOSPC, EDQUOT
        30 => StorageFault.ReadOnly,             // EROFS
        23 or NoDescriptors => StorageFault.Descriptors,    // ENFILE, EMFILE
        _ => fault.InnerException is IOException or UnauthorizedAccessException ? KindOf(fault.InnerException) : StorageFault.Io,
    };

    private bool ProbeLocked()
    {
        var isReadable = TryRead();
        long missing;
        try
        {
            TryKeep();
            missing = _space.MissingSpace();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Report(KindOf(fault), fault.Message, isReadable);
            return false;
        }

        if (missing > 0)
        {
            Report(StorageFault.Full, $"the file system lacks {missing} bytes of what storage.minFree wants kept free, and emptying the cache is not enough", isReadable);
            return false;
        }

        if (!isReadable) Report(StorageFault.Io, "what is stored cannot be read", isReadable);
        else Recover();
        return isReadable;
    }

    private void Report(StorageFault kind, string why, bool? isReadable)
    {
        StoreCondition? begun = null;
        lock (_gate)
        {
            _met[(int)kind]++;
            _metAt = _clock.GetUtcNow();
            if (_now?.Fault != kind) begun = new StoreCondition(kind, why, _now?.Since ?? _metAt, isReadable ?? _now?.IsReadable ?? true);
            _now = begun ?? _now! with { IsReadable = isReadable ?? _now.IsReadable };
            _told.TrySetResult();
        }

        if (begun is not null) Began?.Invoke(begun);
    }

    private void Recover()
    {
        TimeSpan lasted;
        lock (_gate)
        {
            if (_now is not { } was || _clock.GetUtcNow() - _metAt < ProbeEvery) return;
            lasted = _clock.GetUtcNow() - was.Since;
            _now = null;
            _told = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        Ended?.Invoke(lasted);
    }

    // Every directory, since each can be lost alone. One that is missing is made anew: what was in it is gone, but what comes can be kept.
    private void TryKeep()
    {
        foreach (var folder in _root.Folders)
        {
            var probe = Path.Combine(folder, ProbeName);
            Directory.CreateDirectory(probe);
            Directory.Delete(probe);
        }

        var path = Path.Combine(_root.Partial, ProbeName);
        var named = path + "d";
        try
        {
            using var file = _root.Files.Open(path, FileMode.Create, FileAccess.ReadWrite);
            _root.Files.Write(file, new byte[Quota.BlockSize], 0);
            _root.Files.Flush(file);
            _root.Files.Rename(path, named);
            _root.Files.FlushDirectory(_root.Partial);
        }
        finally
        {
            File.Delete(path);
            File.Delete(named);
        }

        using var log = File.Exists(_root.Log) ? _root.Files.Open(_root.Log, FileMode.Open, FileAccess.ReadWrite) : null;
    }

    private bool TryRead()
    {
        try
        {
            using var file = _root.Files.Open(_root.Format);
            return _root.Files.Read(file, new byte[16], 0) > 0;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
