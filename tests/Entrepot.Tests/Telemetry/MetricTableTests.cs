using Entrepot.Server.Telemetry;
using Entrepot.Tests.Architecture;

namespace Entrepot.Tests.Telemetry;

public sealed class MetricTableTests
{
    [Fact]
    public void Reference_PageInTheRepository_IsWhatTheTableSays() =>
        Assert.True(MetricsReference.Markdown() == File.ReadAllText(Path.Combine(Repository.Root, "docs", "metrics.md")),
            "docs/metrics.md is out of date; run: dotnet run --project src/Entrepot.Server -- metrics-reference > docs/metrics.md");

    [Fact]
    public void All_Metrics_AreNamedAsPrometheusWants()
    {
        Assert.Equal(MetricTable.All.Count, MetricTable.All.DistinctBy(metric => metric.Name).Count());
        Assert.All(MetricTable.All, metric =>
        {
            Assert.Matches("^entrepot_[a-z_]+$", metric.Name);
            Assert.Equal(metric.Kind is MetricKind.Counter, metric.Name.EndsWith("_total", StringComparison.Ordinal));
            if (metric.Unit is "bytes" or "seconds") Assert.Contains("_" + metric.Unit, metric.Name, StringComparison.Ordinal);
            Assert.EndsWith(".", metric.Help, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void All_FieldsOfTheTable_AreInTheReference() => Assert.Equal(
        typeof(MetricTable).GetFields().Select(field => field.GetValue(null)).OfType<MetricSpec>().Select(metric => metric.Name).Order(),
        MetricTable.All.Select(metric => metric.Name).Order());
}
