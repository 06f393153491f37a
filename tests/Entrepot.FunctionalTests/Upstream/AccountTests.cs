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
    private int? _retryAfter;

    [Fact]
    public async Task Requests_AreMadeByTheFirstThatHasMoreThanTheReserve_ThenByWhoHasMost()
    {
        var upstream = await ConnectAsync(TimeProvider.System);

        for (var i = 0; i < 14; i++) Assert.NotNull((await upstream.GetManifestAsync(SomeTag, default)).Value);

        // Each keeps ten, told by the answer that leaves nine; then they take turns.
        Assert.Equal("aaaaaabbbababa", string.Concat(_asked));
        Assert.True(upstream.IsShort);
    }

    [Fact]
    public async Task Request_OneAccountIsLimited_IsAnsweredToAnother()
    {
        (_left["a"], _retryAfter) = (0, 300);
        var upstream = await ConnectAsync(TimeProvider.System);

        Assert.NotNull((await upstream.GetManifestAsync(SomeTag, default)).Value);
        Assert.NotNull((await upstream.GetManifestAsync(SomeTag, default)).Value);

        Assert.Equal(["a", "b", "b"], _asked);
        Assert.False(upstream.IsShort);
    }

    [Fact]
    public async Task Request_EveryAccountIsLimited_IsRefusedWithoutAskingUntilOneMayAsk()
    {
        (_left["a"], _left["b"], _retryAfter) = (0, 0, 300);
        var clock = new FakeTimeProvider(DateTimeOffset.UnixEpoch);
        var upstream = await ConnectAsync(clock);

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

    private async Task<RegistryUpstream> ConnectAsync(TimeProvider clock)
    {
        var registry = await ServeAsync(AnswerAsync);
        return Connect(
            new UpstreamOptions { Name = "test", Urls = [registry.Address], Accounts = [new("a", "secret", null), new("b", "secret", null)] }, clock: clock);
    }

    // Of requests that come one after the other.
    private Task AnswerAsync(HttpContext context)
    {
        if (context.Request.Headers.Authorization.ToString() is not { Length: > 6 } basic)
        {
            context.Response.Headers.WWWAuthenticate = "Basic realm=\"test\"";
            return SendAsync(context, 401);
        }

        var account = Encoding.UTF8.GetString(Convert.FromBase64String(basic["Basic ".Length..])).Split(':')[0];
        _asked.Add(account);
        var isTooMuch = _left[account] == 0;
        if (!isTooMuch) _left[account]--;
        context.Response.Headers["ratelimit-limit"] = "100;w=21600";
        context.Response.Headers["ratelimit-remaining"] = $"{_left[account]};w=21600";
        if (isTooMuch && _retryAfter is { } seconds) context.Response.Headers.RetryAfter = $"{seconds}";
        return SendAsync(context, isTooMuch ? 429 : 200, "content");
    }
}
