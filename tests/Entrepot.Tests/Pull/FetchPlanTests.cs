using Entrepot.Pull;

namespace Entrepot.Tests.Pull;

public sealed class FetchPlanTests
{
    [Theory]
    [InlineData(0, 0, false)]
    [InlineData(FetchPlan.Patience, 0, false)]
    [InlineData(FetchPlan.Patience + 1, 0, true)]
    [InlineData(FetchPlan.Patience + 1, 1, false)]
    [InlineData(5, 100, false)]
    [InlineData(long.MaxValue, 0, true)]
    public void IsFar_OffsetAheadOfTheRun_HasALimit(long from, long arrived, bool far) => Assert.Equal(far, FetchPlan.IsFar(from, arrived));

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(FetchPlan.HeldTail, 0)]
    [InlineData(FetchPlan.HeldTail + 1, 1)]
    [InlineData(1 << 30, (1 << 30) - FetchPlan.HeldTail)]
    public void HoldFrom_Size_LeavesTheTail(long size, long from) => Assert.Equal(from, FetchPlan.HoldFrom(size));

    [Theory]
    [InlineData(0, 0, null, null, null, null, Continuation.Compare)]
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
}
