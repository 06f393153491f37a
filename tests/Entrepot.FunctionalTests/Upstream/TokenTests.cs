using Entrepot.Oci;
using Entrepot.Upstream;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.FunctionalTests.Upstream;

public sealed class TokenTests : UpstreamTest
{
    private readonly HashSet<string> _revoked = [];
    private int _issued;

    [Fact]
    public async Task Request_BearerChallenge_IsAnsweredWithATokenForTheRepository()
    {
        var tokens = await ServeAsync(IssueAsync);
        var registry = await RegistryAsync(tokens.Address + "token?fixed=1");
        var upstream = Connect(registry.Address);

        var answer = await upstream.GetManifestAsync(SomeTag, default);

        Assert.Equal("content"u8.ToArray(), answer.Value?.Content.ToArray());
        var asked = Assert.Single(tokens.Requests);
        var query = QueryHelpers.ParseQuery(new Uri(asked.Url).Query);
        Assert.Equal("1", query["fixed"]);
        Assert.Equal("the service", query["service"]);
        Assert.Equal("repository:team/app:pull", query["scope"]);
        Assert.Null(asked.Header("Authorization"));
        Assert.Equal([null, "Bearer token-1"], registry.Requests.Select(request => request.Header("Authorization")));
    }

    [Fact]
    public async Task Request_OtherRepositoryLater_NeedsNoRefusalFirst()
    {
        var tokens = await ServeAsync(IssueAsync);
        var registry = await RegistryAsync(tokens.Address + "token");
        var upstream = Connect(registry.Address);

        await upstream.GetManifestAsync(SomeTag, default);
        await upstream.GetManifestAsync(SomeTag, default);
        await upstream.GetManifestAsync(new Reference("test", "team/other", "1.0"), default);

        Assert.Equal(
            [null, "Bearer token-1", "Bearer token-1", "Bearer token-2"], registry.Requests.Select(request => request.Header("Authorization")));
    }

    [Fact]
    public async Task Requests_HundredAtOnce_AskForOneToken()
    {
        var cold = 0;
        var allAreRefused = new TaskCompletionSource();
        var tokens = await ServeAsync(IssueAsync);
        var registry = await ServeAsync(async context =>
        {
            if (context.Request.Headers.Authorization.Count == 0)
            {
                // All are refused before the first can have learned where tokens are.
                if (Interlocked.Increment(ref cold) == 100) allAreRefused.SetResult();
                await allAreRefused.Task;
            }
            await GuardAsync(context, $"Bearer realm=\"{tokens.Address}token\"", header => header == "Bearer token-1");
        });
        var upstream = Connect(new UpstreamOptions { Name = "test", Urls = [registry.Address], Connections = 200 });

        var asking = Enumerable.Range(0, 100).Select(_ => upstream.HeadManifestAsync(SomeTag, default)).ToArray();

        Assert.All(await Task.WhenAll(asking), answer => Assert.NotNull(answer.Value));
        Assert.Equal(100, cold);
        Assert.Single(tokens.Requests);
    }

    [Fact]
    public async Task Request_TokenNearItsEnd_IsSentWithANewOne()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UnixEpoch);
        var tokens = await ServeAsync(IssueAsync);
        var registry = await RegistryAsync(tokens.Address + "token");
        var upstream = Connect(new UpstreamOptions { Name = "test", Urls = [registry.Address] }, clock: clock);

        await upstream.GetManifestAsync(SomeTag, default);
        clock.Advance(TimeSpan.FromSeconds(49));
        await upstream.GetManifestAsync(SomeTag, default);
        clock.Advance(TimeSpan.FromSeconds(1));
        await upstream.GetManifestAsync(SomeTag, default);

        Assert.Equal(2, tokens.Requests.Count);
        Assert.Equal("Bearer token-2", registry.Requests[^1].Header("Authorization"));
    }

    [Fact]
    public async Task Request_TokenRevoked_IsSentAgainWithANewOne()
    {
        var tokens = await ServeAsync(IssueAsync);
        var registry = await RegistryAsync(tokens.Address + "token");
        var upstream = Connect(registry.Address);
        await upstream.GetManifestAsync(SomeTag, default);

        _revoked.Add("Bearer token-1");
        var answer = await upstream.GetManifestAsync(SomeTag, default);

        Assert.NotNull(answer.Value);
        Assert.Equal("Bearer token-2", registry.Requests[^1].Header("Authorization"));
        Assert.Equal(2, tokens.Requests.Count);
    }

    [Fact]
    public async Task Request_EveryTokenRefused_IsUnauthorizedAfterOneMoreTry()
    {
        var tokens = await ServeAsync(IssueAsync);
        _revoked.Add("Bearer token-1");
        var registry = await RegistryAsync(tokens.Address + "token");

        var answer = await Connect(registry.Address).GetManifestAsync(SomeTag, default);

        Assert.Equal("UNAUTHORIZED", answer.Error?.Code);
        Assert.Equal("no entry", answer.Error?.Detail);
        Assert.Equal(2, registry.Requests.Count);
    }

    [Fact]
    public async Task Request_ForeignRealm_IsRefusedAndNothingIsSentThere()
    {
        var foreign = await ServeAsync(IssueAsync);
        var realm = new UriBuilder(foreign.Address) { Host = "localhost" }.Uri;
        var registry = await RegistryAsync(realm + "token");

        var answer = await Connect(Options(registry)).GetManifestAsync(SomeTag, default);

        Assert.Equal(502, answer.Error?.Status);
        Assert.Contains("localhost", answer.Error?.Detail, StringComparison.Ordinal);
        Assert.Contains("tokenRealms", answer.Error?.Detail, StringComparison.Ordinal);
        Assert.Empty(foreign.Requests);
    }

    [Fact]
    public async Task Request_ForeignRealmThatIsListed_IsAsked()
    {
        var foreign = await ServeAsync(IssueAsync);
        var realm = new UriBuilder(foreign.Address) { Host = "localhost" }.Uri;
        var registry = await RegistryAsync(realm + "token");

        var answer = await Connect(Options(registry) with { TokenRealms = ["localhost"] }).GetManifestAsync(SomeTag, default);

        Assert.NotNull(answer.Value);
    }

    [Fact]
    public async Task Request_WithPassword_GivesItToTheTokenServiceOnly()
    {
        var tokens = await ServeAsync(IssueAsync);
        var registry = await RegistryAsync(tokens.Address + "token");

        await Connect(Options(registry)).GetManifestAsync(SomeTag, default);

        var asked = Assert.Single(tokens.Requests);
        Assert.Equal("Basic " + Convert.ToBase64String("joe:p:w"u8), asked.Header("Authorization"));
        Assert.Contains("account=joe", asked.Target, StringComparison.Ordinal);
        Assert.DoesNotContain(registry.Requests, request => request.Header("Authorization")?.StartsWith("Basic", StringComparison.Ordinal) == true);
    }

    [Fact]
    public async Task Request_IdentityToken_IsExchangedByPost()
    {
        var form = "";
        var tokens = await ServeAsync(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            form = await reader.ReadToEndAsync();
            await SendAsync(context, 200, "{\"access_token\":\"token-1\"}");
        });
        var registry = await RegistryAsync(tokens.Address + "token");
        var config = Path.GetTempFileName();
        await File.WriteAllTextAsync(config, "{\"auths\":{\"test\":{\"identitytoken\":\"refresh me\"}}}");

        var answer = await Connect(new UpstreamOptions { Name = "test", Urls = [registry.Address], DockerConfig = config })
            .GetManifestAsync(SomeTag, default);
        File.Delete(config);

        Assert.NotNull(answer.Value);
        Assert.Equal("POST", Assert.Single(tokens.Requests).Method);
        Assert.Contains("grant_type=refresh_token", form, StringComparison.Ordinal);
        Assert.Contains("refresh_token=refresh+me", form, StringComparison.Ordinal);
        Assert.Contains("scope=repository%3Ateam%2Fapp%3Apull", form, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(401, "", 401, "UNAUTHORIZED")]
    [InlineData(403, "", 403, "DENIED")]
    [InlineData(429, "", 429, "TOOMANYREQUESTS")]
    [InlineData(500, "", 503, "UNAVAILABLE")]
    [InlineData(404, "", 502, "UNAVAILABLE")]
    [InlineData(302, "", 502, "UNAVAILABLE")]
    [InlineData(200, "<html>", 502, "UNAVAILABLE")]
    [InlineData(200, "{\"token\":\"\"}", 502, "UNAVAILABLE")]
    public async Task Request_TokenServiceFails_IsToldWithoutThePassword(int status, string content, int expected, string code)
    {
        var tokens = await ServeAsync(context => SendAsync(context, status, content));
        var registry = await RegistryAsync(tokens.Address + "token");

        var answer = await Connect(Options(registry)).GetManifestAsync(SomeTag, default);

        Assert.Equal((expected, code), (answer.Error?.Status, answer.Error?.Code));
        Assert.DoesNotContain("p:w", $"{answer.Error}", StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_BasicChallenge_IsAnsweredAndRemembered()
    {
        var expected = "Basic " + Convert.ToBase64String("joe:p:w"u8);
        var registry = await ServeAsync(context => GuardAsync(context, "Basic realm=\"r\"", header => header == expected));
        var upstream = Connect(Options(registry));

        Assert.NotNull((await upstream.GetManifestAsync(SomeTag, default)).Value);
        Assert.NotNull((await upstream.GetManifestAsync(SomeTag, default)).Value);

        Assert.Equal([null, expected, expected], registry.Requests.Select(request => request.Header("Authorization")));
    }

    [Fact]
    public async Task Request_WrongPassword_IsUnauthorizedAndNotTriedOnAndOn()
    {
        var registry = await ServeAsync(context => GuardAsync(context, "Basic realm=\"r\"", _ => false));
        var upstream = Connect(Options(registry));

        Assert.Equal(401, (await upstream.GetManifestAsync(SomeTag, default)).Error?.Status);
        Assert.Equal(2, registry.Requests.Count);
        Assert.Equal(401, (await upstream.GetManifestAsync(SomeTag, default)).Error?.Status);
        Assert.Equal(3, registry.Requests.Count);
    }

    [Theory]
    [InlineData("Basic realm=\"r\"", 401)]
    [InlineData("Negotiate", 401)]
    [InlineData("Bearer service=\"without a realm\"", 502)]
    public async Task Request_AnonymousAndChallengeThatCannotBeMet_SaysSo(string challenge, int status)
    {
        var registry = await ServeAsync(context => GuardAsync(context, challenge, _ => false));

        var answer = await Connect(registry.Address).GetManifestAsync(SomeTag, default);

        Assert.Equal(status, answer.Error?.Status);
        Assert.Single(registry.Requests);
    }

    private static UpstreamOptions Options(LoopbackServer registry) =>
        new() { Name = "test", Urls = [registry.Address], Username = "joe", Password = "p:w" };

    private Task<LoopbackServer> RegistryAsync(string realm) => ServeAsync(context => GuardAsync(
        context, $"Bearer realm=\"{realm}\",service=\"the service\",scope=\"repository:other:push\"",
        header => header?.StartsWith("Bearer token-", StringComparison.Ordinal) == true && !_revoked.Contains(header)));

    private static Task GuardAsync(HttpContext context, string challenge, Func<string?, bool> isAllowed)
    {
        string? authorization = context.Request.Headers.Authorization;
        if (isAllowed(authorization)) return SendAsync(context, 200, "content", MediaTypes.OciManifest);

        context.Response.Headers.WWWAuthenticate = challenge;
        return SendAsync(context, 401, "{\"errors\":[{\"message\":\"no entry\"}]}");
    }

    private Task IssueAsync(HttpContext context) =>
        SendAsync(context, 200, $"{{\"token\":\"token-{Interlocked.Increment(ref _issued)}\",\"expires_in\":60}}");
}
