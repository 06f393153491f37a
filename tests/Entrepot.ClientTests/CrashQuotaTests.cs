using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using Entrepot.ClientTests.Images;
using Entrepot.ClientTests.Kit;
using Entrepot.Tests.Shared;
using Xunit.Abstractions;

namespace Entrepot.ClientTests;

/// <summary>
/// The published program is killed while it pulls, evicts for a small quota, learns that tags have moved, and is told to pin and to remove images: what it
/// said that it had done stays done, nothing else lies around, and the quota holds.
/// </summary>
public sealed class CrashQuotaTests(ITestOutputHelper output)
{
    private const int Clients = 8;
    private const int Repositories = 10;
    private const int MovesPerRound = 2;
    private const int LayerBytes = 1 << 20;
    private const long Quota = 16 << 20;

    private readonly Random _random = new(TestRun.Seed);
    private readonly List<Versions> _tags = [.. Enumerable.Range(0, Repositories).Select(_ => new Versions())];
    private readonly ConcurrentBag<string> _wrong = [];
    private readonly OperatorLoad _operator = new();
    private long _evictions;

    [ClientFact]
    public async Task Kill_UnderEvictionsTagMovesPinsAndRemovals_LosesNothingAndKeepsTheQuota()
    {
        output.WriteLine($"CRASH_SEED={TestRun.Seed}");
        await using var scene = await Scene.StartAsync("1s", [], quota: "16MiB");
        for (var i = 0; i < Repositories; i++) await MoveAsync(scene.Registry, i);
        var soaked = Stopwatch.StartNew();
        for (var kill = 0; kill < TestRun.Kills || soaked.Elapsed < TestRun.Soak; kill++)
        {
            for (var move = 0; move < MovesPerRound; move++) await MoveAsync(scene.Registry, _random.Next(Repositories));
            await RunAsync(scene, _random.NextInt64(2 * Repositories * LayerBytes));

            Assert.Empty(_wrong);
            StoredBlobs.Verify(scene.Entrepot.BlobFolder);
            await scene.Entrepot.StartAsync();

            // What index and records have grown by since they were last measured, ten seconds ago at most, and what describes parts of blobs was not in the quota when
            // the process was killed; once it has measured anew all of it is.
            Assert.InRange(RootSampler.Measure(scene.Entrepot.Root), 0, Quota * 102 / 100);
            await AssertAccountedAsync(scene.Entrepot);
            await _operator.AssertNothingLostAsync(scene.Entrepot);
        }

        output.WriteLine($"{_operator.Pinned} pinned, {_operator.Removed} removed, {_evictions} evicted");
        Assert.True(_operator.Removed > 0 && _operator.Pinned > 0, "the kills met no pins and no removals");
        Assert.True(_evictions > TestRun.Kills, $"{_evictions} blobs had to leave: the kills did not meet evictions");
        await AssertKnownWithoutUpstreamAsync(scene);
        await AssertAccountedAsync(scene.Entrepot);
        await _operator.AssertNothingLostAsync(scene.Entrepot);
        await scene.Entrepot.StopAsync();
        StoredBlobs.Verify(scene.Entrepot.BlobFolder);
        StoredBlobs.AssertNothingTemporary(scene.Entrepot.Root);
    }

    // What it says that it stores is what lies there, and less than it may: nobody pulls meanwhile. Index and records are measured every ten seconds, and after a
    // start blobs that the index does not remember are counted when they have been found.
    private static async Task AssertAccountedAsync(PublishedEntrepot entrepot)
    {
        var (told, found) = ((Blobs: 0L, Bytes: 0L), (Blobs: 0L, Bytes: 0L));
        try
        {
            await Eventually.TrueAsync(async () =>
            {
                told = (await entrepot.MetricAsync("entrepot_storage_blobs"), await entrepot.MetricAsync("entrepot_storage_bytes") - await entrepot.MetricAsync("entrepot_storage_partial_bytes"));
                found = StoredBlobs.Count(entrepot.Root);
                return told == found;
            });
        }
        catch (TimeoutException)
        {
            Assert.Fail($"{told.Blobs} blobs and {told.Bytes} bytes are counted, and {found.Blobs} and {found.Bytes} are there");
        }

        Assert.InRange(RootSampler.Measure(entrepot.Root), 0, Quota);
    }

    // What a client was given just before the end is still known after it, when nobody else can tell.
    private async Task AssertKnownWithoutUpstreamAsync(Scene scene)
    {
        for (var i = 0; i < 5; i++) Assert.True(await PullAsync(scene.Entrepot.Address, i, () => false, _ => { }));
        foreach (var tag in _tags) tag.Settle();
        await AssertAccountedAsync(scene.Entrepot);   // also what was pulled and evicted since the start
        await scene.Entrepot.KillAsync();
        await scene.Registry.StopAsync();
        await scene.Entrepot.StartAsync();
        for (var i = 0; i < 5; i++)
        {
            using var answer = await Http.Client.GetAsync(ManifestOf(scene.Entrepot.Address, i));
            if (answer.StatusCode == HttpStatusCode.ServiceUnavailable) continue;   // known, and not whole any more
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Null(_tags[i].Given(Content.DigestOf(await answer.Content.ReadAsByteArrayAsync())));
        }
    }

    private async Task MoveAsync(DockerRegistry registry, int tag)
    {
        var layer = Layer.Gzip(_random.Next(), LayerBytes);
        var image = ImageBuilder.Single($"library/moving{tag}", ImageBuilder.Platform(ImageFormat.Oci, TestImage.NativeArchitecture, layer));
        _tags[tag].Add(image);
        await registry.PushAsync(image);
    }

    private async Task RunAsync(Scene scene, long killAfter)
    {
        var killed = false;
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Arrived(int bytes)
        {
            if (Interlocked.Add(ref killAfter, -bytes) <= 0) reached.TrySetResult();
        }

        var clients = Enumerable.Range(0, Clients).Select(_ => _random.Next()).ToList().Select(seed => Task.Run(async () =>
        {
            var random = new Random(seed);
            while (!Volatile.Read(ref killed)) await PullAsync(scene.Entrepot.Address, random.Next(Repositories), () => Volatile.Read(ref killed), Arrived);
        })).ToList();
        var acknowledged = new TaskCompletionSource();   // whoever waits goes on at once: the kill follows the acknowledgement as closely as it can
        var operating = _operator.RunAsync(scene, _random.Next(), () => Volatile.Read(ref killed), _wrong.Add, () => acknowledged.TrySetResult());
        await Task.WhenAny([reached.Task, operating, .. clients]);
        if (_random.Next(2) == 0) await Task.WhenAny(acknowledged.Task, operating);
        _evictions += await scene.Entrepot.MetricAsync("entrepot_evictions_total{reason=\"quota\"}");
        Volatile.Write(ref killed, true);
        await scene.Entrepot.KillAsync();
        await Task.WhenAll(clients);
        await operating;
        foreach (var tag in _tags) tag.Settle();
    }

    private async Task<bool> PullAsync(Uri server, int tag, Func<bool> isKilled, Action<int> arrived)
    {
        try
        {
            var manifest = await Http.Client.GetByteArrayAsync(ManifestOf(server, tag));
            arrived(manifest.Length);
            var digest = Content.DigestOf(manifest);
            if (_tags[tag].Given(digest) is { } mistake) _wrong.Add($"moving{tag}: {mistake}");
            if (_tags[tag].Find(digest) is not { } image) return false;
            foreach (var blob in image.Native.Blobs)
            {
                var bytes = await Http.Client.GetByteArrayAsync(new Uri(server, $"v2/{image.Repository}/blobs/{blob.Digest}"));
                arrived(bytes.Length);
                if (Content.DigestOf(bytes) != blob.Digest) _wrong.Add($"{blob.Digest} has {bytes.Length} wrong bytes");
            }

            return true;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or System.Net.Sockets.SocketException)
        {
            if (!isKilled()) _wrong.Add($"moving{tag}: {e.Message}");
            return false;
        }
    }

    private static Uri ManifestOf(Uri server, int tag) => new(server, $"v2/library/moving{tag}/manifests/1");

    /// <summary>What one tag has meant, oldest first, and how far clients have seen it move. Safe for concurrent use.</summary>
    private sealed class Versions
    {
        private readonly Lock _gate = new();
        private readonly List<TestImage> _all = [];   // guarded by _gate, like all below
        private int _newest;
        private int _settled;

        public void Add(TestImage image)
        {
            lock (_gate) _all.Add(image);
        }

        public TestImage? Find(string digest)
        {
            lock (_gate) return _all.Find(image => image.Root.Digest == digest);
        }

        /// <summary>All who ask from now on ask after what was given so far.</summary>
        public void Settle()
        {
            lock (_gate) _settled = _newest;
        }

        /// <summary>A client was given this.</summary>
        /// <returns>What is wrong with it, if anything is.</returns>
        public string? Given(string digest)
        {
            lock (_gate)
            {
                var index = _all.FindIndex(image => image.Root.Digest == digest);
                _newest = Math.Max(_newest, index);
                return index < 0 ? $"{digest} was never pushed" : index < _settled ? $"{digest} is older than what a client had before" : null;
            }
        }
    }
}
