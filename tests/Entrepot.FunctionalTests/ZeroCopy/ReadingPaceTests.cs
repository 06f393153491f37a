using Entrepot.Server.ZeroCopy;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.FunctionalTests.ZeroCopy;

public sealed class ReadingPaceTests
{
    private const int Rate = 100_000;   // judged every 5 seconds

    private readonly FakeTimeProvider _clock = new();
    private readonly ReadingPace _pace;

    public ReadingPaceTests() => _pace = new ReadingPace(Rate, _clock);

    [Theory]
    [InlineData(0, true)]
    [InlineData(2 * Rate, true)]
    [InlineData(5 * Rate, false)]
    public void IsTooSlow_AtTheEndOfASpan_GoesByWhatWasTaken(int taken, bool isTooSlow)
    {
        _pace.Begin();
        _clock.Advance(TimeSpan.FromSeconds(4.9));
        Assert.False(_pace.IsTooSlow(taken));
        _clock.Advance(TimeSpan.FromSeconds(0.1));

        Assert.Equal(isTooSlow, _pace.IsTooSlow(taken));
    }

    [Fact]
    public void IsTooSlow_BytesOfAnEarlierSpan_DoNotCountAgain()
    {
        _pace.Begin();
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.False(_pace.IsTooSlow(100 * Rate));
        _clock.Advance(TimeSpan.FromSeconds(5));

        Assert.True(_pace.IsTooSlow(100 * Rate));
    }

    [Fact]
    public void IsTooSlow_TimeInWhichNobodyWaited_IsNotHeldAgainstTheClient()
    {
        _pace.Begin();
        _clock.Advance(TimeSpan.FromSeconds(1));
        _pace.End();
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.False(_pace.IsTooSlow(0));
        _pace.Begin();
        _clock.Advance(TimeSpan.FromSeconds(3.9));

        Assert.False(_pace.IsTooSlow(0));
        _clock.Advance(TimeSpan.FromSeconds(0.1));
        Assert.True(_pace.IsTooSlow(0));   // many short waits are as good as a long one
    }

    [Fact]
    public void IsTooSlow_LowRate_IsJudgedOverSeveralSegments()
    {
        var pace = new ReadingPace(1000, _clock);
        pace.Begin();
        _clock.Advance(TimeSpan.FromSeconds(131));

        Assert.False(pace.IsTooSlow(0));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.True(pace.IsTooSlow(0));
    }
}
