using System.Net;
using Entrepot.ClientTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Xunit.Abstractions;

namespace Entrepot.ClientTests;

/// <summary>
/// Hits, misses, clients that leave, and evictions all at once, at full load on the published program: every answer is right, none is an error of the
/// server, and when the clients have gone it holds nothing that it did not hold before.
/// </summary>
public sealed class MixedSoakTests(ITestOutputHelper output)
{
    private const string Quota = "100MiB";       // about a third of what is asked for
    private const int Images = 20;
    private const int ManifestReaders = 8;
    private const int FewDescriptors = 32;       // what the runtime opens when it needs it first
    private const long Settled = 352L << 20;     // bytes of memory; measured in ten minutes: 332 to 362 MB

    private static readonly TimeSpan Least = TimeSpan.FromSeconds(60);
    private static readonly int[] Sizes = [.. Enumerable.Repeat(16_000_000, 8), .. Enumerable.Repeat(2_000_000, 60), .. Enumerable.Repeat(40_000, 400)];

    private readonly Random _random = new(TestRun.Seed);
    private readonly HttpClient _client = Http.NewClient();
    private long _manifests;

    [ClientFact]
    public async Task HitsMissesAbortsAndEvictions_AtFullLoad_LeaveNothingBehind()
    {
        output.WriteLine($"CRASH_SEED={TestRun.Seed}");
        await using var registry = new TestRegistry();
        var blobs = Sizes.Select(size => registry.Content.AddBlob(size, _random.Next())).ToList();
        var hot = blobs.Where(_ => _random.Next(8) == 0).ToList();
        var images = Enumerable.Range(0, Images).Select(i => registry.Content.AddImage("org/app", $"v{i}", TestBlob.Random(1000, i))).ToList();
        var folder = Directory.CreateTempSubdirectory("entrepot-");
        try
        {
            var log = Path.Combine(TestRun.LogFolder(nameof(MixedSoakTests)), "entrepot.log");
            await using var entrepot = await PublishedEntrepot.StartAsync(folder.FullName, log, registry.Url, "1s", Quota);
            var readers = new RandomReaders(entrepot.Address, [.. blobs, .. Enumerable.Repeat(hot, 10).SelectMany(blob => blob)], _client);
            var soak = TestRun.Soak > Least ? TestRun.Soak : Least;

            var idle = entrepot.Use();
            await RunAsync(entrepot, readers, images, soak / 3);   // what a start needs once
            var first = await RunAsync(entrepot, readers, images, soak / 3);
            var last = await RunAsync(entrepot, readers, images, soak / 3);

            var evicted = await entrepot.MetricAsync("entrepot_evictions_total{reason=\"quota\"}");
            output.WriteLine($"{readers.Answers} answers with blobs, {_manifests} with manifests, {registry.BlobGets} requests upstream, {evicted} evictions");
            output.WriteLine($"at the start {idle}\nfirst {first}\nlast {last}");
            Assert.True(evicted > blobs.Count, $"only {evicted} blobs had to leave");
            Assert.True(first.IsFlatTo(last, Settled), $"its memory grew: {first}, then {last}");
            _client.Dispose();
            await registry.DisposeAsync();
            await entrepot.RestAsync(Quota, idle.Descriptors + FewDescriptors, output.WriteLine);
            await entrepot.StopAsync();
            StoredBlobs.Verify(entrepot.BlobFolder);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // Runs all clients, and returns what the program holds meanwhile.
    private async Task<UseSamples> RunAsync(PublishedEntrepot entrepot, RandomReaders readers, IReadOnlyList<TestImage> images, TimeSpan time)
    {
        var over = Task.Delay(time);
        var manifests = Enumerable.Range(0, ManifestReaders).Select(_ => _random.Next()).ToList()
            .Select(seed => Task.Run(() => ReadManifestsAsync(entrepot.Address, images, new Random(seed), over))).ToList();
        var samples = UseSamples.TakeAsync(entrepot.Use, over);
        await readers.RunAsync(_random, over, () => Task.CompletedTask);
        await Task.WhenAll(manifests);
        Assert.True(readers.Wrong.Count == 0, string.Join("\n", readers.Wrong));
        await Eventually.TrueAsync(() => Task.FromResult(entrepot.Use().Files == 0));
        return await samples;
    }

    private async Task ReadManifestsAsync(Uri server, IReadOnlyList<TestImage> images, Random random, Task until)
    {
        while (!until.IsCompleted)
        {
            var image = images[random.Next(images.Count)];
            var target = random.Next(2) == 0 ? image.Tag : image.Manifest.Digest.ToString();
            using var request = new HttpRequestMessage(random.Next(3) == 0 ? HttpMethod.Head : HttpMethod.Get, new Uri(server, $"v2/{image.Repository}/manifests/{target}"));
            using var answer = await _client.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal(image.Manifest.Bytes.Length, answer.Content.Headers.ContentLength);
            if (request.Method == HttpMethod.Get) Assert.Equal(image.Manifest.Bytes, await answer.Content.ReadAsByteArrayAsync());
            Interlocked.Increment(ref _manifests);
        }
    }
}
