using System.Collections.Concurrent;
using System.Net;
using Entrepot.ClientTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Xunit.Abstractions;

namespace Entrepot.ClientTests;

/// <summary>
/// Full load on the published program while its upstream fails in every way, sometimes now and then, sometimes altogether: no client gets a wrong byte, what is
/// stored is never refused, an outage is never told as 404, and the program holds no more at the end than before.
/// </summary>
public sealed class FaultSoakTests(ITestOutputHelper output)
{
    private const string Quota = "120MiB";       // about a third of what is unknown, which so is fetched again and again
    private const int Known = 12;
    private const int Unknown = 240;
    private const int LayerBytes = 1_400_000;
    private const int KnownReaders = 16;
    private const int UnknownReaders = 16;
    private const int UpstreamConnections = 64;
    private const int FewDescriptors = 64;
    private const long Noise = 64 << 20;         // what the collector may keep more or less of at two moments of the same load

    private static readonly TimeSpan Least = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Weather = TimeSpan.FromSeconds(4);

    // What hangs is waited for as long as the shipped program does, up to 20 s: a few requests in the first of five weathers, so that clients do something else, too,
    // and have been answered when it comes to a third's end.
    private const int HangsEvery = 5;
    private const int HangsAtOnce = 8;
    private static readonly Uri Nowhere = new("http://127.0.0.1:1/layer");

    private readonly Random _random = new(TestRun.Seed);
    private readonly ConcurrentBag<string> _wrong = [];
    private readonly ConcurrentDictionary<int, int> _statuses = new();
    private volatile int _faultsInTen = 1;
    private int _hangsLeft;
    private long _broken;
    private long _hung;
    private long _misled;

    [ClientFact]
    public async Task RandomFaults_AtFullLoad_CostNobodyWhatIsStored()
    {
        output.WriteLine($"CRASH_SEED={TestRun.Seed}");
        await using var registry = new TestRegistry();
        var known = Enumerable.Range(0, Known).Select(i => registry.Content.AddImage("org/known", $"v{i}", TestBlob.Random(LayerBytes, 2 * i), TestBlob.Random(1000, 2 * i + 1))).ToList();
        var unknown = Enumerable.Range(0, Unknown).Select(i => registry.Content.AddImage("org/unknown", $"v{i}", TestBlob.Random(LayerBytes, 10_000 + i))).ToList();
        var folder = Directory.CreateTempSubdirectory("entrepot-");
        try
        {
            var log = Path.Combine(TestRun.LogFolder(nameof(FaultSoakTests)), "entrepot.log");
            await using var entrepot = await PublishedEntrepot.StartAsync(folder.FullName, log, registry.Url, "1s", Quota);
            foreach (var image in known) await PinAsync(entrepot, image);
            registry.On(_ => true, Misbehaves(), TestRegistry.Always);

            var soak = TestRun.Soak > Least ? TestRun.Soak : Least;
            await RunAsync(entrepot, known, unknown, soak / 3);   // what a start needs once
            var first = await RunAsync(entrepot, known, unknown, soak / 3);
            var last = await RunAsync(entrepot, known, unknown, soak / 3);

            output.WriteLine($"{string.Join(", ", _statuses.OrderBy(one => one.Key).Select(one => $"{one.Key}: {one.Value}"))}, broken off {_broken}, hung {_hung}, misled {_misled}; {first}, {last}");
            Assert.True(_statuses[200] > 1000 && _broken > 0 && _statuses.GetValueOrDefault(502) + _statuses.GetValueOrDefault(503) > 0, "the load did not meet the faults");
            Assert.True(_hung > 0 && _misled > 0, "the load did not meet what hangs, or what leads nowhere");
            Assert.True(last.Memory <= first.Memory * 5 / 4 + Noise, $"its memory grew from {first.Memory} to {last.Memory} bytes");
            Assert.InRange(last.Descriptors, 0, first.Descriptors + UpstreamConnections + FewDescriptors);
            await entrepot.StopAsync();
            StoredBlobs.Verify(entrepot.BlobFolder);
            StoredBlobs.AssertNothingTemporary(entrepot.Root);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // Runs all clients through changing weather, and returns what the program holds when they have gone.
    private async Task<ProcessUse> RunAsync(PublishedEntrepot entrepot, IReadOnlyList<TestImage> known, IReadOnlyList<TestImage> unknown, TimeSpan time)
    {
        var over = Task.Delay(time);
        var seeds = Enumerable.Range(0, KnownReaders + UnknownReaders).Select(_ => _random.Next()).ToList();
        var clients = seeds.Select((seed, i) => Task.Run(() => ReadAsync(entrepot.Address, i < KnownReaders ? known : unknown, i < KnownReaders, new Random(seed), over))).ToList();
        using (var changes = new PeriodicTimer(Weather))
        {
            var weather = 0;
            do
            {
                _faultsInTen = _random.Next(4) switch { 0 => 10, 1 => 5, _ => 1 };
                Volatile.Write(ref _hangsLeft, weather++ % HangsEvery == 0 ? HangsAtOnce : 0);
            }
            while (await changes.WaitForNextTickAsync() && !over.IsCompleted);
        }

        await Task.WhenAll(clients);
        Assert.True(_wrong.IsEmpty, string.Join("\n", _wrong.Take(20)));
        return entrepot.Use();
    }

    private async Task ReadAsync(Uri server, IReadOnlyList<TestImage> images, bool isKnown, Random random, Task until)
    {
        while (!until.IsCompleted)
        {
            var image = images[random.Next(images.Count)];
            var (path, right) = random.Next(3) switch
            {
                0 => ($"manifests/{image.Tag}", image.Manifest.Bytes),
                1 => ($"manifests/{image.Manifest.Digest}", image.Manifest.Bytes),
                _ => ($"blobs/{image.Layers[0].Digest}", image.Layers[0].Bytes),
            };
            var (status, bytes) = await GetAsync(new Uri(server, $"v2/{image.Repository}/{path}"));
            _statuses.AddOrUpdate(status, 1, (_, count) => count + 1);
            if (bytes is null) Interlocked.Increment(ref _broken);
            if (status == 200 && bytes is not null && !right.AsSpan().SequenceEqual(bytes)) _wrong.Add($"{path}: {bytes.Length} bytes, and they are not the right ones");
            if (isKnown && (status != 200 || bytes is null)) _wrong.Add($"{path}: stored, and answered {status}{(bytes is null ? ", broken off" : "")}");
            if (status is not (0 or 200 or 429 or >= 502)) _wrong.Add($"{path}: answered {status}");
        }
    }

    // The status, 0 if none came, and the body; null if that was broken off.
    private static async Task<(int Status, byte[]? Bytes)> GetAsync(Uri address)
    {
        var status = 0;
        try
        {
            using var answer = await Http.Client.GetAsync(address, HttpCompletionOption.ResponseHeadersRead);
            status = (int)answer.StatusCode;
            return (status, await answer.Content.ReadAsByteArrayAsync());
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return (status, null);
        }
    }

    // None of them says that there is no such thing, or that nobody may have it: that would be believed.
    private Behaviour Misbehaves()
    {
        var random = new Random(_random.Next());
        Behaviour[] faults =
        [
            Misbehave.Status(500), Misbehave.Status(503), Misbehave.Status(503, "Retry-After", "1"), Misbehave.Status(429, "Retry-After", "1"),
            Misbehave.Html(), Misbehave.EndInPlaceOfAnswer(), Misbehave.Cut(0), Misbehave.Reset(0), Misbehave.Cut(1000), Misbehave.Reset(500_000), Misbehave.Throttle(300_000),
            FlipOne, Hangs(Misbehave.HangBeforeHeaders()), Hangs(Misbehave.HangAt(100)), Misleads,
        ];
        return (request, right) =>
        {
            Behaviour? fault;
            lock (random) fault = random.Next(10) < _faultsInTen ? faults[random.Next(faults.Length)] : null;
            return fault is null ? right : fault(request, right);
        };
    }

    private Behaviour Hangs(Behaviour hang) => (request, right) =>
    {
        if (Interlocked.Decrement(ref _hangsLeft) < 0) return right;
        Interlocked.Increment(ref _hung);
        return hang(request, right);
    };

    // To a content network that is down.
    private Reply Misleads(ReceivedRequest request, Reply right)
    {
        Interlocked.Increment(ref _misled);
        return Misbehave.RedirectTo(Nowhere)(request, right);
    }

    private static Reply FlipOne(ReceivedRequest request, Reply right) => right.Body.Length > 0 ? Misbehave.FlipByte(right.Body.Length / 2)(request, right) : right;

    private static async Task PinAsync(PublishedEntrepot entrepot, TestImage image)
    {
        foreach (var blob in image.Layers.Append(image.Config)) await Http.Client.GetByteArrayAsync(new Uri(entrepot.Address, $"v2/{image.Repository}/blobs/{blob.Digest}"));
        await Http.Client.GetByteArrayAsync(new Uri(entrepot.Address, $"v2/{image.Repository}/manifests/{image.Tag}"));
        using var pinned = await Http.Client.PostAsync(new Uri(entrepot.Admin, $"api/v1/pins?ref=docker.io/{image.Repository}:{image.Tag}"), null);
        Assert.Equal(HttpStatusCode.OK, pinned.StatusCode);
        Assert.Contains("\"pinned\"", await pinned.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }
}
