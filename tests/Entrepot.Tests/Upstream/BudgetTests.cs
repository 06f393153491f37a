using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class BudgetTests
{
    private static readonly DateTimeOffset Then = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Budget _budget = new();

    [Theory]
    [InlineData(null, "")]
    [InlineData("many", "-1")]
    [InlineData(";w=21600", "1.5")]
    public void Tell_Nonsense_IsIgnored(string? limit, string? remaining)
    {
        _budget.Tell(limit, remaining, " ", Then);

        Assert.Equal(new BudgetState(null, null, null, null, null), _budget.At(Then));
        Assert.False(_budget.IsShort(1000, Then));
    }

    [Fact]
    public void Tell_Several_KeepsTheLatestOfEach()
    {
        _budget.Tell("100;w=21600", "76;w=21600", "192.0.2.1", Then);
        _budget.Tell(null, "0", null, Then);

        Assert.Equal(new BudgetState(100, 0, TimeSpan.FromHours(6), "192.0.2.1", null), _budget.At(Then));
    }

    [Fact]
    public void Tell_LongSourceOfSeveralLines_IsOneShortLine()
    {
        _budget.Tell(null, null, "a\nb" + new string('c', 1000), Then);

        Assert.Equal("ab" + new string('c', 97), _budget.At(Then).Source);
    }

    [Theory]
    [InlineData("9;w=60", 0, true)]
    [InlineData("10;w=60", 0, false)]
    [InlineData("9;w=60", 59, true)]
    [InlineData("9;w=60", 60, false)]      // by then the registry counts anew
    [InlineData("9", 3599, true)]
    [InlineData("9", 3600, false)]
    public void IsShort_FewerThanTheReserve_HoldsForThePeriod(string remaining, int seconds, bool expected)
    {
        _budget.Tell("100", remaining, null, Then);

        Assert.Equal(expected, _budget.IsShort(10, Then.AddSeconds(seconds)));
    }

    [Theory]
    [InlineData(3, 3)]
    [InlineData(30, 30)]
    [InlineData(1_735_689_600, 3600)]
    public void Limit_SaidForHowLong_IsLimitedUntilThenButForAnHourAtMost(int told, int seconds)
    {
        _budget.Limit(TimeSpan.FromSeconds(told), Then);

        Assert.Equal(TimeSpan.FromSeconds(seconds), _budget.At(Then).LimitedFor);
        Assert.True(_budget.IsLimited(Then.AddSeconds(seconds - 1)));
        Assert.False(_budget.IsLimited(Then.AddSeconds(seconds)));
        Assert.Null(_budget.At(Then.AddSeconds(seconds)).LimitedFor);
        Assert.False(_budget.IsShort(10, Then));
    }

    [Theory]
    [InlineData(60, 3, 60)]
    [InlineData(3, 60, 61)]
    [InlineData(60, null, 60)]
    [InlineData(null, 3, 4)]        // what is told is better than a guess
    [InlineData(null, 60, 61)]
    public void Limit_SaidAgainASecondLater_IsLimitedForTheLongerOne(int? first, int? second, int seconds)
    {
        _budget.Limit(Seconds(first), Then);
        _budget.Limit(Seconds(second), Then.AddSeconds(1));

        Assert.Equal(TimeSpan.FromSeconds(seconds), _budget.At(Then).LimitedFor);

        static TimeSpan? Seconds(int? count) => count is { } told ? TimeSpan.FromSeconds(told) : null;
    }

    [Fact]
    public void Limit_Moment_IsLeftToWhoeverWasTold()
    {
        _budget.Limit(TimeSpan.FromSeconds(2), Then);

        Assert.False(_budget.IsLimited(Then));
    }

    [Fact]
    public void Limit_NotSaidForHowLong_IsForTenSecondsAndDoublesWhileThatIsTooShort()
    {
        var (now, silences) = (Then, new List<int>());
        for (var i = 0; i < 8; i++)
        {
            _budget.Limit(null, now);
            var silence = _budget.At(now).LimitedFor!.Value;
            silences.Add((int)silence.TotalSeconds);
            now += silence + TimeSpan.FromSeconds(9);
        }

        Assert.Equal([10, 20, 40, 80, 160, 320, 600, 600], silences);
    }

    [Fact]
    public void Limit_AskedBeforeTheSilence_DoesNotMakeItLonger()
    {
        _budget.Limit(null, Then);
        for (var i = 0; i < 6; i++) _budget.Limit(null, Then.AddSeconds(i));

        Assert.True(_budget.IsLimited(Then.AddSeconds(9)));
        Assert.False(_budget.IsLimited(Then.AddSeconds(10)));
    }

    [Theory]
    [InlineData(69, 20)]
    [InlineData(70, 10)]      // a minute after the silence of ten seconds
    public void Limit_LongAfterTheLastSilence_BeginsAnew(int seconds, int expected)
    {
        _budget.Limit(null, Then);
        _budget.Limit(null, Then.AddSeconds(seconds));

        Assert.Equal(TimeSpan.FromSeconds(expected), _budget.At(Then.AddSeconds(seconds)).LimitedFor);
    }
}
