using System.Text;
using Entrepot.Upstream;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.FunctionalTests.Upstream;

/// <summary>Several accounts of one upstream, each with requests of its own.</summary>
public sealed class AccountTests : UpstreamTest
{
    private readonly Dictionary<string, int> _left = new() { ["a"] = 15, ["b"] = 12 };
    private readonly List<string> _asked = [];
    private readonly List<string> _issued = [];   // whom tokens were given to
    private int? _retryAfter;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Requests_AreMadeByTheFirstThatHasMoreThanTheReserve_ThenByWhoHasMost(bool hasTokens)
    {
        var upstream = await ConnectAsync(TimeProvider.System, hasTokens);

        for (var i = 0; i < 14; i++) Assert.NotNull((await upstream.GetManifestAsync(SomeTag, default)).Value);

        // Each keeps ten, told by the answer that leaves nine; then they take turns.
        Assert.Equal("aaaaaabbbababa", string.Concat(_asked));
        Assert.Equal(hasTokens ? ["a", "b"] : [], _issued);   // each its own, and once
        Assert.True(upstream.IsShort);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Request_OneAccountIsLimited_IsAnsweredToAnother(bool hasTokens)
    {
        (_left["a"], _retryAfter) = (0, 300);
        var upstream = await ConnectAsync(TimeProvider.System, hasTokens);

        Assert.NotNull((await upstream.GetManifestAsync(SomeTag, default)).Value);
        Assert.NotNull((await upstream.GetManifestAsync(SomeTag, default)).Value);

        Assert.Equal(["a", "b", "b"], _asked);
        Assert.False(upstream.IsShort);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Request_EveryAccountIsLimited_IsRefusedWithoutAskingUntilOneMayAsk(bool hasTokens)
    {
        (_left["a"], _left["b"], _retryAfter) = (0, 0, 300);
        var clock = new FakeTimeProvider(DateTimeOffset.UnixEpoch);
        var upstream = await ConnectAsync(clock, hasTokens);

        var told = await upstream.GetManifestAsync(SomeTag, default);
        clock.Advance(TimeSpan.FromSeconds(100));
        var refused = await upstream.HeadManifestAsync(SomeTag, default);

        Assert.Equal((429, 300), (told.Error?.Status, told.Error?.RetryAfter?.TotalSeconds));
        Assert.Equal((429, 200), (refused.Error?.Status, refused.Error?.RetryAfter?.TotalSeconds));
        Assert.Equal(["a", "b"], _asked);

        _left["a"] = 20;
        clock.Advance(TimeSpan.FromSeconds(200));
        Assert.NotNull((await upstream.GetManifestAsync(SomeTag, default)).Value);
    }

    private async Task<RegistryUpstream> ConnectAsync(TimeProvider clock, bool hasTokens)
    {
        var registry = await ServeAsync(context => AnswerAsync(context, hasTokens));
        return Connect(
            new UpstreamOptions { Name = "test", Urls = [registry.Address], Accounts = [new("a", "secret", null), new("b", "secret", null)] }, Times with { Pause = TimeSpan.Zero }, clock);
    }

    // Of requests that come one after the other.
    private Task AnswerAsync(HttpContext context, bool hasTokens)
    {
        var authorization = context.Request.Headers.Authorization.ToString();
        if (context.Request.Path == "/token")
        {
            _issued.Add(NameIn(authorization));
            return SendAsync(context, 200, $$"""{"token":"{{_issued[^1]}}-token","expires_in":3600}""", "application/json");
        }

        if (authorization.Length == 0)
        {
            context.Response.Headers.WWWAuthenticate = hasTokens ? $"Bearer realm=\"http://{context.Request.Host}/token\",service=\"test\"" : "Basic realm=\"test\"";
            return SendAsync(context, 401);
        }

        var account = hasTokens ? authorization["Bearer ".Length..].Split('-')[0] : NameIn(authorization);
        _asked.Add(account);
        var isTooMuch = _left[account] == 0;
        if (!isTooMuch) _left[account]--;
        context.Response.Headers["ratelimit-limit"] = "100;w=21600";
        context.Response.Headers["ratelimit-remaining"] = $"{_left[account]};w=21600";
        if (isTooMuch && _retryAfter is { } seconds) context.Response.Headers.RetryAfter = $"{seconds}";
        return SendAsync(context, isTooMuch ? 429 : 200, "content");
    }

    private static string NameIn(string basic) => Encoding.UTF8.GetString(Convert.FromBase64String(basic["Basic ".Length..])).Split(':')[0];
}
