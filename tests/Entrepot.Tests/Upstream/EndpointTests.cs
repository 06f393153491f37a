using Entrepot.Oci;
using Entrepot.Upstream;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Upstream;

public sealed class EndpointTests
{
    private static readonly TimeSpan Break = TimeSpan.FromSeconds(10);

    private readonly FakeTimeProvider _clock = new();
    private readonly Endpoint _endpoint;
    private readonly List<string?> _told = [];
    private int _asked;

    public EndpointTests() => _endpoint = new Endpoint(new Uri("https://r.example.org"), Break, _clock, (_, why) => _told.Add(why));

    [Fact]
    public async Task TryAsync_FourDeadInARow_RefusesAtOnceAndSaysForHowLong()
    {
        await DieAsync(3);
        Assert.False(_endpoint.IsDown);
        await DieAsync(1);
        Assert.True(_endpoint.IsDown);
        _clock.Advance(TimeSpan.FromSeconds(4));
        _asked = 0;

        var refused = await DieAsync(1);

        Assert.Equal(0, _asked);
        Assert.Equal(503, refused.Error?.Status);
        Assert.Equal(TimeSpan.FromSeconds(6), refused.Error?.RetryAfter);
        Assert.False(refused.IsWorthAgain);
    }

    [Fact]
    public async Task Changed_DeadForLong_IsToldOnceAndOnceThatItLives()
    {
        Assert.Equal(Circuit.Closed, _endpoint.Circuit);
        await DieAsync(4);
        Assert.Equal(Circuit.Open, _endpoint.Circuit);
        for (var i = 0; i < 3; i++)
        {
            _clock.Advance(Break);
            Assert.Equal(Circuit.HalfOpen, _endpoint.Circuit);
            await DieAsync(1);
        }

        Assert.Equal(["dead"], _told);
        _clock.Advance(Break);
        await AnswerAsync();

        Assert.Equal(["dead", null], _told);
        Assert.Equal(Circuit.Closed, _endpoint.Circuit);
        _clock.Advance(Break);
        await DieAsync(4);
        Assert.Equal(["dead", null, "dead"], _told);
    }

    [Fact]
    public async Task WasDead_LastAskedInVain_StaysUntilOneAnswers()
    {
        await AnswerAsync();
        Assert.False(_endpoint.WasDead);
        await DieAsync(4);
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.True(_endpoint.WasDead);

        await AnswerAsync();

        Assert.False(_endpoint.WasDead);
    }

    [Fact]
    public async Task TryAsync_AnswersBetweenFailures_StaysOpenForRequests()
    {
        await DieAsync(3);
        await AnswerAsync();
        await DieAsync(5);

        Assert.False(_endpoint.IsDown);
        Assert.Equal(9, _asked);
    }

    [Fact]
    public async Task TryAsync_AnsweredShortlyBefore_IsLeftAloneOnceItHasBeenQuietForTenSeconds()
    {
        await AnswerAsync();
        _clock.Advance(TimeSpan.FromSeconds(9.9));
        await DieAsync(6);
        Assert.False(_endpoint.IsDown);

        _clock.Advance(TimeSpan.FromSeconds(0.1));
        await DieAsync(1);

        Assert.True(_endpoint.IsDown);
    }

    [Fact]
    public async Task TryAsync_LateFailuresOfOthers_DoNotProlongTheBreak()
    {
        var late = new TaskCompletionSource<Attempt<HttpResponseMessage>>();
        var asking = _endpoint.TryAsync(_ => new(late.Task), "left alone", CancellationToken.None).AsTask();
        await DieAsync(4);
        _clock.Advance(Break / 2);
        late.SetResult(Attempt<HttpResponseMessage>.Dead(RegistryError.Down("dead")));
        await asking;

        _clock.Advance(Break / 2);

        Assert.Equal(Circuit.HalfOpen, _endpoint.Circuit);
    }

    [Fact]
    public async Task TryAsync_AfterTheBreak_OneAnswerEndsIt()
    {
        await DieAsync(4);
        _clock.Advance(Break);
        Assert.False(_endpoint.IsDown);

        var answered = await AnswerAsync();

        Assert.NotNull(answered.Value);
        Assert.False(_endpoint.IsDown);
    }

    [Fact]
    public async Task TryAsync_StillDeadAfterTheBreak_IsLeftAloneAgain()
    {
        await DieAsync(4);
        _clock.Advance(Break);

        await DieAsync(1);

        Assert.True(_endpoint.IsDown);
        _clock.Advance(Break);
        Assert.False(_endpoint.IsDown);
    }

    [Fact]
    public async Task TryAsync_ProbeUnderWay_OthersAreRefused()
    {
        await DieAsync(4);
        _clock.Advance(Break);
        var probe = new TaskCompletionSource<Attempt<HttpResponseMessage>>();
        var probing = _endpoint.TryAsync(_ => new(probe.Task), "left alone", CancellationToken.None).AsTask();

        Assert.True(_endpoint.IsDown);
        Assert.Equal(503, (await AnswerAsync()).Error?.Status);

        probe.SetResult(Attempt<HttpResponseMessage>.Of(new HttpResponseMessage()));
        await probing;
        Assert.False(_endpoint.IsDown);
    }

    [Fact]
    public async Task TryAsync_ClientOfTheProbeLeaves_TheNextBreakEndsToo()
    {
        await DieAsync(4);
        _clock.Advance(Break);
        await LeaveAsync();
        _clock.Advance(Break);

        Assert.False(_endpoint.IsDown);
        Assert.NotNull((await AnswerAsync()).Value);
    }

    [Theory]
    [InlineData("https://r.example.org/x", true)]
    [InlineData("https://R.example.org:443/x", true)]
    [InlineData("https://r.example.org:444/x", false)]
    [InlineData("http://r.example.org/x", false)]
    [InlineData("https://s.example.org/x", false)]
    public void Holds_Address_IsTrueForSchemeHostAndPort(string address, bool expected) =>
        Assert.Equal(expected, _endpoint.Holds(new Uri(address)));

    private async Task<Attempt<HttpResponseMessage>> DieAsync(int times)
    {
        var last = default(Attempt<HttpResponseMessage>);
        for (var i = 0; i < times; i++) last = await AskAsync(() => Attempt<HttpResponseMessage>.Dead(RegistryError.Down("dead")));
        return last;
    }

    private Task<Attempt<HttpResponseMessage>> AnswerAsync() => AskAsync(() => Attempt<HttpResponseMessage>.Of(new HttpResponseMessage()));

    private Task<OperationCanceledException> LeaveAsync() => Assert.ThrowsAsync<OperationCanceledException>(() => AskAsync(() => throw new OperationCanceledException()));

    private Task<Attempt<HttpResponseMessage>> AskAsync(Func<Attempt<HttpResponseMessage>> answer) =>
        _endpoint.TryAsync(_ =>
        {
            _asked++;
            return ValueTask.FromResult(answer());
        }, "left alone", CancellationToken.None).AsTask();
}
