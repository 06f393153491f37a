namespace Entrepot.Server.Telemetry;

/// <summary>How a metric's values behave.</summary>
internal enum MetricKind
{
    /// <summary>Only grows, from 0 at the start of the process.</summary>
    Counter,

    /// <summary>Goes up and down.</summary>
    Gauge,

    /// <summary>Counts of observed values by size, with their sum.</summary>
    Histogram,
}

/// <summary>A label of a metric. Immutable.</summary>
/// <param name="Name">As it is written.</param>
/// <param name="Values">The values that it can have, in the order of the reference; those of <paramref name="Otherwise"/> besides.</param>
/// <param name="Otherwise">What else it can be, in words; <see langword="null"/> for nothing.</param>
internal sealed record MetricLabel(string Name, IReadOnlyList<string> Values, string? Otherwise = null);

/// <summary>One metric as people see it: a row of the reference, and what the collector is made from. Immutable.</summary>
/// <param name="Name">Its name; begins with <c>entrepot_</c>.</param>
/// <param name="Kind">How its values behave.</param>
/// <param name="Unit">What one of it is, e.g. <c>bytes</c>.</param>
/// <param name="Help">What it is, in one line.</param>
/// <param name="Labels">Its labels, in their order.</param>
internal sealed record MetricSpec(string Name, MetricKind Kind, string Unit, string Help, params MetricLabel[] Labels)
{
    /// <summary>The labels' names.</summary>
    public string[] LabelNames => [.. Labels.Select(label => label.Name)];
}
