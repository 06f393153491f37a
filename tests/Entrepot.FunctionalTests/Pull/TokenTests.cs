using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Pull;

public sealed class TokenTests
{
    private const int Size = 2_000_000;

    [Fact]
    public async Task TokenExpires_InMidBlob_IsRenewedOnResume()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 50);
        var tokens = registry.RequireToken();
        Reply ThenRevoke(ReceivedRequest request, Reply right)
        {
            if (right.Status is not (200 or 206)) return right;
            tokens.RevokeAll();
            return right with { EndsAfter = 500_000 };
        }

        // The first blob request is the one without a token, whose challenge passes unchanged.
        registry.On(request => Ask.Blob(request) && request.Header("Authorization") is not null, ThenRevoke);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.Equal(2, tokens.Issued);
        Assert.Equal(Size, registry.BlobBytes);
    }

    [Fact]
    public async Task RevokedToken_BetweenPulls_IsReplaced()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var (first, second) = (registry.Content.AddBlob(1000, seed: 51), registry.Content.AddBlob(1000, seed: 52));
        var tokens = registry.RequireToken();

        (await cache.GetBlobAsync(first)).Is(first.Bytes);
        tokens.RevokeAll();
        (await cache.GetBlobAsync(second)).Is(second.Bytes);

        Assert.Equal(2, tokens.Issued);
    }

    [Fact]
    public async Task ColdRequests_100AtOnce_NeedAtMostTwoTokens()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blobs = Enumerable.Range(0, 100).Select(i => registry.Content.AddBlob(2000, seed: 5300 + i)).ToList();
        var tokens = registry.RequireToken();

        var answers = await Task.WhenAll(blobs.Select(blob => cache.GetBlobAsync(blob)));

        Assert.All(answers.Zip(blobs), pair => pair.First.Is(pair.Second.Bytes));
        Assert.InRange(tokens.Issued, 1, 2);
        Assert.InRange(registry.Log.Count(Ask.Token), 1, 2);
    }

    [Theory]
    [InlineData("html")]
    [InlineData("json of something else")]
    [InlineData("cut")]
    public async Task TokenService_Garbage_Is502AndNotRemembered(string how)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(1000, seed: 54);
        registry.RequireToken();
        registry.On(Ask.Token, how switch
        {
            "html" => Misbehave.Html(),
            "cut" => Misbehave.Cut(5),
            _ => (_, _) => Reply.Json(200, "[1,2,3]"),
        }, TestRegistry.Always);

        var got = await cache.GetBlobAsync(blob);
        Assert.InRange(got.Status, 502, 503);
        Assert.Equal("UNAVAILABLE", got.ErrorCode);

        registry.Behave();
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
    }

    [Fact]
    public async Task TokensOfTheUpstream_NeverReachTheClient()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        registry.RequireToken();
        registry.On(Ask.Token, Misbehave.Status(401), TestRegistry.Always);

        var got = await cache.GetManifestAsync("1");

        got.IsError(401, "UNAUTHORIZED");
        Assert.Null(got.Header("WWW-Authenticate"));
    }

    [Fact]
    public async Task ClientCredentials_AreNotPassedOn()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(1000, seed: 55);

        (await cache.GetBlobAsync(blob, ("Authorization", "Basic aHViOnBhc3N3b3Jk"), ("Cookie", "a=b"))).Is(blob.Bytes);

        Assert.All(registry.Log.All, request =>
        {
            Assert.Null(request.Header("Authorization"));
            Assert.Null(request.Header("Cookie"));
        });
    }
}
