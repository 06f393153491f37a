using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

public sealed class FlightsTests
{
    private readonly Flights<string, int> _flights = new();

    [Fact]
    public async Task Join_ManyWhileItRuns_RunsOnce()
    {
        var gate = new TaskCompletionSource<int>();
        var runs = 0;
        Func<Task<int>> work = () =>
        {
            Interlocked.Increment(ref runs);
            return gate.Task;
        };

        var joined = Enumerable.Range(0, 20).Select(_ => _flights.Join("key", work)).ToList();
        gate.SetResult(7);

        Assert.All(await Task.WhenAll(joined.Select(one => one.Result)).Soon(), result => Assert.Equal(7, result));
        Assert.Equal(1, runs);
        Assert.Single(joined, one => one.Started);
    }

    [Fact]
    public async Task Join_AfterItsEnd_RunsAgain()
    {
        Assert.Equal(1, await _flights.Join("key", () => Task.FromResult(1)).Result.Soon());

        Assert.Equal(2, await _flights.Join("key", () => Task.FromResult(2)).Result.Soon());
    }

    [Fact]
    public async Task Join_WorkFails_EverybodyGetsTheFailureAndTheNextRunsAgain()
    {
        var gate = new TaskCompletionSource<int>();
        var (first, _) = _flights.Join("key", () => gate.Task);
        var (second, started) = _flights.Join("key", () => gate.Task);
        gate.SetException(new IOException("scripted"));

        Assert.False(started);
        await Assert.ThrowsAsync<IOException>(() => first.Soon());
        await Assert.ThrowsAsync<IOException>(() => second.Soon());
        Assert.Equal(2, await _flights.Join("key", () => Task.FromResult(2)).Result.Soon());
    }
}
