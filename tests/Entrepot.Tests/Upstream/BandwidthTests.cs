using CsCheck;
using Entrepot.Pull;
using Entrepot.Tests.Kit;
using Entrepot.Upstream;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Upstream;

public sealed class BandwidthTests
{
    private const int Buffer = 64 << 10;

    private readonly FakeTimeProvider _clock = new();

    [Theory]
    [InlineData(1_000, 1)]
    [InlineData(300_000, 5)]
    [InlineData(20_000_000, 1)]
    [InlineData(200_000_000, 40)]
    public void TakeAsync_Always_KeepsTheRateInTheLongRun(long rate, int readers)
    {
        var taken = Total(Run(new Bandwidth(_clock) { BytesPerSecond = rate }, readers, seconds: 20));

        Assert.InRange(taken, rate * 20 * 0.98, rate * 20 * 1.02);
    }

    // Any rate, any number of readers, bytes that do not come, and pauses in which nobody reads: in no window is there more than the rate and 100 ms of it.
    [Fact]
    public void TakeAsync_AnyReaders_NeverBurst() =>
        Gen.Select(Gen.Long[1_000, 500_000_000], Gen.Int[1, 20], Gen.Int[0, 1000]).Sample((rate, readers, seed) =>
        {
            var random = new Random(seed);
            var taken = Run(new Bandwidth(_clock) { BytesPerSecond = rate }, readers, seconds: 1, random);
            for (var from = 0; from < taken.Length; from += 7)
            {
                var sum = 0L;
                for (var to = from; to < taken.Length; to++)
                {
                    sum += taken[to];
                    Assert.True(sum <= (rate * (to - from + 1 + 100) / 1000) + 1, $"{sum} bytes in {to - from + 1} ms at {rate} a second");
                }
            }
        }, threads: 1, iter: 20);

    [Fact]
    public async Task TakeAsync_Unlimited_IsAllAtOnce()
    {
        var bandwidth = new Bandwidth(_clock);
        for (var i = 0; i < 1000; i++)
        {
            var taking = bandwidth.TakeAsync(1 << 30, new Demand(false), default);
            Assert.True(taking.IsCompletedSuccessfully);
            Assert.Equal(1 << 30, await taking);
        }

        Assert.Null(bandwidth.BytesPerSecond);
    }

    [Fact]
    public async Task TakeAsync_ManyWait_AreServedInOrderAndWantedFirst()
    {
        var bandwidth = new Bandwidth(_clock) { BytesPerSecond = 1_000_000 };
        await Exhaust(bandwidth);
        var demand = new Demand(false);
        var unwanted = Take(bandwidth, demand: new Demand(false));
        var wanted = Take(bandwidth);
        var later = Take(bandwidth);
        var changed = Take(bandwidth, demand: demand);
        demand.IsWanted = true;

        foreach (var next in (Task<int>[])[wanted, later, changed, unwanted])
        {
            Assert.False(next.IsCompleted);
            _clock.Advance(TimeSpan.FromMilliseconds(20));
            Assert.Equal(20_000, await next.Soon());
        }
    }

    [Fact]
    public void TakeAsync_WantedTakeAll_UnwantedGetNothingUntilTheyPause()
    {
        var bandwidth = new Bandwidth(_clock) { BytesPerSecond = 1_000_000 };
        var wanted = new Reader(bandwidth, Demand.Always, Buffer);
        var unwanted = new Reader(bandwidth, new Demand(false), Buffer);
        Step(1000, wanted, unwanted);
        Assert.InRange(unwanted.Taken, 0, 20_000);   // its first share, before there was anybody else

        var before = unwanted.Taken;
        Step(1000, unwanted);
        Assert.InRange(unwanted.Taken - before, 900_000, 1_100_000);
    }

    [Fact]
    public async Task TakeAsync_Cancelled_LeavesItsTurnToTheNext()
    {
        var bandwidth = new Bandwidth(_clock) { BytesPerSecond = 1_000_000 };
        await Exhaust(bandwidth);
        using var leaving = new CancellationTokenSource();
        var first = Take(bandwidth, cancel: leaving.Token);
        var second = Take(bandwidth);

        await leaving.CancelAsync();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.Soon());
        Assert.Equal(leaving.Token, error.CancellationToken);
        _clock.Advance(TimeSpan.FromMilliseconds(20));

        Assert.Equal(20_000, await second.Soon());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Take(bandwidth, cancel: leaving.Token));
    }

    [Fact]
    public async Task Return_BytesThatDidNotCome_AreTheNextOnes()
    {
        var bandwidth = new Bandwidth(_clock) { BytesPerSecond = 1_000_000 };
        await Exhaust(bandwidth);
        var next = Take(bandwidth);

        bandwidth.Return(20_000);

        Assert.Equal(20_000, await next.Soon());
    }

    [Fact]
    public async Task BytesPerSecond_Changed_CountsAtOnce()
    {
        var bandwidth = new Bandwidth(_clock) { BytesPerSecond = 1_000_000_000_000 };
        await Exhaust(bandwidth);

        bandwidth.BytesPerSecond = 1_000;   // what was taken at the old rate is not waited for
        var slow = Take(bandwidth);
        Assert.False(slow.IsCompleted);
        _clock.Advance(TimeSpan.FromMilliseconds(20));
        Assert.Equal(20, await slow.Soon());

        var waiting = Take(bandwidth);
        Assert.False(waiting.IsCompleted);
        bandwidth.BytesPerSecond = null;
        Assert.Equal(Buffer, await waiting.Soon());
    }

    private static Task<int> Take(Bandwidth bandwidth, Demand? demand = null, CancellationToken cancel = default) =>
        bandwidth.TakeAsync(Buffer, demand ?? Demand.Always, cancel).AsTask();

    // Takes all that there is without waiting.
    private static async Task Exhaust(Bandwidth bandwidth)
    {
        while (true)
        {
            using var enough = new CancellationTokenSource();
            var taking = bandwidth.TakeAsync(int.MaxValue, Demand.Always, enough.Token);
            if (taking.IsCompleted)
            {
                await taking;
                continue;
            }

            await enough.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => taking.Soon());
            return;
        }
    }

    // What was taken in each millisecond.
    private long[] Run(Bandwidth bandwidth, int readers, int seconds, Random? random = null)
    {
        Reader[] all = [.. Enumerable.Range(0, readers).Select(_ => new Reader(bandwidth, Demand.Always, Buffer))];
        var taken = new long[seconds * 1000];
        for (var at = 0; at < taken.Length; at++)
        {
            var before = all.Sum(reader => reader.Taken);
            var isPaused = random is not null && at / 50 % 3 == 1;
            foreach (var reader in all)
                if (!isPaused) reader.Read(random);
            taken[at] = all.Sum(reader => reader.Taken) - before;
            _clock.Advance(TimeSpan.FromMilliseconds(1));
        }

        return taken;
    }

    private void Step(int milliseconds, params Reader[] readers)
    {
        for (var i = 0; i < milliseconds; i++)
        {
            foreach (var reader in readers) reader.Read();
            _clock.Advance(TimeSpan.FromMilliseconds(1));
        }
    }

    private static double Total(long[] taken) => taken.Sum();

    // Asks for the next share as soon as it has got one.
    private sealed class Reader(Bandwidth bandwidth, Demand demand, int buffer)
    {
        private Task<int>? _taking;

        public long Taken { get; private set; }

        public void Read(Random? random = null)
        {
            while ((_taking ??= bandwidth.TakeAsync(buffer, demand, default).AsTask()).IsCompletedSuccessfully)
            {
                var missing = random is null ? 0 : random.Next(_taking.Result);
                bandwidth.Return(missing);
                Taken += _taking.Result - missing;
                _taking = null;
            }
        }
    }
}
