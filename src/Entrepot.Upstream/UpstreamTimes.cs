namespace Entrepot.Upstream;

/// <summary>How long an upstream is waited for. Immutable; fixed in the product, shorter in tests.</summary>
public sealed record UpstreamTimes
{
    /// <summary>To connect, TLS included.</summary>
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>From a request to its answer's headers.</summary>
    public TimeSpan Headers { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>For all tries of one request together, the pauses between them included.</summary>
    public TimeSpan Total { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Before the second try; later ones wait longer, with jitter.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long an upstream found dead is left alone.</summary>
    public TimeSpan Break { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Without one byte of a body before it counts as broken.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(15);
}
