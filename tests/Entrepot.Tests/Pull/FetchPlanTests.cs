using CsCheck;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Pull;

public sealed class FetchPlanTests
{
    private const long Mega = 1_000_000;
    private const long Size = 1000 * Mega;

    private static readonly Gen<(int Most, int[] Waits, int[] Ends)> Courses =
        Gen.Select(Gen.Int[1, 6], Gen.Int[0, 999].Array[0, 20], Gen.Int[0, 100].Array[1, 50]);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(2, 1)]
    [InlineData(1000, 500)]
    [InlineData(2 * FetchPlan.HeldTail, FetchPlan.HeldTail)]
    [InlineData(2 * FetchPlan.HeldTail + 1, FetchPlan.HeldTail + 1)]
    [InlineData(1 << 30, (1 << 30) - FetchPlan.HeldTail)]
    public void HoldFrom_Size_LeavesTheTail(long size, long from) => Assert.Equal(from, FetchPlan.HoldFrom(size));

    [Theory]
    [InlineData(0, 0, null, null, null, null, Continuation.Append)]
    [InlineData(0, 0, 100L, 100L, "a", "b", Continuation.Compare)]
    [InlineData(0, 0, 100L, 101L, null, null, Continuation.Compare)]
    [InlineData(50, 0, 100L, 100L, "a", "b", Continuation.Compare)]      // no ranges, or If-Range did not hold: all from 0
    [InlineData(50, 50, 100L, 100L, "a", "a", Continuation.Append)]
    [InlineData(50, 50, 100L, null, "a", null, Continuation.Append)]     // what is not said does not contradict
    [InlineData(50, 50, null, 100L, null, "a", Continuation.Append)]
    [InlineData(50, 50, 100L, 100L, "a", "b", Continuation.AskFromStart)]
    [InlineData(50, 50, 100L, 101L, null, null, Continuation.AskFromStart)]
    [InlineData(50, 50, null, 49L, null, null, Continuation.AskFromStart)]
    [InlineData(50, 49, 100L, 100L, null, null, Continuation.AskFromStart)]
    [InlineData(50, 51, 100L, 100L, null, null, Continuation.AskFromStart)]
    [InlineData(0, 7, null, 100L, null, null, Continuation.AskFromStart)]
    public void Continue_Offer_JoinsWhatHasArrived(
        long arrived, long offset, long? size, long? offeredSize, string? validator, string? offeredValidator, Continuation expected)
    {
        var offered = new UpstreamBlob { Content = Stream.Null, Offset = offset, Size = offeredSize, Validator = offeredValidator };

        Assert.Equal(expected, FetchPlan.Continue(arrived, size, validator, offered));
    }

    [Fact]
    public void First_WholeBlob_IsAskedForPlainlyAndAPartByAStripe()
    {
        Assert.Equal((0, null), FetchPlan.First(null, 4, FillMode.Complete));
        Assert.Equal((0, FetchPlan.FirstStripe), FetchPlan.First(null, 4, FillMode.Touched));
        Assert.Equal((500, null), FetchPlan.First(new RangeRequest(500, 510), 1, FillMode.Complete));
        Assert.Equal((500, 500 + FetchPlan.FirstStripe), FetchPlan.First(new RangeRequest(500, 510), 4, FillMode.Complete));
    }

    [Theory]
    [InlineData(0L, 1L, 0, FetchPlan.Piece)]
    [InlineData(FetchPlan.Piece - 1, FetchPlan.Piece, 0, 2 * FetchPlan.Piece)]
    [InlineData(10 * FetchPlan.Piece, null, 10 * FetchPlan.Piece, 10 * FetchPlan.Piece + FetchPlan.ReadAhead)]
    public void First_Touched_AsksForWholePiecesAndNotFarAhead(long first, long? last, long from, long to) =>
        Assert.Equal((from, to), FetchPlan.First(new RangeRequest(first, last), 4, FillMode.Touched));

    [Theory]
    [InlineData(300, 2, 100, true)]      // 20 MB/s, and 15 s to go
    [InlineData(1, 2, 100, false)]       // 20 MB/s, and 50 ms to go
    [InlineData(1000, 11, 100, false)]   // 110 MB/s
    [InlineData(1000, 9, 100, true)]     // 90 MB/s
    [InlineData(90, 9, 100, false)]      // 90 MB/s, and a second to go
    [InlineData(40, 0, 100, true)]       // it stands
    public void IsSlow_Run_WhereMoreRunsWouldBringSomething(long left, long bytes, int milliseconds, bool isSlow) =>
        Assert.Equal(isSlow, FetchPlan.IsSlow(left * Mega, bytes * Mega, TimeSpan.FromMilliseconds(milliseconds)));

    [Fact]
    public void Next_NotShared_IsFilledByOneRunAndByOthersWhereSomebodyWaits()
    {
        Assert.Equal(new NextRun(new ByteSpan(0, FetchPlan.MostStripe), false), FetchPlan.Next(View() with { IsShared = false }));
        Assert.Null(FetchPlan.Next(View(runs: [new(0, Mega)]) with { IsShared = false }));
        Assert.Equal(500 * Mega, FetchPlan.Next(View(runs: [new(0, Size)], waiting: [new(500 * Mega, Size)]) with { IsShared = false })!.Value.Span.From);
    }

    [Fact]
    public void Next_ReaderWaitsFarFromAllRuns_GetsARunWhereItWaits()
    {
        var next = FetchPlan.Next(View(runs: [new(0, Size)], waiting: [new(500 * Mega, Size)]))!.Value;

        Assert.Equal((500 * Mega, true), (next.Span.From, next.IsWaitedFor));
        Assert.InRange(next.Span.Length, FetchPlan.LeastStripe, FetchPlan.MostStripe);
    }

    [Fact]
    public void Next_ReaderWaitsForARunThatIsNear_GetsNoneOfItsOwn() =>
        Assert.False(FetchPlan.Next(View(runs: [new(0, Size)], waiting: [new(FetchPlan.Patience, Size)]))?.IsWaitedFor ?? false);

    [Fact]
    public void Next_AllRunsAreTaken_NobodyGetsOne() =>
        Assert.Null(FetchPlan.Next(View(runs: [new(0, 10), new(20, 30), new(40, 50), new(60, 70)], waiting: [new(500 * Mega, Size)])));

    [Fact]
    public void Next_SmallBlob_IsFilledByOneRunAndByOthersWhereSomebodyWaits()
    {
        const long small = FetchPlan.ParallelFrom - 1;

        Assert.Equal(new NextRun(new ByteSpan(0, small), false), FetchPlan.Next(View(size: small)));
        Assert.Null(FetchPlan.Next(View(size: small, runs: [new(0, small / 2)]) with { IsShared = false }));
        Assert.Equal(small - 10, FetchPlan.Next(View(size: small, runs: [new(0, small)], waiting: [new(small - 10, small)]))!.Value.Span.From);
    }

    [Fact]
    public void Next_Touched_BringsPiecesThatAreReadAndNothingElse()
    {
        var wanted = new ByteSpan(500 * Mega + 1, 500 * Mega + 2);

        var next = FetchPlan.Next(View(waiting: [wanted], fill: FillMode.Touched))!.Value;

        Assert.True(next.Span.From <= wanted.From && wanted.To <= next.Span.To && next.Span.Length == FetchPlan.Piece);
        Assert.Null(FetchPlan.Next(View(fill: FillMode.Touched)));
    }

    [Fact]
    public void Next_OneWaitsLongerThanTheOthers_ComesFirst() =>
        Assert.Equal(700 * Mega, FetchPlan.Next(View(waiting: [new(700 * Mega, Size), new(100 * Mega, Size)]))!.Value.Span.From);

    [Fact]
    public void Next_Filling_BeginsWhereTheForemostReaderIs() =>
        Assert.Equal(400 * Mega, FetchPlan.Next(View(near: 400 * Mega))!.Value.Span.From);

    // Whatever order runs end in, and whoever waits where: each byte is claimed once, and a blob is filled in the end.
    [Fact]
    public void Next_AnyCourse_ClaimsNoByteTwiceAndFillsAll() => Courses.Sample(course =>
    {
        var arrived = new Extents();
        var runs = new List<ByteSpan>();
        var waits = new List<ByteSpan>(course.Waits.Select(at => new ByteSpan(at * Size / 1000, Size)));
        var claimed = 0L;
        for (var step = 0; arrived.Total < Size; step++)
        {
            Assert.True(step < 10_000, "it never ends");
            waits.RemoveAll(wait => arrived.EndFrom(wait.From) > wait.From);
            var view = View(runs: runs, waiting: waits, most: course.Most) with { Arrived = arrived };
            if (FetchPlan.Next(view) is { } next)
            {
                var cut = runs.FindIndex(run => run.From < next.Span.From && next.Span.From < run.To);
                if (cut >= 0)
                {
                    claimed -= runs[cut].To - next.Span.From;
                    runs[cut] = runs[cut] with { To = next.Span.From };
                }

                Assert.True(next.Span.Length > 0);
                Assert.All(runs, run => Assert.True(run.To <= next.Span.From || next.Span.To <= run.From));
                Assert.Equal(next.Span, new Extents(arrived).FirstGap(next.Span.From, next.Span.To));
                runs.Add(next.Span);
                claimed += next.Span.Length;
                continue;
            }

            Assert.NotEmpty(runs);
            var which = course.Ends[step % course.Ends.Length] % runs.Count;
            arrived.Add(runs[which]);
            runs.RemoveAt(which);
        }

        Assert.Equal(Size, claimed);
    });

    private static FetchView View(
        long size = Size, IReadOnlyList<ByteSpan>? runs = null, IReadOnlyList<ByteSpan>? waiting = null, long near = 0, int most = 4, FillMode fill = FillMode.Complete) =>
        new(size, new Extents(), runs ?? [], waiting ?? [], near, most, FetchPlan.MostStripe, IsShared: true, fill);
}
