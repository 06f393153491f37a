namespace Entrepot.Pull;

/// <summary>Something that happens again and again, and can be waited for. Safe for concurrent use.</summary>
/// <remarks>Who waits asks for the next time first and looks at the state afterwards, or does both under the lock under which the state changes.</remarks>
internal sealed class Signal
{
    private readonly Lock _gate = new();
    private TaskCompletionSource? _next;   // made by the first who waits

    /// <summary>Ends when it is raised next.</summary>
    public Task Next { get { lock (_gate) return (_next ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task; } }

    /// <summary>Wakes all who wait.</summary>
    public void Raise()
    {
        TaskCompletionSource? next;
        lock (_gate) (next, _next) = (_next, null);
        next?.SetResult();
    }
}
