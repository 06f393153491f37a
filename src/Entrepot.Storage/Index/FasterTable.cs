using FASTER.core;

namespace Entrepot.Storage.Index;

/// <summary>Rows of fixed size by key, in a FASTER store that is wholly in memory, with checkpoints on disk.</summary>
/// <remarks>
/// <para>Safe for concurrent use; growth, compaction and checkpoints run beside everything else, one at a time. Reading and changing allocate
/// nothing and never touch a disk: the log has no device below it. One that has would stop the process's checkpoints for good when the disk is full,
/// and would buy nothing, since the recency order is in memory anyway.</para>
/// <para>An updated row stays where it is, except during a checkpoint and a compaction, when its copy goes to the tail. Removed and copied rows are
/// garbage until the next compaction.</para>
/// <para>A compaction copies what lives and then moves the log's beginning past the old places. Whoever has looked up a row's place just before, and looks
/// there just after, finds it before the beginning, which FASTER takes for absence. So absence counts only if the log's beginning has stayed where it was.</para>
/// </remarks>
internal sealed class FasterTable<TRow, TChange> : IAsyncDisposable
    where TRow : unmanaged
    where TChange : struct, IRowChange<TRow>
{
    private const int RowsInBucket = 4;     // a bucket has room for seven
    private const int PagesAtOnce = 8;      // compacted in one step; what a compaction needs beside the rows

    private readonly RowFunctions<TRow, TChange> _functions = new();
    private readonly CheckpointFiles _files;
    private readonly NullDevice _device = new();
    private readonly FasterKV<RowKey, TRow> _rows;
    private readonly SessionPool<ClientSession<RowKey, TRow, TChange, TRow, Empty, RowFunctions<TRow, TChange>>> _sessions;
    private readonly SemaphoreSlim _maintenance = new(1);
    private readonly long _pageBytes;
    private long _count;
    private int _growing;
    private volatile bool _isChanged;

    /// <summary>An empty table.</summary>
    public FasterTable(string directory, string name, IndexSizes sizes)
    {
        _files = new CheckpointFiles(directory, name);
        _pageBytes = sizes.PageBytes;
        _rows = new FasterKV<RowKey, TRow>(new FasterKVSettings<RowKey, TRow>
        {
            IndexSize = sizes.TableBytes,
            LogDevice = _device,
            ObjectLogDevice = _device,
            PageSize = sizes.PageBytes,
            SegmentSize = sizes.LogBytes,
            MemorySize = sizes.LogBytes,
            MutableFraction = 0.9,
            PreallocateLog = false,
            ReadCacheEnabled = false,
            ReadCopyOptions = ReadCopyOptions.None,
            EqualityComparer = new RowKeyComparer(),
            ConcurrencyControlMode = ConcurrencyControlMode.RecordIsolation,
            CheckpointManager = _files,
            RemoveOutdatedCheckpoints = false,
            TryRecoverLatest = false,
        });

        // Without an empty page FASTER keeps every page that the log has ever reached.
        _rows.Log.EmptyPageCount = 1;
        _sessions = new(sizes.Sessions, () => _rows.For(_functions).NewSession<RowFunctions<TRow, TChange>>());
    }

    /// <summary>Rows.</summary>
    public long Count => Interlocked.Read(ref _count);

    /// <summary>Whether anything may have changed since the last checkpoint was begun.</summary>
    public bool IsChanged => _isChanged;

    /// <summary>Bytes of the log, garbage included.</summary>
    public long LogBytes => _rows.Log.TailAddress - _rows.Log.BeginAddress;

    /// <summary>Bytes of a row with its key.</summary>
    public int RowBytes => _rows.Log.FixedRecordSize;

    /// <summary>Reads the row of a key.</summary>
    public bool TryFind(in RowKey key, out TRow row) => TryFind(key, out row, out _);

    /// <summary>Makes, changes or removes the row of a key, at once for all who look.</summary>
    /// <param name="key">Whose row.</param>
    /// <param name="change">What to do with it.</param>
    /// <param name="row">The row afterwards.</param>
    /// <returns>Whether there is a row afterwards.</returns>
    public bool TryChange(in RowKey key, TChange change, out TRow row)
    {
        if (!_isChanged) _isChanged = true;
        Status status;
        long begin;
        do
        {
            begin = _rows.Log.BeginAddress;
            status = Change(key, ref change, out row);
        }
        while (status.NotFound && !status.Expired && !status.Record.Created && _rows.Log.BeginAddress != begin);

        if (status.Expired)
        {
            Interlocked.Decrement(ref _count);
            return false;
        }

        if (status.Found) return true;
        if (!status.Record.Created) return false;
        if (Interlocked.Increment(ref _count) > RowsBeforeGrowth) GrowBeside();
        return true;
    }

    /// <summary>All rows. One that is changed meanwhile may come twice; one that is added or removed meanwhile may come or not.</summary>
    public IEnumerable<KeyValuePair<RowKey, TRow>> Rows()
    {
        // A row that is copied to the tail before the scan has reached it is behind the end that the scan had when it began.
        for (long from = _rows.Log.BeginAddress, to; from < (to = _rows.Log.TailAddress); from = to)
        {
            using var scan = _rows.Log.Scan(from, to);
            while (scan.GetNext(out var header))
            {
                if (header.Tombstone) continue;
                var key = scan.GetKey();
                if (TryFind(key, out var row, out var address) && address == scan.CurrentAddress) yield return new(key, row);
            }
        }
    }

    /// <summary>Writes a snapshot of the rows, after throwing garbage away if there is much.</summary>
    /// <exception cref="IOException">The disk refuses. The next try is a new one.</exception>
    public async Task<TableCheckpoint> CheckpointAsync()
    {
        await _maintenance.WaitAsync();
        try
        {
            CompactIfWorthwhile();
            _files.Begin();
            _isChanged = false;
            var count = Count;

            // Never cancelled: FASTER could make no other one in this process.
            var (isMade, token) = await _rows.TakeFullCheckpointAsync(CheckpointType.Snapshot);
            if (!isMade) throw new IOException("another checkpoint has not ended");
            if (_files.Fault is { } fault) throw new IOException($"cannot write a checkpoint: {fault.Message}", fault);
            return _files.Made(token, count);
        }
        finally
        {
            _maintenance.Release();
        }
    }

    /// <summary>The files of a checkpoint, by their names in the directory.</summary>
    public IEnumerable<string> Files(TableCheckpoint checkpoint) => _files.Files(checkpoint.Token);

    /// <summary>Fills the table, which nobody uses yet, from a checkpoint.</summary>
    /// <exception cref="Exception">Any: what is in the files was not written by this program. The table is of no use then.</exception>
    public void Recover(TableCheckpoint checkpoint)
    {
        _files.Recover(checkpoint);
        _rows.Recover(checkpoint.Token);
        if (_files.Fault is { } fault) throw new IOException($"cannot read a checkpoint: {fault.Message}", fault);
        _count = checkpoint.Count;
    }

    /// <summary>Ends what runs beside, and frees the memory. Nobody uses the table any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await _maintenance.WaitAsync();
        _sessions.Dispose();
        _rows.Dispose();
        _device.Dispose();
        _maintenance.Dispose();
    }

    private long RowsBeforeGrowth => _rows.IndexSize * RowsInBucket;

    private bool TryFind(in RowKey key, out TRow row, out long address)
    {
        while (true)
        {
            var begin = _rows.Log.BeginAddress;
            if (Read(key, out row, out address)) return true;
            if (_rows.Log.BeginAddress == begin) return false;
        }
    }

    private bool Read(in RowKey key, out TRow row, out long address)
    {
        var (of, none) = (key, default(TChange));
        row = default;
        var slot = _sessions.Rent();
        try
        {
            var options = default(ReadOptions);
            var status = slot.Session!.Read(ref of, ref none, ref row, ref options, out var where);
            if (status.IsPending) status = Complete(slot.Session, out row);
            address = where.Address;
            return status.Found;
        }
        finally
        {
            slot.Return();
        }
    }

    private Status Change(in RowKey key, ref TChange change, out TRow row)
    {
        var of = key;
        row = default;
        var slot = _sessions.Rent();
        try
        {
            var status = slot.Session!.RMW(ref of, ref change, ref row);
            return status.IsPending ? Complete(slot.Session, out row) : status;
        }
        finally
        {
            slot.Return();
        }
    }

    // The log is in memory, so what is pending waits for a page or another thread, not for a disk.
    private static Status Complete(ClientSession<RowKey, TRow, TChange, TRow, Empty, RowFunctions<TRow, TChange>> session, out TRow row)
    {
        session.CompletePendingWithOutputs(out var completed, wait: true);
        using (completed)
        {
            if (!completed.Next()) throw new InvalidOperationException("a pending operation has no outcome");
            row = completed.Current.Output;
            return completed.Current.Status;
        }
    }

    private void GrowBeside()
    {
        if (Interlocked.Exchange(ref _growing, 1) == 0) _ = Task.Run(GrowAsync);
    }

    private async Task GrowAsync()
    {
        await _maintenance.WaitAsync();
        try
        {
            while (Count > RowsBeforeGrowth && _rows.GrowIndex()) { }
        }
        finally
        {
            Volatile.Write(ref _growing, 0);
            _maintenance.Release();
        }
    }

    // Copies what lives to the tail, a few pages at a time, and frees the pages behind it.
    private void CompactIfWorthwhile()
    {
        var log = _rows.Log;
        if (LogBytes <= Count * RowBytes * 3 / 2 + 2 * _pageBytes) return;

        var end = log.TailAddress;
        for (var from = log.BeginAddress; from < end;)
        {
            var to = Math.Min(end, (from / _pageBytes + PagesAtOnce) * _pageBytes);
            log.ShiftReadOnlyAddress(to, wait: true);
            log.Compact<TChange, TRow, Empty, RowFunctions<TRow, TChange>>(_functions, to, CompactionType.Lookup);
            log.ShiftBeginAddress(to);
            from = to;
        }
    }
}
