using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Edge;

/// <summary><c>Cache-Status</c> is on every response with content, and on no other.</summary>
public sealed class CacheStatusTests
{
    [Fact]
    public async Task Content_OfEveryKind_SaysWhereItCameFrom()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(50_000, seed: 660));
        var blob = Appliance.PathOf(image.Layers[0].Digest);
        string[] paths =
        [
            "/v2/org/app/manifests/1", $"/v2/org/app/manifests/{image.Manifest.Digest}", blob, "/v2/org/app/tags/list", "/v2/org/app/tags/list?n=0",
            $"/v2/org/app/referrers/{image.Manifest.Digest}", "/v2/_catalog",
        ];
        (string, string)[][] conditions = [[], [("Range", "bytes=0-9")], [("If-None-Match", "*")]];

        foreach (var round in (string[])["cold", "stored"])
        {
            foreach (var path in paths)
            {
                Has(path, await cache.HeadAsync(path), round);
                foreach (var headers in conditions) Has(path, await cache.GetAsync(path, headers), round);
            }

            await cache.StoredAsync(image.Layers[0].Digest);
        }

        foreach (var path in (string[])["/v2/org/app/manifests/1", blob, "/v2/_catalog"])
            Assert.Equal("Entrepot; hit", (await cache.GetAsync(path)).CacheStatus);

        static void Has(string path, Got got, string round)
        {
            Assert.True(got.Status is 200 or 206 or 304, $"{round} {path}: {got}");
            Assert.True(got.CacheStatus?.StartsWith("Entrepot; ", StringComparison.Ordinal) == true, $"{round} {path}: {got}");
        }
    }

    [Fact]
    public async Task Errors_HaveNothingOfContent()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(50_000, seed: 661);
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
        await cache.StoredAsync(blob.Digest);

        var outside = await cache.GetBlobAsync(blob, ("Range", "bytes=50000-"));
        Assert.Equal((416, "bytes */50000"), (outside.Status, outside.Header("Content-Range")));
        Got[] errors =
        [
            outside, await cache.GetAsync(Appliance.PathOf(Digest.Of("none"u8))), await cache.GetManifestAsync("none"),
            await cache.GetAsync("/v2/org/app/tags/list?n=x"), await cache.SendAsync(HttpMethod.Put, Appliance.PathOf(blob.Digest)),
        ];
        foreach (var error in errors)
        {
            Assert.InRange(error.Status, 400, 599);
            foreach (var name in (string[])["Cache-Status", "Age", "ETag", "Docker-Content-Digest"]) Assert.Null(error.Header(name));
        }
    }
}
