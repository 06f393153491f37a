namespace Entrepot.Server.Admin;

/// <summary>Requests that run, so that the end can stop them and wait until none does. Safe for concurrent use.</summary>
/// <remarks>The owner disposes it after <see cref="StopAsync"/> has ended.</remarks>
internal sealed class RunningRequests : IDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _running;       // guarded by _gate
    private bool _isStopping;   // guarded by _gate

    /// <summary>Cancelled when they are to end.</summary>
    public CancellationToken Stop => _stop.Token;

    /// <summary>One begins.</summary>
    /// <returns><see langword="false"/> if it must not any more.</returns>
    public bool TryBegin()
    {
        lock (_gate)
        {
            if (_isStopping) return false;
            _running++;
            return true;
        }
    }

    /// <summary>One that was begun has ended.</summary>
    public void End()
    {
        lock (_gate)
            if (--_running == 0 && _isStopping) _ended.SetResult();
    }

    /// <summary>From now on none begins, and those that run are to end. May be called again.</summary>
    /// <returns>Ends when none runs any more.</returns>
    public async Task StopAsync()
    {
        var isFirst = false;
        lock (_gate)
        {
            if (!_isStopping)
            {
                (isFirst, _isStopping) = (true, true);
                if (_running == 0) _ended.SetResult();
            }
        }

        if (isFirst) await _stop.CancelAsync();
        await _ended.Task;
    }

    /// <inheritdoc/>
    public void Dispose() => _stop.Dispose();
}
