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

    [Fact]
    public void Limited_NeverTold_IsNull()
    {
        var counters = new UpstreamCounters();

        counters.Limited(null, "");
        counters.Limited("many", "-1");

        Assert.Null(counters.Limit);
        Assert.Null(counters.Remaining);
    }

    [Fact]
    public void Limited_Told_KeepsTheLatest()
    {
        var counters = new UpstreamCounters();

        counters.Limited("100;w=21600", "76;w=21600");
        counters.Limited(null, "0");

        Assert.Equal(100, counters.Limit);
        Assert.Equal(0, counters.Remaining);
    }
}
