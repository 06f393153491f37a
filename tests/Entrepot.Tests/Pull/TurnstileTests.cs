using CsCheck;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

public sealed class TurnstileTests
{
    [Fact]
    public async Task EnterAsync_AllPlacesTaken_WaitsInOrder()
    {
        var turnstile = new Turnstile(1);
        var first = await turnstile.EnterAsync(Demand.Always, default).Soon();
        var second = turnstile.EnterAsync(Demand.Always, default);
        var third = turnstile.EnterAsync(Demand.Always, default);
        Assert.False(second.IsCompleted);

        first.Dispose();
        var place = await second.Soon();
        Assert.False(third.IsCompleted);
        place.Dispose();
        (await third.Soon()).Dispose();

        Assert.Equal((0, 0), (turnstile.Inside, turnstile.Waiting));
    }

    [Fact]
    public async Task EnterAsync_WantedMeanwhile_GoesBeforeWhoCameEarlier()
    {
        var turnstile = new Turnstile(1);
        var first = await turnstile.EnterAsync(Demand.Always, default).Soon();
        var unwanted = turnstile.EnterAsync(new Demand(false), default);
        var demand = new Demand(false);
        var later = turnstile.EnterAsync(demand, default);

        demand.IsWanted = true;
        first.Dispose();

        var place = await later.Soon();
        Assert.False(unwanted.IsCompleted);
        place.Dispose();
        (await unwanted.Soon()).Dispose();
    }

    [Fact]
    public async Task Dispose_Twice_GivesOnePlaceBack()
    {
        var turnstile = new Turnstile(1);
        var first = await turnstile.EnterAsync(Demand.Always, default).Soon();
        var second = turnstile.EnterAsync(Demand.Always, default);
        var third = turnstile.EnterAsync(Demand.Always, default);

        first.Dispose();
        first.Dispose();

        await second.Soon();
        Assert.Equal((1, 1), (turnstile.Inside, turnstile.Waiting));
        Assert.False(third.IsCompleted);
    }

    [Fact]
    public async Task EnterAsync_Cancelled_LeavesTheQueueToTheOthers()
    {
        var turnstile = new Turnstile(1);
        using var leaving = new CancellationTokenSource();
        var first = await turnstile.EnterAsync(Demand.Always, default).Soon();
        var second = turnstile.EnterAsync(Demand.Always, leaving.Token);
        var third = turnstile.EnterAsync(Demand.Always, default);

        await leaving.CancelAsync();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second.Soon());
        Assert.Equal(leaving.Token, error.CancellationToken);
        Assert.Equal(1, turnstile.Waiting);

        first.Dispose();
        (await third.Soon()).Dispose();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => turnstile.EnterAsync(Demand.Always, leaving.Token).Soon());
        Assert.Equal((0, 0), (turnstile.Inside, turnstile.Waiting));
    }

    [Fact]
    public async Task Places_Changed_LetsInWhoWaitsAndThrowsNobodyOut()
    {
        var turnstile = new Turnstile(1);
        Task<IDisposable>[] all = [.. Enumerable.Range(0, 5).Select(_ => turnstile.EnterAsync(Demand.Always, default))];

        turnstile.Places = 3;
        await Task.WhenAll(all[..3]).Soon();
        Assert.Equal((3, 2), (turnstile.Inside, turnstile.Waiting));

        turnstile.Places = 1;
        (await all[0]).Dispose();
        (await all[1]).Dispose();
        Assert.Equal((1, 2), (turnstile.Inside, turnstile.Waiting));
        (await all[2]).Dispose();
        await all[3].Soon();
        Assert.False(all[4].IsCompleted);
    }

    // A list of who is inside and one of who waits, and the rule in one line.
    [Fact]
    public void AnySequence_AgreesWithTheModel() =>
        Gen.Select(Gen.Int[1, 4], Gen.Select(Gen.Int[0, 9], Gen.Int[0, 30]).Array[0, 60]).Sample((places, steps) =>
        {
            var turnstile = new Turnstile(places);
            List<Visitor> inside = [], waiting = [];
            foreach (var (what, which) in steps)
            {
                switch (what)
                {
                    case < 4:
                        waiting.Add(new Visitor(turnstile, isWanted: which % 2 == 0));
                        break;
                    case < 7 when inside.Count > 0:
                        Take(inside, which).Leave();
                        break;
                    case 7 when waiting.Count > 0:
                        Take(waiting, which).GiveUp();
                        break;
                    case 8 when waiting.Count > 0:
                        waiting[which % waiting.Count].Demand.IsWanted ^= true;
                        break;
                    case 9:
                        turnstile.Places = places = 1 + (which % 5);
                        break;
                }

                while (inside.Count < places && (waiting.Find(one => one.Demand.IsWanted) ?? waiting.FirstOrDefault()) is { } next)
                {
                    waiting.Remove(next);
                    inside.Add(next);
                }

                Assert.All(inside, one => Assert.NotNull(one.Entering.Soon().GetAwaiter().GetResult()));
                Assert.All(waiting, one => Assert.False(one.Entering.IsCompleted));
                Assert.Equal((inside.Count, waiting.Count), (turnstile.Inside, turnstile.Waiting));
            }
        }, threads: 1, iter: 1000);

    [Fact]
    public async Task ManyAtOnce_SomeLeaving_NeverMoreInsideThanPlacesAndNoneLost()
    {
        const int Places = 3, Visits = 400;
        var turnstile = new Turnstile(Places);
        var (inside, most, visited) = (0, 0, 0);
        var isFull = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        await Task.WhenAll(Enumerable.Range(0, 16).Select(visitor => Task.Run(async () =>
        {
            var random = new Random(visitor);
            for (var i = 0; i < Visits; i++)
            {
                using var leaving = new CancellationTokenSource();
                var demand = new Demand(random.Next(2) == 0);
                var entering = turnstile.EnterAsync(demand, leaving.Token);
                if (random.Next(4) == 0) await leaving.CancelAsync();
                demand.IsWanted = random.Next(2) == 0;
                try
                {
                    using var place = await entering;
                    var now = Interlocked.Increment(ref inside);
                    InterlockedMax(ref most, now);
                    if (now == Places) isFull.TrySetResult();
                    await isFull.Task;   // the first ones stay until all places are taken
                    await Task.Yield();
                    Interlocked.Decrement(ref inside);
                    Interlocked.Increment(ref visited);
                }
                catch (OperationCanceledException)
                {
                    // It left before its turn.
                }
            }
        }))).Soon();

        Assert.Equal(Places, most);
        Assert.InRange(visited, 16 * Visits / 2, 16 * Visits);
        Assert.Equal((0, 0), (turnstile.Inside, turnstile.Waiting));
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = Volatile.Read(ref most); value > seen;)
        {
            var was = Interlocked.CompareExchange(ref most, value, seen);
            if (was == seen) return;
            seen = was;
        }
    }

    private static Visitor Take(List<Visitor> from, int which)
    {
        var visitor = from[which % from.Count];
        from.Remove(visitor);
        return visitor;
    }

    private sealed class Visitor
    {
        private readonly Action _giveUp;

        public Visitor(Turnstile turnstile, bool isWanted)
        {
            var leaving = new CancellationTokenSource();
            _giveUp = leaving.Cancel;
            Demand = new Demand(isWanted);
            Entering = turnstile.EnterAsync(Demand, leaving.Token);
        }

        public Demand Demand { get; }

        public Task<IDisposable> Entering { get; }

        public void Leave() => Entering.Result.Dispose();

        public void GiveUp()
        {
            _giveUp();
            Assert.ThrowsAny<OperationCanceledException>(() => Entering.Soon().GetAwaiter().GetResult());
        }
    }
}
