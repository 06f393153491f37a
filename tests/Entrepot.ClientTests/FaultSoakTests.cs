using System.Collections.Concurrent;
using System.Net;
using Entrepot.ClientTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;
using Xunit.Abstractions;

namespace Entrepot.ClientTests;

/// <summary>
/// Full load on the published program while its upstream fails in every way, sometimes now and then, sometimes altogether: no client gets a wrong byte, what is
/// stored is never refused, pinned or not, an outage is never told as 404, and the program holds no more at the end than before.
/// </summary>
public sealed class FaultSoakTests(ITestOutputHelper output)
{
    private const string Quota = "120MiB";       // about a third of what is unknown, which so is fetched again and again
    private const int Known = 12;
    private const int Favoured = 8;              // not pinned, and asked for so often that it stays
    private const int Unknown = 240;
    private const int LayerBytes = 1_400_000;
    private const int KnownReaders = 16;
    private const int FavouredReaders = 8;
    private const int UnknownReaders = 16;
    private const int FewDescriptors = 32;       // what the runtime opens when it needs it first
    private const long Settled = 160L << 20;     // bytes of memory; measured in ten minutes: 151 to 160 MB
    private const int Enough = 1000;

    private static readonly TimeSpan Least = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Weather = TimeSpan.FromSeconds(4);

    // What hangs is waited for as long as the shipped program does, up to 20 s: a few requests in the first of five weathers, so that clients do something else, too,
    // and have been answered when it comes to a third's end.
    private const int HangsEvery = 5;
    private const int HangsAtOnce = 8;
    private static readonly Uri Nowhere = new("http://127.0.0.1:1/layer");

    private readonly Random _random = new(TestRun.Seed);
    private readonly HttpClient _client = Http.NewClient();
    private readonly ConcurrentBag<string> _wrong = [];
    private readonly ConcurrentDictionary<string, string> _hits = new();   // of paths: the files that they were answered from
    private readonly ConcurrentDictionary<int, int> _statuses = new();
    private volatile int _faultsInTen = 1;
    private int _hangsLeft;
    private long _broken;
    private long _kept;   // answers with what was stored all the while, and not pinned
    private long _hung;
    private long _misled;

    [ClientFact]
    public async Task RandomFaults_AtFullLoad_CostNobodyWhatIsStored()
    {
        output.WriteLine($"CRASH_SEED={TestRun.Seed}");
        await using var registry = new TestRegistry();
        var known = Enumerable.Range(0, Known).Select(i => registry.Content.AddImage("org/known", $"v{i}", TestBlob.Random(LayerBytes, 2 * i), TestBlob.Random(1000, 2 * i + 1))).ToList();
        var favoured = Enumerable.Range(0, Favoured).Select(i => registry.Content.AddImage("org/favoured", $"v{i}", TestBlob.Random(LayerBytes, 1000 + i))).ToList();
        var unknown = Enumerable.Range(0, Unknown).Select(i => registry.Content.AddImage("org/unknown", $"v{i}", TestBlob.Random(LayerBytes, 10_000 + i))).ToList();
        var folder = Directory.CreateTempSubdirectory("entrepot-");
        try
        {
            var log = Path.Combine(TestRun.LogFolder(nameof(FaultSoakTests)), "entrepot.log");
            await using var entrepot = await PublishedEntrepot.StartAsync(folder.FullName, log, registry.Url, "1s", Quota);
            foreach (var image in known.Concat(favoured)) await PullAsync(entrepot, image);
            foreach (var image in known) await PinAsync(entrepot, image);
            (IReadOnlyList<TestImage>, int)[] readers = [(known, KnownReaders), (favoured, FavouredReaders), (unknown, UnknownReaders)];
            registry.On(_ => true, Misbehaves(), TestRegistry.Always);

            var soak = TestRun.Soak > Least ? TestRun.Soak : Least;
            var before = entrepot.Use();
            await RunAsync(entrepot, readers, soak / 3);   // what a start needs once
            var first = await RunAsync(entrepot, readers, soak / 3);
            var last = await RunAsync(entrepot, readers, soak / 3);

            output.WriteLine($"{string.Join(", ", _statuses.OrderBy(one => one.Key).Select(one => $"{one.Key}: {one.Value}"))}, broken off {_broken}, hung {_hung}, misled {_misled}, kept {_kept}");
            output.WriteLine($"at the start {before}\nfirst {first}\nlast {last}");
            Assert.True(_statuses[200] > 1000 && _broken > 0 && _statuses.GetValueOrDefault(502) + _statuses.GetValueOrDefault(503) > 0, "the load did not meet the faults");
            Assert.True(_hung > 0 && _misled > 0, "the load did not meet what hangs, or what leads nowhere");
            Assert.True(_kept > Enough, $"only {_kept} answers were with what is stored and not pinned");
            Assert.True(first.IsFlatTo(last, Settled), $"its memory grew: {first}, then {last}");
            _client.Dispose();
            await registry.DisposeAsync();
            await entrepot.RestAsync(Quota, before.Descriptors + FewDescriptors, output.WriteLine);
            await entrepot.StopAsync();
            StoredBlobs.Verify(entrepot.BlobFolder);
            StoredBlobs.AssertNothingTemporary(entrepot.Root);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // Runs all clients through changing weather, and returns what the program holds meanwhile.
    private async Task<UseSamples> RunAsync(PublishedEntrepot entrepot, IReadOnlyList<(IReadOnlyList<TestImage> Images, int Readers)> sets, TimeSpan time)
    {
        var over = Task.Delay(time);
        var readers = sets.SelectMany((set, i) => Enumerable.Range(0, set.Readers).Select(_ => (set.Images, IsPinned: i == 0, Seed: _random.Next()))).ToList();
        var clients = readers.ConvertAll(reader => Task.Run(() => ReadAsync(entrepot, reader.Images, reader.IsPinned, new Random(reader.Seed), over)));
        var samples = UseSamples.TakeAsync(entrepot.Use, over);
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
        return await samples;
    }

    private async Task ReadAsync(PublishedEntrepot entrepot, IReadOnlyList<TestImage> images, bool isPinned, Random random, Task until)
    {
        while (!until.IsCompleted)
        {
            var image = images[random.Next(images.Count)];
            var layer = image.Layers[0];
            Digest[] whole = [image.Manifest.Digest, image.Config.Digest, layer.Digest];   // without its parts a manifest is refused in an outage
            var (path, parts, right) = random.Next(3) switch
            {
                0 => ($"manifests/{image.Tag}", whole, image.Manifest.Bytes),
                1 => ($"manifests/{image.Manifest.Digest}", whole, image.Manifest.Bytes),
                _ => ($"blobs/{layer.Digest}", [layer.Digest], layer.Bytes),
            };
            var files = FilesOf(entrepot, parts);
            var (status, bytes, isHit) = await GetAsync(new Uri(entrepot.Address, $"v2/{image.Repository}/{path}"));
            _statuses.AddOrUpdate(status, 1, (_, count) => count + 1);
            if (bytes is null) Interlocked.Increment(ref _broken);
            if (status == 200 && bytes is not null && !right.AsSpan().SequenceEqual(bytes)) _wrong.Add($"{path}: {bytes.Length} bytes, and they are not the right ones");
            if (!isPinned && files is not null && files == FilesOf(entrepot, parts)) Check($"{image.Repository}/{path}", files, status, bytes is null, isHit);
            if (isPinned && (status != 200 || bytes is null)) _wrong.Add($"{path}: stored, and answered {status}{(bytes is null ? ", broken off" : "")}");
            if (status is not (0 or 200 or 429 or >= 502)) _wrong.Add($"{path}: answered {status}");
        }
    }

    // A path that was answered from files is known for as long as they stay: what an upstream does is nothing to it.
    private void Check(string path, string files, int status, bool isBroken, bool isHit)
    {
        if (_hits.TryGetValue(path, out var hit) && hit == files)
        {
            Interlocked.Increment(ref _kept);
            if (status != 200 || isBroken) _wrong.Add($"{path}: stored, not pinned, and answered {status}{(isBroken ? ", broken off" : "")}");
        }

        if (isHit) _hits[path] = files;
    }

    // When each was written, which no two files of a blob share; null if one is not there.
    private static string? FilesOf(PublishedEntrepot entrepot, IReadOnlyList<Digest> parts)
    {
        var files = parts.Select(part => new FileInfo(Path.Combine(entrepot.BlobFolder, part.Algorithm, part.Hex[..2], part.Hex))).ToList();
        return files.TrueForAll(file => file.Exists) ? string.Join(' ', files.Select(file => file.LastWriteTimeUtc.Ticks)) : null;
    }

    // The status, 0 if none came, the body, null if that was broken off, and whether it was there.
    private async Task<(int Status, byte[]? Bytes, bool IsHit)> GetAsync(Uri address)
    {
        var (status, isHit) = (0, false);
        try
        {
            using var answer = await _client.GetAsync(address, HttpCompletionOption.ResponseHeadersRead);
            status = (int)answer.StatusCode;
            isHit = answer.Headers.TryGetValues("Cache-Status", out var told) && told.Single() == "Entrepot; hit";
            return (status, await answer.Content.ReadAsByteArrayAsync(), isHit);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return (status, null, isHit);
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

    private static async Task PullAsync(PublishedEntrepot entrepot, TestImage image)
    {
        foreach (var blob in image.Layers.Append(image.Config)) await Http.Client.GetByteArrayAsync(new Uri(entrepot.Address, $"v2/{image.Repository}/blobs/{blob.Digest}"));
        await Http.Client.GetByteArrayAsync(new Uri(entrepot.Address, $"v2/{image.Repository}/manifests/{image.Tag}"));
    }

    private static async Task PinAsync(PublishedEntrepot entrepot, TestImage image)
    {
        using var pinned = await Http.Client.PostAsync(new Uri(entrepot.Admin, $"api/v1/pins?ref=docker.io/{image.Repository}:{image.Tag}"), null);
        Assert.Equal(HttpStatusCode.OK, pinned.StatusCode);
        Assert.Contains("\"pinned\"", await pinned.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }
}
