using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>Reads of files that have to wait for a disk, a few at once and in the order in which they came, on threads of their own (invariant 9).</summary>
/// <remarks>
/// Safe for concurrent use. However slow the disk is, no thread of the pool waits for it, so that what needs no disk goes on. Threads come with work and leave when
/// there has been none for a while: nobody has to end them. A reader's buffer is used until its task has completed, so a read that has begun is not broken off.
/// </remarks>
internal sealed class ColdReads(FileCalls files)
{
    // Enough to keep a disk's queue busy.
    private const int MostThreads = 16;

    private const int BufferBytes = 256 << 10;
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(10);

    private readonly object _gate = new();   // who has nothing to do waits for it to be pulsed
    private readonly Queue<Work> _waiting = new();   // guarded by _gate, like all below
    private int _threads;
    private int _idle;

    /// <summary>What reads are made of.</summary>
    public FileCalls Files => files;

    /// <summary>Reads bytes.</summary>
    /// <returns>Bytes read; 0 at the end of the file.</returns>
    /// <exception cref="IOException">The disk failed.</exception>
    public Task<int> ReadAsync(SafeFileHandle file, Memory<byte> buffer, long offset, CancellationToken cancel) =>
        QueueAsync(new Work(_ => files.Read(file, buffer.Span, offset), cancel));

    /// <summary>Brings a range into memory, and has the disk begin with the one behind it. One that the file does not have is passed over.</summary>
    /// <remarks>By reading in order, not by advice: what the system reads ahead by itself it keeps in large pieces, and what it is advised to read in single pages, which cost
    /// twice the processor time, here and when they are sent.</remarks>
    /// <exception cref="IOException">The disk failed.</exception>
    public Task<int> FetchAsync(SafeFileHandle file, long offset, int count, CancellationToken cancel) => QueueAsync(new Work(
        scratch =>
        {
            PageCache.ExpectOrder(file);
            for (var done = 0; done < count;)
            {
                var read = files.Read(file, scratch.AsSpan(0, Math.Min(scratch.Length, count - done)), offset + done);
                if (read == 0) return done;
                done += read;
            }

            return count;
        },
        cancel));

    private Task<int> QueueAsync(Work work)
    {
        lock (_gate)
        {
            _waiting.Enqueue(work);
            if (_waiting.Count > _idle && _threads < MostThreads)
            {
                _threads++;
                new Thread(Serve) { IsBackground = true, Name = "cold reads" }.Start();
            }
            else
            {
                Monitor.Pulse(_gate);
            }
        }

        return work.Task;
    }

    private void Serve()
    {
        var scratch = new byte[BufferBytes];
        while (Next() is { } work) work.Run(scratch);
    }

    // The next to be done; null if there was none for a while, and the thread is to leave.
    private Work? Next()
    {
        lock (_gate)
        {
            Work? work;
            while (!_waiting.TryDequeue(out work))
            {
                _idle++;
                var isPulsed = Monitor.Wait(_gate, Linger);
                _idle--;
                if (isPulsed || _waiting.Count > 0) continue;
                _threads--;
                return null;
            }

            return work;
        }
    }

    private sealed class Work(Func<byte[], int> read, CancellationToken cancel) : TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public void Run(byte[] scratch)
        {
            if (cancel.IsCancellationRequested)
            {
                SetCanceled(cancel);
                return;
            }

            try
            {
                SetResult(read(scratch));
            }
            catch (Exception fault)   // whoever waits is told
            {
                SetException(fault);
            }
        }
    }
}
