namespace Entrepot.Server.Edge;

/// <summary>What tells whether the process lives, and whether work should be sent here: <c>/healthz</c> and <c>/readyz</c>, the same on each listener that has them.
/// Safe for concurrent use.</summary>
internal sealed class Probes
{
    private volatile bool _draining;

    /// <summary>Whether no new work should be sent here.</summary>
    public bool IsDraining => _draining;

    /// <summary>From now on it is not ready: no new work should be sent here.</summary>
    public void Drain() => _draining = true;

    /// <summary>What is answered to a read of a path; <see langword="null"/> if it is the path of neither.</summary>
    public (int Status, string Text)? Answer(string? path) => path switch
    {
        "/healthz" => (StatusCodes.Status200OK, "alive\n"),
        "/readyz" when _draining => (StatusCodes.Status503ServiceUnavailable, "draining\n"),
        "/readyz" => (StatusCodes.Status200OK, "ready\n"),
        _ => null,
    };
}
