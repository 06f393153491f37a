using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Quotas;

public sealed class RecentTouchesTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly Digest A = Digest.Of("a"u8), B = Digest.Of("b"u8);

    private readonly RecentTouches _touches = new();

    [Fact]
    public void ShouldTouch_FirstPull_IsTold() => Assert.True(_touches.ShouldTouch(A, Start));

    [Theory]
    [InlineData(0, false)]
    [InlineData(9_999, false)]
    [InlineData(10_000, true)]
    [InlineData(3_600_000, true)]
    [InlineData(-1, true)]
    public void ShouldTouch_SecondPull_IsToldWhenTheIntervalHasPassedOrTheClockWasSetBack(int milliseconds, bool expected)
    {
        _touches.ShouldTouch(A, Start);

        Assert.Equal(expected, _touches.ShouldTouch(A, Start.AddMilliseconds(milliseconds)));
    }

    [Fact]
    public void ShouldTouch_ClockSetBackALittle_IsToldOnceByTheNewTime()
    {
        _touches.ShouldTouch(B, Start);
        _touches.ShouldTouch(A, Start.AddSeconds(5));

        Assert.True(_touches.ShouldTouch(A, Start.AddSeconds(3)));
        Assert.False(_touches.ShouldTouch(A, Start.AddSeconds(4)));
    }

    [Fact]
    public void ShouldTouch_OtherManifest_IsIndependent()
    {
        _touches.ShouldTouch(A, Start);

        Assert.True(_touches.ShouldTouch(B, Start));
        Assert.False(_touches.ShouldTouch(A, Start));
    }

    [Fact]
    public void ShouldTouch_ManifestFromBeforeTheTurn_IsStillRemembered()
    {
        _touches.ShouldTouch(A, Start);
        _touches.ShouldTouch(B, Start.AddSeconds(9));

        Assert.True(_touches.ShouldTouch(A, Start.AddSeconds(10)));   // turns
        Assert.False(_touches.ShouldTouch(B, Start.AddSeconds(18)));
        Assert.False(_touches.ShouldTouch(A, Start.AddSeconds(19)));
        Assert.True(_touches.ShouldTouch(B, Start.AddSeconds(19)));
    }

    [Fact]
    public void ShouldTouch_PulledAllTheTime_IsToldOnceAnInterval()
    {
        var told = Enumerable.Range(0, 1_000).Count(tenth => _touches.ShouldTouch(A, Start.AddMilliseconds(100 * tenth)));

        Assert.Equal(10, told);
    }

    [Fact]
    public void ShouldTouch_HalfTheCapacityAtOnce_AreAllRemembered()
    {
        var digests = Digests.Some(RecentTouches.Capacity / 2);

        Assert.All(digests, digest => Assert.True(_touches.ShouldTouch(digest, Start)));
        Assert.All(digests, digest => Assert.False(_touches.ShouldTouch(digest, Start.AddSeconds(9))));
    }

    [Fact]
    public void ShouldTouch_CrowdAtOnce_KeepsMemoryBoundedAndForgetsTheFirst()
    {
        var digests = Digests.Some(10 * RecentTouches.Capacity);
        foreach (var digest in digests.Take(RecentTouches.Capacity)) _touches.ShouldTouch(digest, Start);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = RecentTouches.Capacity; i < digests.Length; i++) _touches.ShouldTouch(digests[i], Start);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.False(_touches.ShouldTouch(digests[^1], Start));
        Assert.True(_touches.ShouldTouch(digests[0], Start));
    }

    [Fact]
    public void ShouldTouch_ManyThreads_ExactlyOneIsTold()
    {
        var digests = Digests.Some(1_000);
        var told = 0;

        Parallel.For(0, 8, _ =>
        {
            foreach (var digest in digests)
                if (_touches.ShouldTouch(digest, Start)) Interlocked.Increment(ref told);
        });

        Assert.Equal(digests.Length, told);
    }

    [Fact]
    public void ShouldTouch_Remembered_AllocatesNothing()
    {
        _touches.ShouldTouch(A, Start);
        _touches.ShouldTouch(A, Start);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++) _touches.ShouldTouch(A, Start);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
