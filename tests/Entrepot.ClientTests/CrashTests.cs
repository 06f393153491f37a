using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;
using Xunit.Abstractions;

namespace Entrepot.ClientTests;

/// <summary>The published program is killed at random moments under load; its store is never wrong and forgets nothing it answered.</summary>
public sealed class CrashTests(ITestOutputHelper output)
{
    private const int NewImagesPerRound = 6;
    private const int OldImagesPerRound = 6;
    private const int LayersPerImage = 3;

    [ClientFact]
    public async Task Kill_AgainAndAgainUnderLoad_LosesNothingAnsweredAndServesNothingWrong()
    {
        output.WriteLine($"CRASH_SEED={TestRun.Seed}");
        var random = new Random(TestRun.Seed);

        // unlimited: a tag that was answered must be a hit for ever, whatever is killed.
        await using var scene = await Scene.StartAsync("unlimited", []);
        var load = new PullLoad(scene.Entrepot.Address);
        var soaked = Stopwatch.StartNew();
        for (var kill = 0; kill < TestRun.Kills || soaked.Elapsed < TestRun.Soak; kill++)
        {
            var images = await PushNewAsync(scene.Registry, kill, random);
            var bytes = images.Sum(image => image.Blobs.Sum(blob => blob.Bytes.LongLength));
            var old = load.Answered.OrderBy(image => image.Repository, StringComparer.Ordinal).ToArray();
            if (old.Length > 0) images.AddRange(random.GetItems(old, OldImagesPerRound));

            await load.RunAsync(images, random.NextInt64(2 * bytes), random, scene.Entrepot.KillAsync);

            Assert.Empty(load.Wrong);
            StoredBlobs.Verify(scene.Entrepot.BlobFolder);
            await scene.Entrepot.StartAsync();
            foreach (var image in load.Answered) await AssertHitAsync(scene.Entrepot.Address, image);
        }

        output.WriteLine($"{load.Answered.Count} tags answered");
        await AssertServedWithoutUpstreamAsync(scene, load.Answered);
    }

    private static async Task<List<TestImage>> PushNewAsync(DockerRegistry registry, int round, Random random)
    {
        var images = new List<TestImage>();
        for (var i = 0; i < NewImagesPerRound; i++)
        {
            // From 1 KiB to 2 MiB, small ones as likely as large ones.
            var layers = Enumerable.Range(0, LayersPerImage).Select(_ => Layer.Gzip(random.Next(), 1 << random.Next(10, 22))).ToList();
            var image = ImageBuilder.Single($"library/crash-{round:d4}-{i}", ImageBuilder.Platform(ImageFormat.Oci, TestImage.NativeArchitecture, layers));
            await registry.PushAsync(image);
            images.Add(image);
        }

        return images;
    }

    private static async Task AssertHitAsync(Uri server, TestImage image)
    {
        using var answer = await GetAsync(server, image, "manifests/" + image.Tag, image.Root);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(image.Root.Bytes, await answer.Content.ReadAsByteArrayAsync());
        Assert.Equal("Entrepot; hit", answer.Headers.GetValues("Cache-Status").Single());
    }

    private static async Task AssertServedWithoutUpstreamAsync(Scene scene, IEnumerable<TestImage> answered)
    {
        await scene.Registry.StopAsync();
        await scene.Entrepot.StopAsync();
        var stored = StoredBlobs.Verify(scene.Entrepot.BlobFolder);
        await scene.Entrepot.StartAsync();

        var whole = 0;
        foreach (var image in answered)
        {
            Assert.Contains(image.Root.Digest, stored);
            foreach (var blob in image.Blobs.Where(blob => stored.Contains(blob.Digest)))
            {
                using var answer = await GetAsync(scene.Entrepot.Address, image, "blobs/" + blob.Digest, blob);
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
                Assert.Equal(blob.Bytes, await answer.Content.ReadAsByteArrayAsync());
            }

            // Without its upstream an image of which a layer is missing is refused, so that engines go elsewhere.
            if (!image.Blobs.All(blob => stored.Contains(blob.Digest))) continue;
            await AssertHitAsync(scene.Entrepot.Address, image);
            whole++;
        }

        Assert.True(whole > 0, "no image was pulled whole");
    }

    private static async Task<HttpResponseMessage> GetAsync(Uri server, TestImage image, string path, Content expected)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server, $"v2/{image.Repository}/{path}"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(expected.MediaType));
        return await Http.Client.SendAsync(request);
    }
}
