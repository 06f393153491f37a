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
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(1000, seed: 62);
        registry.On(Ask.Blob, Misbehave.RedirectTo(new Uri(registry.Url, Appliance.PathOf(blob.Digest))), TestRegistry.Always);

        (await cache.GetBlobAsync(blob)).IsError(502, "UNAVAILABLE");
        Assert.InRange(registry.BlobGets, 2, 40);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ContentNetwork_Dead_IsLeftAloneAndAskedAgainWhenItLives(bool hangs)
    {
        var (clock, log) = (new ShiftedClock(), new LogLines());
        await using var registry = new TestRegistry();
        await using var cdn = new TestRegistry("127.0.0.2") { Content = registry.Content };
        await using var cache = await Appliance.StartAsync(registry, new Setup
        {
            Clock = clock,
            Log = log.Log,
            Times = (hangs ? Setup.Impatient : Setup.Patient) with { Break = TimeSpan.FromMinutes(1) },
        });
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 63), TestBlob.Random(1000, seed: 64));
        registry.RedirectBlobsTo(cdn);
        if (hangs) cdn.On(Ask.Anything, Misbehave.HangBeforeHeaders(), TestRegistry.Always);
        else await cdn.DisposeAsync();
        foreach (var layer in image.Layers) Assert.InRange((await cache.GetBlobAsync(layer)).Status, 503, 504);
        var failures = await FailuresAsync();

        // Nobody waits for it any longer, and the registry itself is asked as before.
        var refused = await cache.GetBlobAsync(image.Config);
        refused.IsError(503, "UNAVAILABLE");
        Assert.NotNull(refused.Header("Retry-After"));
        Assert.Equal(503, (await cache.HeadAsync(Appliance.PathOf(image.Config.Digest))).Status);
        Assert.Equal((4, 4), (failures, await FailuresAsync()));
        (await cache.GetManifestAsync("1")).Is(image.Manifest.Bytes);
        Assert.Equal(1, (await cache.MetricsAsync()).Sum("entrepot_upstream_circuits", "state=\"closed\""));
        Assert.Single(log.All, line => line.StartsWith($"Warning: docker.io (http://{cdn.Url.Authority}) failed repeatedly and is asked only every 60 s: ", StringComparison.Ordinal));

        await using var again = hangs ? cdn : new TestRegistry("127.0.0.2", cdn.Url.Port) { Content = registry.Content };
        again.Behave();
        registry.RedirectBlobsTo(again);
        clock.Advance(TimeSpan.FromMinutes(1));
        foreach (var blob in image.Layers.Append(image.Config)) (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
        Assert.Single(log.All, line => line == $"Information: docker.io (http://{cdn.Url.Authority}) answers again");

        async Task<double> FailuresAsync() => (await cache.MetricsAsync()).Sum("entrepot_upstream_requests_total", "code=\"error\"");
    }
}
