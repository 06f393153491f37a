namespace Entrepot.FunctionalTests.Registry;

/// <summary>The requests that a <see cref="TestRegistry"/> received, in their order. Safe for concurrent use.</summary>
public sealed class RequestLog
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Lock _gate = new();
    private readonly List<ReceivedRequest> _requests = [];   // guarded by _gate
    private TaskCompletionSource _more = NewSignal();        // guarded by _gate; renewed at every request

    public IReadOnlyList<ReceivedRequest> All { get { lock (_gate) return [.. _requests]; } }

    public int Count(Func<ReceivedRequest, bool> match) => All.Count(match);

    /// <summary>Waits until <paramref name="count"/> requests that match have been received.</summary>
    /// <exception cref="TimeoutException">They have not come in 20 seconds.</exception>
    public async Task<IReadOnlyList<ReceivedRequest>> WaitAsync(Func<ReceivedRequest, bool> match, int count = 1)
    {
        while (true)
        {
            Task more;
            lock (_gate)
            {
                var found = _requests.Where(match).ToList();
                if (found.Count >= count) return found;
                more = _more.Task;
            }

            await more.WaitAsync(Patience);
        }
    }

    internal void Add(ReceivedRequest request)
    {
        TaskCompletionSource more;
        lock (_gate)
        {
            _requests.Add(request);
            (more, _more) = (_more, NewSignal());
        }

        more.SetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
