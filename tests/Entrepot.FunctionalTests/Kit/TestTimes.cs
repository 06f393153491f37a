using Entrepot.Upstream;

namespace Entrepot.FunctionalTests.Kit;

/// <summary>How long upstreams are waited for, and left alone; as the product's own where nothing is said.</summary>
internal sealed record TestTimes
{
    private static readonly UpstreamOptions Usual = new() { Name = "usual", Urls = [] };

    public TimeSpan Connect { get; init; } = Usual.ConnectTimeout;

    public TimeSpan Headers { get; init; } = Usual.HeaderTimeout;

    public TimeSpan Total { get; init; } = Usual.RequestTimeout;

    public TimeSpan Stall { get; init; } = Usual.Fetching.StallTimeout;

    public TimeSpan Pause { get; init; } = new UpstreamTimes().Pause;

    public TimeSpan Break { get; init; } = new UpstreamTimes().Break;

    /// <summary>Those of them that are no options.</summary>
    public UpstreamTimes Fixed => new() { Pause = Pause, Break = Break };

    /// <summary>An upstream with those that are.</summary>
    public UpstreamOptions In(UpstreamOptions options) => options with
    {
        ConnectTimeout = Connect,
        HeaderTimeout = Headers,
        RequestTimeout = Total,
        Fetching = options.Fetching with { StallTimeout = Stall },
    };
}
