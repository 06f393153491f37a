namespace Entrepot.Pull;

/// <summary>Work that runs once however many ask for it at the same time. Safe for concurrent use.</summary>
/// <remarks>
/// The work belongs to nobody who waits: a caller that goes away ends only its own wait. Its result, or its failure, is what everybody
/// gets who joined. It has left the table before its task completes, so whoever sees it end and asks again begins anew.
/// </remarks>
internal sealed class Flights<TKey, TResult> where TKey : notnull
{
    private readonly Lock _gate = new();
    private readonly Dictionary<TKey, Task<TResult>> _running = [];   // guarded by _gate

    /// <summary>Joins the work that runs for a key, or starts it.</summary>
    /// <returns>The work, to be awaited with the caller's own cancellation, and whether this call started it.</returns>
    public (Task<TResult> Result, bool Started) Join(TKey key, Func<Task<TResult>> work)
    {
        lock (_gate)
        {
            if (_running.TryGetValue(key, out var running)) return (running, false);

            // Begun elsewhere: the work's first steps are not to run under this lock.
            var started = Task.Run(() => RunAsync(key, work));
            _running.Add(key, started);
            return (started, true);
        }
    }

    /// <summary>Waits until all that runs now has ended, well or not.</summary>
    public async Task EndedAsync()
    {
        Task[] running;
        lock (_gate) running = [.. _running.Values];
        await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // each failure is its waiters'
    }

    private async Task<TResult> RunAsync(TKey key, Func<Task<TResult>> work)
    {
        try
        {
            return await work();
        }
        finally
        {
            lock (_gate) _running.Remove(key);
        }
    }
}
