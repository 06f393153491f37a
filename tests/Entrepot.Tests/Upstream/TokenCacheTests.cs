using Entrepot.Oci;
using Entrepot.Upstream;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Upstream;

public sealed class TokenCacheTests
{
    private static readonly TokenKey Key = new("https://auth.example.org/", "s", "repository:a:pull", "");

    private readonly FakeTimeProvider _clock = new();
    private readonly TokenCache _cache;
    private int _fetches;

    public TokenCacheTests() => _cache = new TokenCache(_clock);

    [Fact]
    public async Task GetAsync_ManyAtOnce_FetchOnce()
    {
        var answer = new TaskCompletionSource<Attempt<Token>>();
        var waiting = Enumerable.Range(0, 100).Select(_ => GetAsync(Key, () => answer.Task)).ToArray();

        answer.SetResult(New("t", 60));

        Assert.All(await Task.WhenAll(waiting), attempt => Assert.Equal("t", attempt.Value?.Text));
        Assert.Equal(1, _fetches);
    }

    [Fact]
    public async Task GetAsync_FirstWaiterLeaves_OthersStillGetTheToken()
    {
        using var leaving = new CancellationTokenSource();
        var answer = new TaskCompletionSource<Attempt<Token>>();
        var first = _cache.GetAsync(Key, null, () => answer.Task, leaving.Token);
        var second = GetAsync(Key, () => throw new InvalidOperationException("the first one's is on its way"));

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        answer.SetResult(New("t", 60));

        Assert.Equal("t", (await second).Value?.Text);
    }

    [Fact]
    public async Task GetAsync_TokenPastItsUse_IsFetchedAnew()
    {
        await GetAsync(Key, () => Task.FromResult(New("old", 60)));
        _clock.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal("old", (await GetAsync(Key, () => Task.FromResult(New("new", 60)))).Value?.Text);

        _clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("new", (await GetAsync(Key, () => Task.FromResult(New("new", 60)))).Value?.Text);
        Assert.Equal(2, _fetches);
    }

    [Fact]
    public async Task GetAsync_RejectedToken_IsReplacedOnce()
    {
        await GetAsync(Key, () => Task.FromResult(New("old", 60)));

        var first = await GetAsync(Key, () => Task.FromResult(New("new", 60)), rejected: "old");
        var second = await GetAsync(Key, () => Task.FromResult(New("newer", 60)), rejected: "old");

        Assert.Equal("new", first.Value?.Text);
        Assert.Equal("new", second.Value?.Text);
        Assert.Equal(2, _fetches);
    }

    [Fact]
    public async Task GetAsync_AfterAnError_AsksAgain()
    {
        var refused = await GetAsync(Key, () => Task.FromResult(Attempt<Token>.Refused(RegistryError.Unauthorized)));
        var granted = await GetAsync(Key, () => Task.FromResult(New("t", 60)));

        Assert.Equal(401, refused.Error?.Status);
        Assert.Equal("t", granted.Value?.Text);
    }

    [Fact]
    public async Task GetAsync_OtherScope_HasItsOwnToken()
    {
        await GetAsync(Key, () => Task.FromResult(New("a", 60)));

        Assert.Equal("b", (await GetAsync(Key with { Scope = "repository:b:pull" }, () => Task.FromResult(New("b", 60)))).Value?.Text);
    }

    [Fact]
    public async Task GetAsync_MoreKeysThanItHolds_DropsTheOneThatEndsFirst()
    {
        for (var i = 0; i < 1025; i++)
            await GetAsync(Key with { Scope = $"{i}" }, () => Task.FromResult(New("t", 60 + i)));
        _fetches = 0;

        await GetAsync(Key with { Scope = "1" }, () => Task.FromResult(New("t", 60)));
        Assert.Equal(0, _fetches);
        await GetAsync(Key with { Scope = "0" }, () => Task.FromResult(New("t", 60)));
        Assert.Equal(1, _fetches);
    }

    private Attempt<Token> New(string text, int seconds) => Attempt<Token>.Of(new Token(text, _clock.GetUtcNow().AddSeconds(seconds)));

    private Task<Attempt<Token>> GetAsync(TokenKey key, Func<Task<Attempt<Token>>> fetch, string? rejected = null) =>
        _cache.GetAsync(key, rejected, () =>
        {
            Interlocked.Increment(ref _fetches);
            return fetch();
        }, CancellationToken.None);
}
