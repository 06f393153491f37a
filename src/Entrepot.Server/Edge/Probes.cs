using Entrepot.Storage;

namespace Entrepot.Server.Edge;

/// <summary>What tells whether the process lives, and whether work should be sent here: <c>/healthz</c> and <c>/readyz</c>, the same on each listener that has them.
/// Safe for concurrent use.</summary>
/// <remarks>
/// With a store that fails it is ready all the same, and says that it is degraded: what is stored is served as far as it can be read, and everything else is passed through, so
/// that sending clients elsewhere would only make each of them ask the upstream. It is not ready when it can give neither: the store cannot be read, and no upstream may be asked
/// or is in reach. Then any other mirror is better.
/// </remarks>
/// <param name="health">How the store is.</param>
/// <param name="canAsk">Whether there is an upstream that may be asked and was not out of reach when it was asked last.</param>
internal sealed class Probes(StoreHealth health, Func<bool> canAsk)
{
    private volatile bool _open;
    private volatile bool _draining;

    /// <summary>Whether no new work should be sent here.</summary>
    public bool IsDraining => _draining;

    /// <summary>The registry's listeners are open: before that it is not ready.</summary>
    public void Open() => _open = true;

    /// <summary>From now on it is not ready: no new work should be sent here.</summary>
    public void Drain() => _draining = true;

    /// <summary>What is answered to a read of a path; <see langword="null"/> if it is the path of neither.</summary>
    public (int Status, string Text)? Answer(string? path) => path switch
    {
        "/healthz" => (StatusCodes.Status200OK, "alive\n"),
        "/readyz" => Readiness(),
        _ => null,
    };

    private (int Status, string Text) Readiness()
    {
        if (_draining) return (StatusCodes.Status503ServiceUnavailable, "draining\n");
        if (!_open) return (StatusCodes.Status503ServiceUnavailable, "starting\n");
        if (health.Now is not { } condition) return (StatusCodes.Status200OK, "ready\n");
        var reason = condition.Fault.ToString().ToLowerInvariant();
        return condition.IsReadable || canAsk()
            ? (StatusCodes.Status200OK, $"degraded: the store fails ({reason}); what is not stored is passed through and not kept\n")
            : (StatusCodes.Status503ServiceUnavailable, $"not ready: the store cannot be read ({reason}), and no upstream is in reach\n");
    }
}
