using System.Runtime.InteropServices;

namespace Entrepot.Server.Cli;

/// <summary>SIGTERM and SIGINT: the first asks the process to end in order, the second ends it at once.</summary>
/// <remarks>
/// Safe for concurrent use: signals arrive on threads of their own. The owner disposes it, after which signals act as usual.
/// </remarks>
/// <param name="endNow">Called at the second signal, and at any later one.</param>
internal sealed class StopSignals(Action endNow) : IDisposable
{
    private readonly CancellationTokenSource _asked = new();
    private readonly List<PosixSignalRegistration> _registrations = [];
    private int _count;

    /// <summary>Cancelled at the first signal.</summary>
    public CancellationToken Asked => _asked.Token;

    /// <summary>Begins to listen to the process's signals.</summary>
    public void Register()
    {
        foreach (var signal in new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT })
            _registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                Received();
            }));
    }

    /// <summary>What happens when a signal arrives.</summary>
    internal void Received()
    {
        if (Interlocked.Increment(ref _count) == 1) _asked.Cancel();
        else endNow();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
        _asked.Dispose();
    }
}
