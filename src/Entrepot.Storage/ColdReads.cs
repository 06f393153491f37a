using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Storage;

/// <summary>Reads of files that have to wait for a disk, a few at once and in the order in which they came, on threads of their own (invariant 9).</summary>
/// <remarks>
/// Safe for concurrent use. However slow the disk is, no thread of the pool waits for it, so that what needs no disk goes on. Threads come with work and leave when
/// there has been none for a while: nobody has to end them. A reader's buffer is used until its task has completed, so a read that has begun is not broken off.
/// </remarks>
#pragma warning disable CA1001   // The queue's semaphores hold nothing that the collector does not free.
internal sealed class ColdReads(FileCalls files)
#pragma warning restore CA1001
{
    // Enough to keep a disk's queue busy.
    private const int MostThreads = 16;

    private const int BufferBytes = 256 << 10;
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(10);

    private readonly BlockingCollection<Work> _waiting = new(new ConcurrentQueue<Work>());
    private readonly Lock _gate = new();
    private int _threads;   // guarded by _gate, like the next
    private int _pending;   // waiting or running

    /// <summary>What reads are made of.</summary>
    public FileCalls Files => files;

    /// <summary>Reads bytes.</summary>
    /// <returns>Bytes read; 0 at the end of the file.</returns>
    /// <exception cref="IOException">The disk failed.</exception>
    public Task<int> ReadAsync(SafeFileHandle file, Memory<byte> buffer, long offset, CancellationToken cancel) =>
        QueueAsync(new Work(_ => files.Read(file, buffer.Span, offset), cancel));

    /// <summary>Brings a range into memory, and has the disk begin with the one behind it. One that the file does not have is passed over.</summary>
    /// <remarks>By reading in order, not by advice: what the system reads ahead by itself it keeps in large pieces, and what it is advised to read in single pages: a blob from the
    /// disk to a client took four times the processor time so.</remarks>
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
            _waiting.Add(work);
            if (++_pending > _threads && _threads < MostThreads)
            {
                _threads++;
                new Thread(Serve) { IsBackground = true, Name = "cold reads" }.Start();
            }
        }

        return work.Task;
    }

    private void Serve()
    {
        var scratch = new byte[BufferBytes];
        while (true)
        {
            if (!_waiting.TryTake(out var work, Linger))
            {
                lock (_gate)
                {
                    // Something may have come just now, counting on this thread.
                    if (_waiting.Count > 0) continue;
                    _threads--;
                    return;
                }
            }

            work.Run(scratch);
            lock (_gate) _pending--;
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
