using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

/// <summary>Which run begins, and which one makes place.</summary>
public sealed class ArrivalTests
{
    private const long Size = 1L << 30;

    [Fact]
    public void BeginNext_FirstReaderWantsTheEnd_BeginsThereBeforeItWaits()
    {
        var arrival = new Arrival(new FetchRules(), new RangeRequest(null, 1024), TimeProvider.System) { Size = Size };
        arrival.Share(FetchPlan.MostStripe);

        Assert.Equal(Size - 1024, arrival.BeginNext(Size, 4, FetchPlan.MostStripe)!.From);
        Assert.Equal(0, arrival.BeginNext(Size, 4, FetchPlan.MostStripe)!.From);
    }

    [Fact]
    public async Task BeginNext_AllPlacesAreTakenByFilling_OneRunEndsSoonForWhoWaits()
    {
        var arrival = new Arrival(new FetchRules(), null, TimeProvider.System) { Size = Size };
        arrival.Share(FetchPlan.MostStripe);
        var runs = Enumerable.Range(0, 4).Select(_ => arrival.BeginNext(Size, 4, FetchPlan.MostStripe)!).ToList();
        foreach (var run in runs.Skip(1)) run.Demand.IsWanted = false;
        var ends = runs.ConvertAll(run => run.End);
        await using var far = new FollowedBlob(new Fetch(PullKit.Of(Digest.Of("x"u8)), null, new FetchRules(), TimeProvider.System), new EmptyBlob(), Size, new RangeRequest(Size - 10, null));
        arrival.Follow(far);

        Assert.True(arrival.Waits(far));
        Assert.Null(arrival.BeginNext(Size, 4, FetchPlan.MostStripe));
        Assert.Null(arrival.BeginNext(Size, 4, FetchPlan.MostStripe));   // asked again, it ends no second one

        Assert.Equal(ends[..3], runs[..3].ConvertAll(run => run.End));
        Assert.Equal(runs[3].Position + FetchPlan.Farewell, runs[3].End);
        arrival.End(runs[3]);
        Assert.Equal(Size - 10, arrival.BeginNext(Size, 4, FetchPlan.MostStripe)!.From);
    }

    [Fact]
    public void GiveBack_AnotherBringsNothing_GoesOnAsFarAsItAskedAndNothingIsThere()
    {
        var arrival = new Arrival(new FetchRules(), null, TimeProvider.System) { Size = Size };
        var plain = arrival.Begin(new ByteSpan(0, long.MaxValue), isWanted: true);
        arrival.Share(FetchPlan.LeastStripe);
        var second = arrival.BeginNext(Size, 4, FetchPlan.LeastStripe)!;
        var third = arrival.BeginNext(Size, 4, FetchPlan.LeastStripe)!;
        Assert.Equal((FetchPlan.LeastStripe, FetchPlan.LeastStripe), (plain.End, second.From));

        arrival.End(second);
        arrival.GiveBack();
        Assert.Equal(third.From, plain.End);
        Assert.Equal(third.Asked, third.End);

        arrival.Add(third, 10, hasMore: false);
        arrival.End(third);
        arrival.GiveBack();
        Assert.Equal(third.From, plain.End);
    }

    [Fact]
    public void Add_ManyFollow_TellsThemInLargeStepsWhileMoreIsAtHand()
    {
        const int piece = 256 << 10;
        var arrival = new Arrival(new FetchRules(), null, TimeProvider.System) { Size = (5 * piece) + 1 };
        var fetch = new Fetch(PullKit.Of(Digest.Of("x"u8)), null, new FetchRules(), TimeProvider.System);
        var run = arrival.Begin(new ByteSpan(0, long.MaxValue), isWanted: true);
        Assert.True(arrival.Add(run, 1, hasMore: true));   // nobody reads along, or few
        for (var i = 0; i <= FetchPlan.Crowd; i++) arrival.Follow(new FollowedBlob(fetch, new EmptyBlob(), Size, null));

        Assert.Equal([false, false, false, true], Enumerable.Range(0, 4).Select(_ => arrival.Add(run, piece, hasMore: true)));
        Assert.False(arrival.Add(run, 1, hasMore: true));
        Assert.True(arrival.Add(run, 1, hasMore: false));
        Assert.True(arrival.Add(run, piece - 2, hasMore: true));   // that is all of it
    }

    private sealed class EmptyBlob : Blob
    {
        public override long Size => 0;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancel) => default;

        public override ValueTask DisposeAsync() => default;
    }
}
