using Entrepot.Server.Admin;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Cli;

public sealed class RunningRequestsTests
{
    [Fact]
    public async Task Stop_NoneRuns_EndsAtOnceAndNoneBegins()
    {
        using var requests = new RunningRequests();

        await requests.StopAsync().Soon();

        Assert.False(requests.TryBegin());
        Assert.True(requests.Stop.IsCancellationRequested);
        await requests.StopAsync().Soon();
    }

    [Fact]
    public async Task Stop_SomeRun_EndsWithTheLast()
    {
        using var requests = new RunningRequests();
        Assert.True(requests.TryBegin() && requests.TryBegin());

        var (stopped, again) = (requests.StopAsync(), requests.StopAsync());
        Assert.True(requests.Stop.IsCancellationRequested);
        requests.End();
        Assert.False(stopped.IsCompleted || again.IsCompleted);
        requests.End();

        await stopped.Soon();
        await again.Soon();
    }
}
