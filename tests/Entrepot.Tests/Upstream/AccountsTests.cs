using Entrepot.Upstream;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Upstream;

public sealed class AccountsTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly UpstreamCounters _counters = new();
    private readonly Accounts _accounts;

    public AccountsTests()
    {
        var options = new UpstreamOptions { Name = "docker.io", Urls = [new("https://r.example")], Accounts = [new("a", "p", null), new("b", "p", null)] };
        _accounts = new Accounts(options, _counters, _clock);
    }

    [Fact]
    public void Choose_NothingTold_IsTheFirst() => Assert.Equal(("a", 2, null, false), (Chosen, _accounts.Count, _accounts.LimitedFor, _accounts.IsShort));

    [Fact]
    public void Choose_FirstHasLessThanTheReserve_IsTheNextUntilThePeriodIsOver()
    {
        Tell("a", "9;w=60");
        Assert.Equal(("b", false), (Chosen, _accounts.IsShort));
        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal("a", Chosen);
    }

    [Fact]
    public void Choose_AllHaveLessThanTheReserve_IsWhoHasMost()
    {
        Tell("a", "3;w=60");
        Tell("b", "5;w=60");

        Assert.Equal(("b", true), (Chosen, _accounts.IsShort));
        Tell("b", "2;w=60");
        Assert.Equal("a", Chosen);
    }

    [Fact]
    public void Choose_Limited_IsAnotherOneHoweverLittleItHas()
    {
        Tell("b", "1;w=60");
        Limit("a", 30);

        Assert.Equal(("b", null, true), (Chosen, _accounts.LimitedFor, _accounts.IsShort));
    }

    [Fact]
    public void Choose_LimitedNobodySaysForHowLong_IsAnotherOneForTenSeconds()
    {
        _counters.BudgetOf("a").Limit(null, _clock.GetUtcNow());

        Assert.Equal(("b", null, false), (Chosen, _accounts.LimitedFor, _accounts.IsShort));
        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("a", Chosen);
    }

    [Fact]
    public void LimitedFor_AllLimited_IsUntilTheFirstMayAsk()
    {
        Limit("a", 30);
        Limit("b", 20);

        Assert.Equal((TimeSpan.FromSeconds(20), false), (_accounts.LimitedFor, _accounts.IsShort));
        _clock.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(("b", null), (Chosen, _accounts.LimitedFor));
    }

    [Theory]
    [InlineData(null, null, "anonymous")]
    [InlineData("u", null, "u")]
    [InlineData(null, "/config.json", "dockerConfig")]
    public void BudgetOf_OneAccount_HasItsName(string? username, string? dockerConfig, string name)
    {
        var counters = new UpstreamCounters();
        _ = new Accounts(new UpstreamOptions { Name = "a", Urls = [new("https://a")], Username = username, DockerConfig = dockerConfig }, counters, _clock);

        Assert.Equal(name, Assert.Single(counters.Budgets).Account);
    }

    private string Chosen => _counters.Budgets.Single(one => one.Budget == _accounts.Choose().Budget).Account;

    private void Tell(string account, string remaining) => _counters.BudgetOf(account).Tell("100", remaining, null, _clock.GetUtcNow());

    private void Limit(string account, int seconds) => _counters.BudgetOf(account).Limit(TimeSpan.FromSeconds(seconds), _clock.GetUtcNow());
}
