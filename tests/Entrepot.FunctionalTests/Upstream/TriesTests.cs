using System.Diagnostics;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Upstream;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.FunctionalTests.Upstream;

public sealed class TriesTests : UpstreamTest
{
    [Fact]
    public async Task Request_TwoFailuresThenContent_Succeeds()
    {
        var failures = 2;
        var registry = await ServeAsync(context => SendAsync(context, failures-- > 0 ? 500 : 200, "content"));

        var answer = await Connect(registry.Address).GetManifestAsync(SomeTag, default);

        Assert.NotNull(answer.Value);
        Assert.Equal(3, registry.Requests.Count);
        Assert.Contains(new UpstreamRequests("manifest", "500", 2), Counters.Requests);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("soon")]
    [InlineData("0")]
    public async Task Request_OnlyFailures_IsDownAfterThreeTries(string? after)
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers.RetryAfter = after;
            return SendAsync(context, 503);
        });

        var answer = await Connect(registry.Address).GetManifestAsync(SomeTag, default);

        Assert.Equal(503, answer.Error?.Status);
        Assert.Contains("it answered 503", answer.Error?.Detail, StringComparison.Ordinal);
        Assert.Equal(3, registry.Requests.Count);
    }

    [Theory]
    [InlineData(503, 503, "3", 3)]
    [InlineData(502, 503, "3600", 3600)]
    [InlineData(503, 503, "Thu, 01 Jan 1970 00:01:30 GMT", 30)]   // half a minute after its Date
    [InlineData(429, 429, "3", 3)]
    [InlineData(429, 429, "Thu, 01 Jan 1970 00:01:30 GMT", 30)]
    [InlineData(429, 429, null, 3)]       // engines wait for as long as they are told, again and again
    [InlineData(429, 429, "soon", 3)]
    public async Task Request_LimitOrLongRetryAfter_IsPassedOnAtOnce(int status, int told, string? after, int? seconds)
    {
        var registry = await ServeAsync(context =>
        {
            (context.Response.Headers.RetryAfter, context.Response.Headers.Date) = (after, "Thu, 01 Jan 1970 00:01:00 GMT");
            return SendAsync(context, status);
        });

        var answer = await Connect(registry.Address).GetManifestAsync(SomeTag, default);

        Assert.Equal(told, answer.Error?.Status);
        Assert.Equal(seconds, Ceiling(answer.Error?.RetryAfter));
        Assert.Single(registry.Requests);
    }

    [Theory]
    [InlineData(503, "1", 2, 2)]
    [InlineData(503, "Thu, 01 Jan 1970 00:00:30 GMT", 2, 0)]   // over before its Date
    [InlineData(429, "1", 1, 1)]
    [InlineData(429, "0", 1, 0)]
    public async Task Request_AMomentIsAskedFor_WaitsThatLongAndIsRightThen(int status, string after, int failures, int seconds)
    {
        var left = failures;
        var registry = await ServeAsync(context =>
        {
            if (Interlocked.Decrement(ref left) < 0) return SendAsync(context, 200, "content");
            (context.Response.Headers.RetryAfter, context.Response.Headers.Date) = (after, "Thu, 01 Jan 1970 00:01:00 GMT");
            return SendAsync(context, status);
        });
        var began = Stopwatch.GetTimestamp();

        var answer = await Connect(registry.Address).GetManifestAsync(SomeTag, default);

        Assert.NotNull(answer.Value);
        Assert.Equal(failures + 1, registry.Requests.Count);
        Assert.True(Stopwatch.GetElapsedTime(began) >= 0.95 * TimeSpan.FromSeconds(seconds), "it was asked before it wanted to be");   // timers go by a coarser clock
    }

    [Fact]
    public async Task Request_StillLimitedAfterAMoment_IsPassedOn()
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers.RetryAfter = "1";
            return SendAsync(context, 429);
        });

        var answer = await Connect(registry.Address).GetManifestAsync(SomeTag, default);

        Assert.Equal((429, 1), (answer.Error?.Status, answer.Error?.RetryAfter?.TotalSeconds));
        Assert.Equal(2, registry.Requests.Count);
    }

    [Theory]
    [InlineData(429, false)]
    [InlineData(503, true)]
    public async Task IsDown_AfterManyAnswersThatSayWhen_IsForOutagesAndNotForLimits(int status, bool isDown)
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers.RetryAfter = "3";
            return SendAsync(context, status);
        });
        var upstream = Connect(registry.Address);

        for (var i = 0; i < 4; i++) await upstream.HeadManifestAsync(SomeTag, default);

        Assert.Equal((isDown, isDown), (upstream.IsDown, upstream.WasDead));
    }

    [Fact]
    public async Task Request_NobodyListens_IsDown()
    {
        var answer = await Connect(Nowhere()).GetManifestAsync(SomeTag, default);

        Assert.Equal(503, answer.Error?.Status);
        Assert.Contains("Connection refused", answer.Error?.Detail, StringComparison.Ordinal);
        Assert.Equal([new UpstreamRequests("manifest", "error", 3)], Counters.Requests);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Request_EveryConnectionIsEndedWithoutAWord_IsThreeRequests(bool resets)
    {
        var registry = ServeRaw("", resets: resets);

        var answer = await Connect(registry.Address).GetManifestAsync(SomeTag, default);

        Assert.Equal(503, answer.Error?.Status);
        Assert.Contains("without an answer", answer.Error?.Detail, StringComparison.Ordinal);
        Assert.Equal(3, registry.Requests);
        Assert.Equal([new UpstreamRequests("manifest", "error", 3)], Counters.Requests);
    }

    [Fact]
    public async Task Request_IdleConnectionWasClosed_GoesOverAnotherOneUnnoticed()
    {
        await using var registry = new TestRegistry();
        registry.Content.AddImage("team/app", "1.0", TestBlob.Random(10, seed: 1));
        var upstream = Connect(registry.Url);
        for (var i = 0; i < 3; i++)
        {
            Assert.NotNull((await upstream.GetManifestAsync(SomeTag, default)).Value);
            registry.On(Ask.Anything, Misbehave.EndInPlaceOfAnswer());
        }

        Assert.Equal([new UpstreamRequests("manifest", "200", 3)], Counters.Requests);
        Assert.Equal(5, registry.Log.All.Count);
    }

    [Fact]
    public async Task Request_UpstreamHangs_IsSilentWithinTheTotal()
    {
        var registry = ServeRaw("", isSilentAfterwards: true);
        var times = Times with { Headers = TimeSpan.FromMilliseconds(100), Total = TimeSpan.FromMilliseconds(250) };
        var begin = Stopwatch.GetTimestamp();

        var answer = await Connect(new UpstreamOptions { Name = "test", Urls = [registry.Address] }, times).GetManifestAsync(SomeTag, default);

        Assert.Equal(504, answer.Error?.Status);
        Assert.InRange(registry.Requests, 2, 3);
        Assert.True(Stopwatch.GetElapsedTime(begin) < TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Request_CallerLeaves_IsCancelled()
    {
        using var leaving = new CancellationTokenSource();
        var registry = ServeRaw("", isSilentAfterwards: true);
        var asking = Connect(registry.Address).GetManifestAsync(SomeTag, leaving.Token);

        await registry.Asked;
        await leaving.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
    }

    [Fact]
    public async Task Request_FirstAddressDead_GoesToTheNext()
    {
        var broken = await ServeAsync(context => SendAsync(context, 500));
        var good = await ServeAsync(context => SendAsync(context, 200, "content"));

        var answer = await Connect(Nowhere(), broken.Address, good.Address).GetManifestAsync(SomeTag, default);

        Assert.NotNull(answer.Value);
        Assert.Single(broken.Requests);
        Assert.Single(good.Requests);
    }

    [Fact]
    public async Task GetManifest_FirstAddressSendsWrongBytes_ComesFromTheNext()
    {
        var wrong = await ServeAsync(context => SendAsync(context, 200, "wrong"));
        var right = await ServeAsync(context => SendAsync(context, 200, "blob"));

        var answer = await Connect(wrong.Address, right.Address).GetManifestAsync(SomeBlob, default);

        Assert.Equal("blob"u8.ToArray(), answer.Value!.Content.ToArray());
        Assert.Equal((1, 1), (wrong.Requests.Count, right.Requests.Count));
    }

    [Fact]
    public async Task GetManifest_AllAddressesSendWrongBytes_IsLeftToTheCaller()
    {
        var wrong = await ServeAsync(context => SendAsync(context, 200, "wrong"));
        var other = await ServeAsync(context => SendAsync(context, 200, "other"));

        Assert.NotNull((await Connect(wrong.Address, other.Address).GetManifestAsync(SomeBlob, default)).Value);
        Assert.Equal((2, 1), (wrong.Requests.Count, other.Requests.Count));
    }

    [Fact]
    public async Task Request_FirstAddressSaysNo_IsItsAnswer()
    {
        var first = await ServeAsync(context => SendAsync(context, 404));
        var second = await ServeAsync(context => SendAsync(context, 200, "content"));

        var answer = await Connect(first.Address, second.Address).GetManifestAsync(SomeTag, default);

        Assert.Equal("MANIFEST_UNKNOWN", answer.Error?.Code);
        Assert.Empty(second.Requests);
    }

    [Fact]
    public async Task IsDown_AfterFailuresInARow_RefusesAtOnceUntilTheBreakEnds()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UnixEpoch);
        var status = 503;
        var registry = await ServeAsync(context => SendAsync(context, status, "content"));
        var upstream = Connect(new UpstreamOptions { Name = "test", Urls = [registry.Address] }, Times with { Pause = TimeSpan.Zero }, clock);

        await upstream.GetManifestAsync(SomeTag, default);
        Assert.False(upstream.IsDown);
        await upstream.GetManifestAsync(SomeTag, default);
        Assert.True(upstream.IsDown);
        var asked = registry.Requests.Count;
        clock.Advance(TimeSpan.FromSeconds(3));
        var refused = await upstream.GetManifestAsync(SomeTag, default);

        Assert.Equal(503, refused.Error?.Status);
        Assert.Equal(TimeSpan.FromSeconds(7), refused.Error?.RetryAfter);
        Assert.Equal(asked, registry.Requests.Count);

        clock.Advance(TimeSpan.FromSeconds(7));
        status = 200;
        Assert.False(upstream.IsDown);
        Assert.NotNull((await upstream.GetManifestAsync(SomeTag, default)).Value);
        Assert.False(upstream.IsDown);
    }

    [Fact]
    public async Task IsDown_OneOfTwoAddressesLives_IsFalseAndTheDeadOneIsLeftAlone()
    {
        var dead = await ServeAsync(context => SendAsync(context, 503));
        var good = await ServeAsync(context => SendAsync(context, 200, "content"));
        var upstream = Connect(dead.Address, good.Address);

        for (var i = 0; i < 8; i++) Assert.NotNull((await upstream.GetManifestAsync(SomeTag, default)).Value);

        Assert.False(upstream.IsDown);
        Assert.Equal(["manifests", "manifests", "manifests", "manifests", ""], dead.Requests.Select(request => request.Target.Split('/').ElementAtOrDefault(4) ?? ""));
    }

    [Fact]
    public async Task IsDown_OneRepositoryIsBroken_IsFalseAndOthersArePulled()
    {
        var registry = await ServeAsync(context => SendAsync(context, context.Request.Path.Value!.Contains("/broken/", StringComparison.Ordinal) ? 500 : 200, "content"));
        var upstream = ConnectFrozen(registry, new FakeTimeProvider(DateTimeOffset.UnixEpoch));

        for (var i = 0; i < 8; i++) Assert.Equal(503, (await upstream.GetManifestAsync(Broken, default)).Error?.Status);

        Assert.False(upstream.IsDown);
        Assert.NotNull((await upstream.GetManifestAsync(SomeTag, default)).Value);
        Assert.Single(registry.Requests, request => request.Target == "/v2/");
        Assert.Contains(new UpstreamRequests("ping", "200", 1), Counters.Requests);
    }

    [Fact]
    public async Task IsDown_OneThatFindsOutIsOfABrokenRepository_OthersArePulledFromThenOn()
    {
        var (clock, isDown) = (new FakeTimeProvider(DateTimeOffset.UnixEpoch), true);
        var registry = await ServeAsync(context => SendAsync(context, isDown || context.Request.Path.Value!.Contains("/broken/", StringComparison.Ordinal) ? 500 : 401));
        var upstream = ConnectFrozen(registry, clock);
        for (var i = 0; i < 2; i++) await upstream.GetManifestAsync(SomeTag, default);
        Assert.True(upstream.IsDown);
        isDown = false;
        clock.Advance(TimeSpan.FromSeconds(10));

        Assert.Equal(503, (await upstream.GetManifestAsync(Broken, default)).Error?.Status);

        Assert.False(upstream.IsDown);
        Assert.Equal(401, (await upstream.GetManifestAsync(SomeTag, default)).Error?.Status);
    }

    [Fact]
    public async Task Request_AllConnectionsInUse_WaitsForOne()
    {
        var registry = await ServeAsync(context => SendAsync(context, 200, "blob"));
        var upstream = Connect(new UpstreamOptions { Name = "test", Urls = [registry.Address], Connections = 1 });
        var first = (await upstream.OpenBlobAsync(SomeBlob, BlobPart.Whole, default)).Value!;

        var second = upstream.OpenBlobAsync(SomeBlob, BlobPart.Whole, default);
        Assert.False(second.IsCompleted);
        Assert.Single(registry.Requests);
        await first.DisposeAsync();

        Assert.Equal("blob", await ReadAsync((await second).Value));
    }

    [Fact]
    public async Task Request_ConnectionsStayInUse_IsToldAfterTheTotal()
    {
        var registry = await ServeAsync(context => SendAsync(context, 200, "blob"));
        var upstream = Connect(
            new UpstreamOptions { Name = "test", Urls = [registry.Address], Connections = 1 }, Times with { Total = TimeSpan.FromMilliseconds(200) });
        await using var first = (await upstream.OpenBlobAsync(SomeBlob, BlobPart.Whole, default)).Value!;

        var second = await upstream.GetManifestAsync(SomeTag, default);

        Assert.Equal(503, second.Error?.Status);
        Assert.Contains("connections", second.Error?.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_RateLimitHeaders_AreRemembered()
    {
        var registry = await ServeAsync(context =>
        {
            context.Response.Headers["ratelimit-limit"] = "100;w=21600";
            context.Response.Headers["ratelimit-remaining"] = "99;w=21600";
            return SendAsync(context, 200, "content");
        });

        await Connect(registry.Address).HeadManifestAsync(SomeTag, default);

        var (account, budget) = Assert.Single(Counters.Budgets);
        Assert.Equal("anonymous", account);
        Assert.Equal(new BudgetState(100, 99, TimeSpan.FromHours(6), null, null), budget.At(DateTimeOffset.UnixEpoch));
    }

    private static Reference Broken => new("test", "team/broken", "1.0");

    // By this clock nothing takes any time.
    private RegistryUpstream ConnectFrozen(LoopbackServer registry, TimeProvider clock) =>
        Connect(new UpstreamOptions { Name = "test", Urls = [registry.Address] }, Times with { Pause = TimeSpan.Zero }, clock);

    // A silence that nobody told the length of has begun a moment before it is passed on.
    private static int? Ceiling(TimeSpan? time) => time is { } some ? (int)Math.Ceiling(some.TotalSeconds) : null;
}
