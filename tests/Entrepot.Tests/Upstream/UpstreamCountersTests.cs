using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class UpstreamCountersTests
{
    [Fact]
    public void Answered_Statuses_AreCountedByKindAndCode()
    {
        var counters = new UpstreamCounters();

        counters.Answered("blob", 200);
        counters.Answered("blob", 200);
        counters.Answered("blob", null);
        counters.Answered("manifest", 200);
        counters.Answered("manifest", 999);

        Assert.Equal(
            [new("blob", "200", 2), new("blob", "error", 1), new("manifest", "200", 1), new UpstreamRequests("manifest", "other", 1)],
            counters.Requests.OrderBy(entry => entry.Kind).ThenBy(entry => entry.Code, StringComparer.Ordinal));
    }
}
