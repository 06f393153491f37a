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

    [Fact]
    public async Task TryAsync_AnswersOf5xxWhileThePingLives_StaysOpenForRequestsAndIsPingedEveryTenSeconds()
    {
        var pings = new List<Uri>();
        var endpoint = NewEndpoint((address, _) =>
        {
            pings.Add(address);
            return Task.FromResult(true);
        });

        for (var i = 0; i < 20; i++) await BreakAsync(endpoint);
        Assert.Equal([new Uri("https://r.example.org/v2/")], pings);
        _clock.Advance(TimeSpan.FromSeconds(10));
        for (var i = 0; i < 20; i++) await BreakAsync(endpoint);

        Assert.Equal((2, false), (pings.Count, endpoint.IsDown));
        Assert.Empty(_told);
    }

    [Fact]
    public async Task TryAsync_OthersAreAnswered5xxDuringThePing_WaitForWhatItFindsOut()
    {
        var ping = new TaskCompletionSource<bool>();
        var endpoint = NewEndpoint((_, _) => ping.Task);
        for (var i = 0; i < 3; i++) await BreakAsync(endpoint);
        var last = BreakAsync(endpoint);

        for (var i = 0; i < 5; i++) await BreakAsync(endpoint);
        Assert.False(endpoint.IsDown);
        ping.SetResult(false);
        await last;

        Assert.True(endpoint.IsDown);
    }

    [Fact]
    public async Task TryAsync_AnswersOf5xxThatTakeLong_AreLikeSilence()
    {
        var endpoint = NewEndpoint((_, _) => Task.FromResult(true));

        for (var i = 0; i < 4; i++) await BreakAsync(endpoint, TimeSpan.FromSeconds(3));

        Assert.True(endpoint.IsDown);
    }

    [Fact]
    public async Task TryAsync_TimeEndsDuringThePing_IsWhatItWasAnswered()
    {
        var endpoint = NewEndpoint((_, _) => Task.FromException<bool>(new OperationCanceledException()));

        for (var i = 0; i < 4; i++) Assert.Equal(503, (await BreakAsync(endpoint)).Error?.Status);

        Assert.True(endpoint.IsDown);
    }

    [Fact]
    public async Task BodyIsSilent_FourInARow_IsLeftAloneAlthoughHeadersCome()
    {
        for (var i = 0; i < 4; i++)
        {
            Assert.False(_endpoint.IsDown);
            await AnswerAsync();
            await BringAsync();
            _endpoint.BodyIsSilent("no body", null);
        }

        Assert.True(_endpoint.IsDown);
        Assert.Equal(["no body"], _told);
    }

    [Fact]
    public async Task BodyIsSilent_AnotherCameBetween_StaysOpenForRequests()
    {
        for (var i = 0; i < 3; i++) _endpoint.BodyIsSilent("no body", null);
        await BringAsync();
        _endpoint.BodyCame();
        for (var i = 0; i < 6; i++) _endpoint.BodyIsSilent("no body", null);
        Assert.False(_endpoint.IsDown);     // one has come a moment ago

        _clock.Advance(TimeSpan.FromSeconds(10));
        _endpoint.BodyIsSilent("no body", null);

        Assert.True(_endpoint.IsDown);
    }

    [Fact]
    public void BodyIsSilent_TriesOfOneBlob_CountOnce()
    {
        for (var i = 0; i < 8; i++) _endpoint.BodyIsSilent("no body", "a");
        _endpoint.BodyIsSilent("no body", "b");
        _endpoint.BodyIsSilent("no body", "c");
        Assert.False(_endpoint.IsDown);

        _endpoint.BodyIsSilent("no body", "d");

        Assert.True(_endpoint.IsDown);
    }

    [Fact]
    public async Task BodyCame_AfterBodiesWereSilent_EndsTheBreakAndHeadersDoNot()
    {
        for (var i = 0; i < 4; i++) _endpoint.BodyIsSilent("no body", null);
        _clock.Advance(Break);

        await AnswerAsync();                // as to HEAD: the next one may find out whether bodies come
        Assert.Equal(Circuit.HalfOpen, _endpoint.Circuit);
        await BringAsync();
        Assert.Equal(Circuit.Open, _endpoint.Circuit);
        _endpoint.BodyCame();

        Assert.Equal(Circuit.Closed, _endpoint.Circuit);
        Assert.Equal(["no body", null], _told);
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

    private Task<Attempt<HttpResponseMessage>> BringAsync() =>
        AskAsync(() => Attempt<HttpResponseMessage>.Of(new HttpResponseMessage { RequestMessage = new HttpRequestMessage(HttpMethod.Get, "/") }));

    private Endpoint NewEndpoint(Func<Uri, CancellationToken, Task<bool>> ping) =>
        new(new Uri("https://r.example.org"), Break, _clock, (_, why) => _told.Add(why)) { Ping = ping };

    private Task<Attempt<HttpResponseMessage>> BreakAsync(Endpoint endpoint, TimeSpan time = default) => endpoint.TryAsync(_ =>
    {
        _clock.Advance(time);
        return ValueTask.FromResult(Attempt<HttpResponseMessage>.Broken(RegistryError.Down("dead")));
    }, "left alone", CancellationToken.None).AsTask();

    private Task<OperationCanceledException> LeaveAsync() => Assert.ThrowsAsync<OperationCanceledException>(() => AskAsync(() => throw new OperationCanceledException()));

    private Task<Attempt<HttpResponseMessage>> AskAsync(Func<Attempt<HttpResponseMessage>> answer) =>
        _endpoint.TryAsync(_ =>
        {
            _asked++;
            return ValueTask.FromResult(answer());
        }, "left alone", CancellationToken.None).AsTask();
}
