using System.Threading.Channels;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>Durable records, appended to one file; many at once share one flush.</summary>
/// <remarks>
/// <para>Safe for concurrent use. One task owns the file: it writes what has gathered, flushes once, applies the records to memory in the order of the
/// file, and only then tells those who wait. So nothing is ever in memory that a crash could take back, and file and memory agree on who came last. Records that
/// are appended together are one line: a crash leaves all of them or none.</para>
/// <para>When most of the file is outdated it is written anew beside itself and renamed over: what is still true is read from the old one, so that
/// nobody has to hold the names in memory.</para>
/// <para>A log that can be read and not written is opened all the same, and whoever appends finds out whether it can be written by then.</para>
/// </remarks>
internal sealed class RecordLog : IAsyncDisposable
{
    private const int MaxBatch = 1024;
    private const long SmallFile = 1 << 20;
    private const int ReadBytes = 1 << 18;

    private readonly string _path;
    private readonly FileCalls _files;
    private readonly Action<Record, long> _apply;
    private readonly Func<Record, long, Record?> _live;
    private readonly Channel<(IReadOnlyList<Record> Records, TaskCompletionSource Done)> _waiting =
        Channel.CreateBounded<(IReadOnlyList<Record>, TaskCompletionSource)>(new BoundedChannelOptions(MaxBatch) { SingleReader = true });

    private readonly Task _writer;
    private SafeFileHandle _file;   // this and the three below: the opener's, then the writer task's alone
    private long _length;
    private long _rewriteAt;
    private bool _isNamed;
    private bool _isWritable;

    private RecordLog(string path, FileCalls files, Action<Record, long> apply, Func<Record, long, Record?> live)
    {
        (_path, _files, _apply, _live) = (path, files, apply, live);
        _file = Open();
        (_length, Spoilt) = Replay(_file, apply);

        // What a crash tore off the end was never told to anybody.
        if (_isWritable) RandomAccess.SetLength(_file, _length);

        // How much of it is outdated is not known, so the first to write finds out: one that is always closed before it has doubled would grow for ever.
        _rewriteAt = SmallFile;
        _writer = Task.Run(WriteAsync);
    }

    /// <summary>Lines in the middle of the file that could not be read and were passed over.</summary>
    public int Spoilt { get; }

    /// <summary>Opens a log and applies what is in it.</summary>
    /// <param name="path">The file; made if it is not there.</param>
    /// <param name="files">What it is written by.</param>
    /// <param name="apply">
    /// Takes each record, and where its line begins, into memory; called by one thread at a time. When the file has been written anew, it is called
    /// for all records again.
    /// </param>
    /// <param name="live">Tells what stands for a record, and where its line begins, when the file is written anew; <see langword="null"/> if nothing.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static RecordLog Open(string path, FileCalls files, Action<Record, long> apply, Func<Record, long, Record?> live) => new(path, files, apply, live);

    /// <summary>Reads what is in a log, while its owner writes it. Every record that is true when this begins is among them, also if the file is written anew.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IEnumerable<Record> Read(string path)
    {
        using var file = File.OpenHandle(path);
        foreach (var (_, _, records) in Lines(file))
            foreach (var record in records) yield return record;
    }

    /// <summary>Appends a record; when it completes, the record is durable and applied.</summary>
    /// <param name="record">What to remember.</param>
    /// <param name="cancel">Ends waiting for a place in the queue; a record that has one is written.</param>
    /// <exception cref="IOException">It could not be written, and is not applied.</exception>
    public ValueTask AppendAsync(Record record, CancellationToken cancel) => AppendAsync([record], cancel);

    /// <summary>Appends records, all or none; when it completes, they are durable and applied.</summary>
    /// <param name="records">What to remember, each about something else; with none it does nothing. Not changed any more.</param>
    /// <param name="cancel">Ends waiting for a place in the queue; records that have one are written.</param>
    /// <exception cref="IOException">They could not be written, and none is applied.</exception>
    public async ValueTask AppendAsync(IReadOnlyList<Record> records, CancellationToken cancel)
    {
        if (records.Count == 0) return;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _waiting.Writer.WriteAsync((records, done), cancel);
        await done.Task;
    }

    /// <summary>Writes what still waits, and closes the file.</summary>
    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _writer;
        _file.Dispose();
    }

    // Returns where the last whole line ends, and how many before it were spoilt.
    private static (long Length, int Spoilt) Replay(SafeFileHandle file, Action<Record, long> apply)
    {
        var (length, spoilt) = (0L, 0);
        foreach (var (at, end, records) in Lines(file))
        {
            foreach (var record in records) apply(record, at);
            if (records.Count == 0) spoilt++;
            length = end;
        }

        return (length, spoilt);
    }

    // All whole lines: where they begin and end, and their records; a spoilt one has none.
    private static IEnumerable<(long At, long End, IReadOnlyList<Record> Records)> Lines(SafeFileHandle file)
    {
        var buffer = new byte[ReadBytes];
        var (at, filled) = (0L, 0);
        for (int count; (count = RandomAccess.Read(file, buffer.AsSpan(filled), at + filled)) > 0;)
        {
            filled += count;
            var done = 0;
            for (int length; (length = buffer.AsSpan(done, filled - done).IndexOf((byte)'\n')) >= 0; done += length + 1)
                yield return (at + done, at + done + length + 1, Record.FromLine(buffer.AsSpan(done, length)));

            buffer.AsSpan(done, filled - done).CopyTo(buffer);
            (at, filled) = (at + done, filled - done);
            if (filled == buffer.Length) Array.Resize(ref buffer, 2 * buffer.Length);
        }
    }

    private SafeFileHandle Open()
    {
        SafeFileHandle? file = null;
        try
        {
            file = _files.Open(_path, FileMode.OpenOrCreate, FileAccess.ReadWrite);
            FlushName();
            _isWritable = true;
            return file;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException && File.Exists(_path))
        {
            file?.Dispose();
            return _files.Open(_path);
        }
    }

    private void OpenToWrite()
    {
        var file = _files.Open(_path, FileMode.Open, FileAccess.ReadWrite);
        try
        {
            RandomAccess.SetLength(file, _length);
        }
        catch
        {
            file.Dispose();
            throw;
        }

        _file.Dispose();
        (_file, _isWritable) = (file, true);
    }

    private async Task WriteAsync()
    {
        var batch = new List<(IReadOnlyList<Record> Records, TaskCompletionSource Done)>();
        while (await _waiting.Reader.WaitToReadAsync())
        {
            batch.Clear();
            while (batch.Count < MaxBatch && _waiting.Reader.TryRead(out var one)) batch.Add(one);
            long[] lines;
            try
            {
                lines = Append(batch);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                foreach (var (_, done) in batch) done.SetException(new IOException($"cannot write '{_path}': {fault.Message}", fault));
                continue;
            }

            for (var i = 0; i < batch.Count; i++)
            {
                foreach (var record in batch[i].Records) _apply(record, lines[i]);
                batch[i].Done.SetResult();
            }

            if (_length > _rewriteAt) TryRewrite();
        }
    }

    // Returns where each line begins.
    private long[] Append(List<(IReadOnlyList<Record> Records, TaskCompletionSource Done)> batch)
    {
        if (!_isWritable) OpenToWrite();
        FlushName();
        var starts = new long[batch.Count];
        using var lines = new MemoryStream();
        for (var i = 0; i < batch.Count; i++)
        {
            starts[i] = _length + lines.Length;
            lines.Write(Record.ToLine(batch[i].Records));
        }

        var bytes = lines.GetBuffer().AsSpan(0, (int)lines.Length);
        try
        {
            _files.Write(_file, bytes, _length);
            _files.Flush(_file);
        }
        catch
        {
            // Half a line must not stand before the next one.
            RandomAccess.SetLength(_file, _length);
            throw;
        }

        _length += bytes.Length;
        return starts;
    }

    // If it fails, the long file goes on to serve; the next try waits until it has doubled.
    private void TryRewrite()
    {
        var beside = _path + ".new";
        SafeFileHandle? file = null;
        try
        {
            file = _files.Open(beside, FileMode.Create, FileAccess.ReadWrite);
            var length = CopyLive(file);
            _files.Flush(file);
            _files.Rename(beside, _path);

            // From here on the old file has no name: nothing may be written to it any more.
            _file.Dispose();
            (_file, _length, _isNamed, file) = (file, length, false, null);
            Replay(_file, _apply);
            FlushName();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // What is left of this one is written over by the next.
            file?.Dispose();
        }

        _rewriteAt = Math.Max(SmallFile, 2 * _length);
    }

    private long CopyLive(SafeFileHandle to)
    {
        var length = 0L;
        using var lines = new MemoryStream();
        foreach (var (at, _, records) in Lines(_file))
        {
            // Each on a line of its own from here on: the new file takes the old one's place as a whole.
            foreach (var record in records)
                if (_live(record, at) is { } live) lines.Write(Record.ToLine([live]));
            if (lines.Length >= ReadBytes) Write();
        }

        Write();
        return length;

        void Write()
        {
            _files.Write(to, lines.GetBuffer().AsSpan(0, (int)lines.Length), length);
            length += lines.Length;
            lines.SetLength(0);
        }
    }

    // A record is durable only if the name of its file is.
    private void FlushName()
    {
        if (_isNamed) return;
        _files.FlushDirectory(Path.GetDirectoryName(_path)!);
        _isNamed = true;
    }
}
