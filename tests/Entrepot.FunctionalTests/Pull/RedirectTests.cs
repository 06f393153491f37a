using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Pull;

public sealed class RedirectTests
{

    private const int Size = 2_000_000;

    [Fact]
    public async Task SignedUrl_UsableOnce_IsResolvedAgainOnEachResume()
    {
        await using var registry = new TestRegistry();
        await using var cdn = new TestRegistry("127.0.0.2") { Content = registry.Content };
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 60);
        registry.RequireToken();
        registry.RedirectBlobsTo(cdn);
        cdn.On(Ask.Blob, Misbehave.Cut(500_000), times: 2);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.Equal(3, cdn.BlobGets);
        Assert.Equal(3, cdn.Log.All.Where(Ask.Blob).Select(request => request.Path).Distinct().Count());
        Assert.Equal([null, "bytes=500000-", "bytes=1000000-"], cdn.Log.All.Where(Ask.Blob).Select(request => request.Header("Range")));
        Assert.Equal(Size, cdn.BlobBytes);
    }

    [Fact]
    public async Task Authorization_OfTheUpstream_IsNotSentToTheContentNetwork()
    {
        await using var registry = new TestRegistry();
        await using var cdn = new TestRegistry("127.0.0.2") { Content = registry.Content };
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(1000, seed: 61);
        registry.RequireToken();
        registry.RedirectBlobsTo(cdn);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);

        Assert.NotEmpty(cdn.Log.All);
        Assert.All(cdn.Log.All, request => Assert.Null(request.Header("Authorization")));
        Assert.Contains(registry.Log.All, request => request.Header("Authorization") is not null);
    }

    [Fact]
    public async Task Redirect_InACircle_Is502()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup { Times = Setup.Impatient });
        var blob = registry.Content.AddBlob(1000, seed: 62);
        registry.On(Ask.Blob, Misbehave.RedirectTo(new Uri(registry.Url, Appliance.PathOf(blob.Digest))), TestRegistry.Always);

        (await cache.GetBlobAsync(blob)).IsError(502, "UNAVAILABLE");
        Assert.InRange(registry.BlobGets, 2, 40);
    }
}
