using System.Globalization;

namespace Entrepot.FunctionalTests.Kit;

/// <summary>One scrape: series, with their labels as they are written, and values.</summary>
internal sealed class MetricValues(IReadOnlyDictionary<string, double> series)
{
    public static MetricValues Parse(string text) => new(text.Split('\n')
        .Where(line => line.Length > 0 && line[0] != '#')
        .ToDictionary(line => line[..line.LastIndexOf(' ')], line => double.Parse(line[line.LastIndexOf(' ')..], CultureInfo.InvariantCulture)));

    /// <summary>The sum of a metric's series that have all these labels, each written as <c>name="value"</c>.</summary>
    public double Sum(string metric, params string[] labels) => series
        .Where(pair => (pair.Key == metric || pair.Key.StartsWith(metric + "{", StringComparison.Ordinal))
            && labels.All(label => pair.Key.Contains(label, StringComparison.Ordinal)))
        .Sum(pair => pair.Value);

    public override string ToString() => string.Join('\n', series.Select(pair => $"{pair.Key} {pair.Value}"));
}
