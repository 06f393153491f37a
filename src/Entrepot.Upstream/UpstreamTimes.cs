namespace Entrepot.Upstream;

/// <summary>What stands between two times that an upstream is asked. Immutable; fixed in the product, shorter in tests. How long one is waited for says its
/// <see cref="UpstreamOptions"/>.</summary>
public sealed record UpstreamTimes
{
    /// <summary>Before the second try; later ones wait longer, with jitter.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long an upstream found dead is left alone.</summary>
    public TimeSpan Break { get; init; } = TimeSpan.FromSeconds(10);
}
