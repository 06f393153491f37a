using System.Security.Cryptography;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;
using Entrepot.Tests.Shared;

namespace Entrepot.ClientTests;

/// <summary>The published program under a quota, at full size.</summary>
public sealed class QuotaTests
{
    private const long MB = 1_000_000;
    private const int LayerSize = 40 * (int)MB;

    [ClientFact]
    public async Task Pulls_TwentyImagesOf40MBUnder200MB_StayWithinItAndFetchTheHotOneOnce()
    {
        await using var scene = await Scene.StartAsync("unlimited", [], quota: "200MB");
        var hot = await PushAsync(scene, 0);
        await PullAsync(scene, hot);
        await using (var sampler = new RootSampler(scene.Entrepot.Root))
        {
            for (var i = 1; i < 20; i++)
            {
                await PullAsync(scene, await PushAsync(scene, i));
                await PullAsync(scene, hot);
            }

            var parallel = new List<PushedImage>();
            for (var i = 20; i < 32; i++) parallel.Add(await PushAsync(scene, i));
            await Task.WhenAll(parallel.Select(image => PullAsync(scene, image)));
            Assert.InRange(sampler.Most, 150 * MB, 204 * MB);
        }

        Assert.True(await scene.Entrepot.MetricAsync("entrepot_storage_bytes") <= 200 * MB);
        var gets = (await scene.Registry.StopAsync()).Where(request => request.Method == "GET").Select(request => request.Path).ToList();

        // A layer may take several requests, all of which came before anything else was pulled.
        var hotGets = gets.Where(path => path.StartsWith($"/v2/{hot.Repository}/blobs/", StringComparison.Ordinal)).ToList();
        Assert.Equal(hot.Blobs.Count, hotGets.Distinct().Count());
        Assert.True(gets.FindLastIndex(hotGets.Contains) < gets.FindIndex(path => path.Contains("/quota1/blobs/", StringComparison.Ordinal)), "the hot image was fetched again");
    }

    [ClientFact]
    public async Task HangUp_SmallerQuota_EvictsDownToItAndABadFileChangesNothing()
    {
        await using var scene = await Scene.StartAsync("unlimited", [], quota: "200MB");
        await PullAsync(scene, await PushAsync(scene, 1));
        await PullAsync(scene, await PushAsync(scene, 2));
        await PollAsync(async () => await scene.Entrepot.MetricAsync("entrepot_storage_bytes") >= 80 * MB, "the images are not stored");

        await scene.Entrepot.WriteOptionsAsync("a lot");
        scene.Entrepot.HangUp();
        await PollAsync(() => Task.FromResult(scene.Entrepot.Lines.Any(line => line.Contains("storage.quota", StringComparison.Ordinal))), "the mistake is not told");
        Assert.Equal(200 * MB, await scene.Entrepot.MetricAsync("entrepot_storage_quota_bytes"));

        await scene.Entrepot.WriteOptionsAsync("50MB");
        scene.Entrepot.HangUp();
        await PollAsync(async () => await scene.Entrepot.MetricAsync("entrepot_storage_quota_bytes") == 50 * MB, "the quota is not taken over");
        await PollAsync(() => Task.FromResult(RootSampler.Measure(scene.Entrepot.Root) <= 51 * MB), "the root does not shrink");
    }

    private static async Task<PushedImage> PushAsync(Scene scene, int seed)
    {
        var image = ImageBuilder.Single($"library/quota{seed}", ImageBuilder.Platform(ImageFormat.Oci, TestImage.NativeArchitecture, Layer.Plain(seed, LayerSize)));
        await scene.Registry.PushAsync(image);

        // Not the image itself: its bytes are not kept in memory.
        return new PushedImage(image.Repository, image.Root.Digest, [.. image.Blobs.Select(blob => blob.Digest)]);
    }

    private static async Task PullAsync(Scene scene, PushedImage image)
    {
        Assert.Equal(image.Manifest, await DigestOfAsync(new Uri(scene.Entrepot.Address, $"v2/{image.Repository}/manifests/1")));
        foreach (var blob in image.Blobs) Assert.Equal(blob, await DigestOfAsync(new Uri(scene.Entrepot.Address, $"v2/{image.Repository}/blobs/{blob}")));
    }

    private static async Task<string> DigestOfAsync(Uri address)
    {
        await using var body = await Http.Client.GetStreamAsync(address);
        return "sha256:" + Convert.ToHexStringLower(await SHA256.HashDataAsync(body));
    }

    private static async Task PollAsync(Func<Task<bool>> condition, string failure)
    {
        var deadline = TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(20);
        while (!await condition())
        {
            Assert.True(TimeProvider.System.GetUtcNow() < deadline, failure);
            await Task.Delay(20);
        }
    }

    private sealed record PushedImage(string Repository, string Manifest, IReadOnlyList<string> Blobs);
}
