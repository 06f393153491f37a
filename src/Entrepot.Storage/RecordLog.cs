using System.Threading.Channels;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>Durable records, appended to one file; many at once share one flush.</summary>
/// <remarks>
/// <para>Safe for concurrent use. One task owns the file: it writes what has gathered, flushes once, applies the records to memory in the order of the
/// file, and only then tells those who wait. So nothing is ever in memory that a crash could take back, and file and memory agree on who came last.</para>
/// <para>When most of the file is outdated it is written anew beside itself and renamed over.</para>
/// </remarks>
internal sealed class RecordLog : IAsyncDisposable
{
    private const int MaxBatch = 1024;
    private const long SmallFile = 1 << 20;

    private readonly string _path;
    private readonly Action<Record> _apply;
    private readonly Func<IEnumerable<Record>> _live;
    private readonly Channel<(Record Record, TaskCompletionSource Done)> _waiting =
        Channel.CreateBounded<(Record, TaskCompletionSource)>(new BoundedChannelOptions(MaxBatch) { SingleReader = true });

    private readonly Task _writer;
    private SafeFileHandle _file;   // this and the two below: the opener's, then the writer task's alone
    private long _length;
    private long _rewriteAt;

    private RecordLog(string path, Action<Record> apply, Func<IEnumerable<Record>> live)
    {
        (_path, _apply, _live) = (path, apply, live);
        _file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        Posix.FlushDirectory(Path.GetDirectoryName(path)!);
        (_length, Spoilt) = Replay(path, apply);

        // What a crash tore off the end was never told to anybody.
        RandomAccess.SetLength(_file, _length);

        // By what is live, not by what the file holds: else one that is always closed before it has doubled grows for ever.
        _rewriteAt = Math.Max(SmallFile, 2 * live().Sum(record => (long)record.ToLine().Length));
        _writer = Task.Run(WriteAsync);
    }

    /// <summary>Lines in the middle of the file that could not be read and were passed over.</summary>
    public int Spoilt { get; }

    /// <summary>Opens a log and applies what is in it.</summary>
    /// <param name="path">The file; made if it is not there.</param>
    /// <param name="apply">Takes each record into memory; called by one thread at a time.</param>
    /// <param name="live">All records that memory holds now, for writing the file anew.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static RecordLog Open(string path, Action<Record> apply, Func<IEnumerable<Record>> live) => new(path, apply, live);

    /// <summary>Appends a record; when it completes, the record is durable and applied.</summary>
    /// <param name="record">What to remember.</param>
    /// <param name="cancel">Ends waiting for a place in the queue; a record that has one is written.</param>
    /// <exception cref="IOException">It could not be written, and is not applied.</exception>
    public async ValueTask AppendAsync(Record record, CancellationToken cancel)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _waiting.Writer.WriteAsync((record, done), cancel);
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
    private static (long Length, int Spoilt) Replay(string path, Action<Record> apply)
    {
        var content = File.ReadAllBytes(path).AsSpan();
        var (at, spoilt) = (0, 0);
        while (at < content.Length)
        {
            var end = content[at..].IndexOf((byte)'\n');
            if (end < 0) break;
            if (Record.FromLine(content.Slice(at, end)) is { } record) apply(record);
            else spoilt++;
            at += end + 1;
        }

        return (at, spoilt);
    }

    private async Task WriteAsync()
    {
        var batch = new List<(Record Record, TaskCompletionSource Done)>();
        while (await _waiting.Reader.WaitToReadAsync())
        {
            batch.Clear();
            while (batch.Count < MaxBatch && _waiting.Reader.TryRead(out var one)) batch.Add(one);
            try
            {
                Append(batch);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                foreach (var (_, done) in batch) done.SetException(new IOException($"cannot write '{_path}': {fault.Message}", fault));
                continue;
            }

            foreach (var (record, done) in batch)
            {
                _apply(record);
                done.SetResult();
            }

            if (_length > _rewriteAt) TryRewrite();
        }
    }

    private void Append(List<(Record Record, TaskCompletionSource Done)> batch)
    {
        using var lines = new MemoryStream();
        foreach (var (record, _) in batch) lines.Write(record.ToLine());
        var bytes = lines.GetBuffer().AsSpan(0, (int)lines.Length);
        try
        {
            RandomAccess.Write(_file, bytes, _length);
            RandomAccess.FlushToDisk(_file);
        }
        catch
        {
            // Half a line must not stand before the next one.
            RandomAccess.SetLength(_file, _length);
            throw;
        }

        _length += bytes.Length;
    }

    // If it fails, the long file goes on to serve; the next try waits until it has doubled.
    private void TryRewrite()
    {
        try
        {
            var (file, length) = WriteLive(_path + ".new");
            try
            {
                File.Move(_path + ".new", _path, overwrite: true);
            }
            catch
            {
                file.Dispose();
                throw;
            }

            // From here on that is the log, whatever becomes of the flush.
            _file.Dispose();
            (_file, _length) = (file, length);
            Posix.FlushDirectory(Path.GetDirectoryName(_path)!);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // The next try, or the next start's, writes over what is left of this one.
        }

        _rewriteAt = Math.Max(SmallFile, 2 * _length);
    }

    private (SafeFileHandle File, long Length) WriteLive(string path)
    {
        var file = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, FileShare.Read);
        try
        {
            var length = 0L;
            foreach (var record in _live())
            {
                var line = record.ToLine();
                RandomAccess.Write(file, line, length);
                length += line.Length;
            }

            RandomAccess.FlushToDisk(file);
            return (file, length);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
