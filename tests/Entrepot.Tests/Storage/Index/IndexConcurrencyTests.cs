using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage.Index;

namespace Entrepot.Tests.Storage.Index;

/// <summary>Many threads, bounded by count, that end in a check of what must hold.</summary>
public sealed class IndexConcurrencyTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 2, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task AddBlob_TwoHundredThousand_EachIsFoundWhileTheTableGrows()
    {
        const int Blobs = 200_000;
        await using var folder = new IndexFolder();
        var added = 0;
        var missing = 0;
        var readers = Enumerable.Range(0, 2).Select(seed => Task.Run(() =>
        {
            var random = new Random(seed);
            for (int known; (known = Volatile.Read(ref added)) < Blobs;)
                if (known > 0 && folder.Index.FindBlob(IndexFolder.DigestOf(random.Next(known))) is null) Interlocked.Increment(ref missing);
        })).ToArray();

        for (var i = 0; i < Blobs; i++)
        {
            folder.Index.AddBlob(IndexFolder.DigestOf(i), new BlobRecord(i, Noon));
            Volatile.Write(ref added, i + 1);
        }

        await Task.WhenAll(readers);
        Assert.Equal(0, missing);
        for (var i = 0; i < Blobs; i++) Assert.Equal(i, folder.Index.FindBlob(IndexFolder.DigestOf(i))!.Value.Size);
        Assert.Equal(Blobs, folder.Index.Blobs().Count());
    }

    // Each worker owns its digests, so it knows what must be found; checkpoints, compaction and growth run beside.
    [Fact]
    public async Task EverythingAtOnce_NothingIsLostOrMixedUp()
    {
        const int Workers = 4;
        const int Own = 2_000;
        const int Steps = 100_000;
        await using var folder = new IndexFolder();
        var models = Enumerable.Range(0, Workers).Select(_ => new Dictionary<int, BlobRecord>()).ToArray();
        var workers = Enumerable.Range(0, Workers).Select(worker => Task.Run(() => Work(folder, models[worker], worker * Own, Own, Steps))).ToArray();
        var all = Task.WhenAll(workers);

        while (!all.IsCompleted)
        {
            await folder.Index.CheckpointAsync(default);
            Assert.True(folder.Index.Blobs().Count() >= 0);
        }

        await all;
        Check();
        await folder.ReopenAsync();
        Check();

        void Check()
        {
            var expected = models.SelectMany(model => model).ToDictionary(one => IndexFolder.DigestOf(one.Key), one => one.Value);
            foreach (var (digest, record) in expected) Assert.Equal(record, folder.Index.FindBlob(digest));
            Assert.Equal(expected.Count, folder.Index.Blobs().Count());
            Assert.All(folder.Index.Blobs(), blob => Assert.Equal(expected[blob.Key], blob.Value));
        }
    }

    [Fact]
    public async Task Blobs_TouchedAndCheckpointedMeanwhile_AllCome()
    {
        const int Blobs = 20_000;
        await using var folder = new IndexFolder();
        var digests = Enumerable.Range(0, Blobs).Select(i => IndexFolder.DigestOf(i)).ToArray();
        foreach (var digest in digests) folder.Index.AddBlob(digest, new BlobRecord(1, Noon));
        var end = false;
        var toucher = Task.Run(() =>
        {
            for (var i = 0; !Volatile.Read(ref end); i++) folder.Index.Touch(digests[i % Blobs], Noon.AddTicks(i));
        });
        var checkpoints = Task.Run(async () =>
        {
            for (var i = 0; i < 10; i++) await folder.Index.CheckpointAsync(default);
        });

        do Assert.Equal(Blobs, folder.Index.Blobs().Select(blob => blob.Key).Distinct().Count());
        while (!checkpoints.IsCompleted);

        Volatile.Write(ref end, true);
        await toucher;
        await checkpoints;
    }

    // Compaction copies a row and lets its old place go, which may be where a lookup was about to look. More threads than cores, so that some are stopped there.
    [Fact]
    public async Task FindAndTouch_WhileTheLogIsCompacted_KnowEveryBlob()
    {
        const int Blobs = 500;
        const int Rounds = 150;
        await using var folder = new IndexFolder();
        var digests = Enumerable.Range(0, Blobs).Select(i => IndexFolder.DigestOf(i)).ToArray();
        foreach (var digest in digests) folder.Index.AddBlob(digest, new BlobRecord(1, Noon));
        var end = false;
        var missed = 0;
        var users = Enumerable.Range(0, 4 * Environment.ProcessorCount).Select(user => Task.Factory.StartNew(() =>
        {
            for (var i = user; !Volatile.Read(ref end); i++)
                if (user % 2 == 0 ? folder.Index.FindBlob(digests[i % Blobs]) is null : !folder.Index.Touch(digests[i % Blobs], Noon.AddTicks(i)))
                    Interlocked.Increment(ref missed);
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();

        for (var i = 0; i < Rounds; i++) await folder.Index.CheckpointAsync(default);
        Volatile.Write(ref end, true);
        await Task.WhenAll(users);

        Assert.Equal(0, missed);
    }

    [Fact]
    public async Task FindAndTouch_Known_AllocateNothing()
    {
        await using var folder = new IndexFolder(new());
        var digests = Enumerable.Range(0, 100).Select(i => IndexFolder.DigestOf(i)).ToArray();
        foreach (var digest in digests) folder.Index.AddBlob(digest, new BlobRecord(1, Noon));

        // A session is opened once, by whoever needs it first; so one round more than there are sessions has one without.
        Assert.Contains(0, Enumerable.Range(0, new IndexSizes().Sessions + 1).Select(_ => Round()));

        long Round()
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 1_000; i++) Use(i);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        bool Use(int i) => folder.Index.FindBlob(digests[i % 100]) is not null && folder.Index.Touch(digests[i % 100], Noon.AddTicks(i));
    }

    [Fact]
    public async Task SetTag_ManyAtOnceWhileTheLogIsWrittenAnew_EachIsThereAfterACrash()
    {
        const int Tags = 200;
        await using var folder = new IndexFolder();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            for (var round = 0; round < 20; round++)
                for (var i = worker; i < Tags; i += 8)
                    await folder.Index.SetTagAsync(TagOf(i), RecordOf(i, round), default);
        })));

        Assert.InRange(new FileInfo(folder.LogPath).Length, 1, 2_200_000);
        await folder.CrashAsync();

        for (var i = 0; i < Tags; i++) Assert.Equal(RecordOf(i, 19), folder.Index.FindTag(TagOf(i)));
    }

    private static Reference TagOf(int i) => new("docker.io", $"some/repository-{i}", "latest");

    private static TagRecord RecordOf(int i, int round) => new(IndexFolder.DigestOf(1000 * i + round), new string('x', 200), round, Noon.AddMinutes(round));

    private static void Work(IndexFolder folder, Dictionary<int, BlobRecord> model, int first, int count, int steps)
    {
        var random = new Random(first);
        for (var step = 1; step <= steps; step++)
        {
            var number = first + random.Next(count);
            var digest = IndexFolder.DigestOf(number);
            switch (random.Next(4))
            {
                case 0:
                    folder.Index.AddBlob(digest, model[number] = new BlobRecord(number, Noon.AddTicks(step)));
                    break;
                case 1:
                    folder.Index.RemoveBlob(digest);
                    model.Remove(number);
                    break;
                default:
                    var isKnown = model.TryGetValue(number, out var known);
                    Assert.Equal(isKnown ? known : null, folder.Index.FindBlob(digest));
                    Assert.Equal(isKnown, folder.Index.Touch(digest, Noon.AddTicks(step)));
                    if (isKnown) model[number] = known with { LastAccess = Noon.AddTicks(step) };
                    break;
            }
        }
    }
}
