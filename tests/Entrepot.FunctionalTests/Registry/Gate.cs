namespace Entrepot.FunctionalTests.Registry;

/// <summary>Holds a body back at byte positions that a test decides. Safe for concurrent use; one body at a time goes through it.</summary>
/// <remarks>A gate that lets 0 bytes through still lets the headers go: see <see cref="Reply.BeforeHeaders"/> for holding those.</remarks>
public sealed class Gate(long letThrough = 0)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Lock _gate = new();
    private long _limit = letThrough;               // guarded by _gate
    private long _arrived = -1;                     // guarded by _gate; the limit that a body last waited at
    private TaskCompletionSource _moved = NewSignal();   // guarded by _gate; renewed at every move

    /// <summary>Lets bytes pass up to this position of the body, counted from its start.</summary>
    public void LetThrough(long position) => Move(() => _limit = Math.Max(_limit, position));

    /// <summary>Lets everything pass from now on.</summary>
    public void Open() => LetThrough(long.MaxValue);

    /// <summary>Waits until a body (or an answer, at 0) stands before the gate, all it was let through written.</summary>
    public Task ReachedAsync() => UntilAsync(() => _arrived == _limit, CancellationToken.None).WaitAsync(Patience);

    /// <summary>Waits until more than <paramref name="position"/> bytes may pass.</summary>
    /// <returns>The position up to which they may.</returns>
    internal async Task<long> PassAsync(long position, CancellationToken cancel)
    {
        lock (_gate)
        {
            if (_limit > position) return _limit;
        }

        Move(() => _arrived = position);
        await UntilAsync(() => _limit > position, cancel);
        lock (_gate) return _limit;
    }

    private async Task UntilAsync(Func<bool> condition, CancellationToken cancel)
    {
        while (true)
        {
            Task moved;
            lock (_gate)
            {
                if (condition()) return;
                moved = _moved.Task;
            }

            await moved.WaitAsync(cancel);
        }
    }

    private void Move(Action change)
    {
        TaskCompletionSource moved;
        lock (_gate)
        {
            change();
            (moved, _moved) = (_moved, NewSignal());
        }

        moved.SetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
