using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Storage;

/// <summary>A log of records whose disk fails while it is written anew: nothing that was told to be durable is lost, and it goes on when the fault is gone.</summary>
public sealed class RecordLogFaultTests : IDisposable
{
    private const int Tags = 50;
    private const int Enough = 20_000;   // records, that the log is written anew at least once
    private static readonly DateTimeOffset Then = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-records-");
    private readonly RefusingFiles _files = new();
    private readonly StoreRoot _root;
    private int _refused;

    public RecordLogFaultTests() => _root = StoreRoot.Open(_directory.FullName, _files);

    private string Log => Path.Combine(_directory.FullName, "records", "log");

    public void Dispose()
    {
        _root.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task SetTag_NewLogCannotTakeTheOldOnesName_GoesOnInTheOldOne()
    {
        await using (var index = Open())
        {
            _files.RefusesName = path => Refuses(path == Log);

            Assert.Equal(0, await ChurnAsync(index, Enough, 0));

            Assert.InRange(_refused, 1, int.MaxValue);
            Assert.InRange(new FileInfo(Log).Length, 1 << 20, long.MaxValue);
            _files.RefusesName = _ => false;
            Assert.Equal(0, await ChurnAsync(index, 2 * Enough, 1));
            Assert.InRange(new FileInfo(Log).Length, 1, 2 << 20);
            Assert.Equal(MeaningsOf(1, 2 * Enough), Known(index));
        }

        await using var again = Open();
        Assert.Equal((0, MeaningsOf(1, 2 * Enough)), (again.Spoilt, Known(again)));
    }

    [Fact]
    public async Task SetTag_DirectoryCannotBeFlushedAfterTheRename_TellsNothingDurableUntilItCan()
    {
        await using (var index = Open())
        {
            _files.RefusesDirectory = path => path == Path.GetDirectoryName(Log);

            // Those before the rename are durable in the old file and were copied; those after it might be lost with the name.
            Assert.InRange(await ChurnAsync(index, Enough, 0), 1, Enough - 1);
            var known = Known(index);
            await Assert.ThrowsAsync<IOException>(() => index.SetTagAsync(Tag(0), Meaning(7, 0), default).Soon());
            Assert.Equal(known, Known(index));

            _files.RefusesDirectory = _ => false;
            Assert.Equal(0, await ChurnAsync(index, Tags, 2));
            Assert.Equal(MeaningsOf(2, Tags), Known(index));
        }

        await using var again = Open();
        Assert.Equal((0, MeaningsOf(2, Tags)), (again.Spoilt, Known(again)));
    }

    private static Reference Tag(int number) => PullKit.Of($"churn{number % Tags}");

    // Never the same twice: what a tag means already is not recorded.
    private static TagRecord Meaning(int round, int number) =>
        new(Digest.Of(BitConverter.GetBytes((1_000_000 * round) + number)), MediaTypes.OciIndex, number, Then);

    // What tags mean after a round of so many changes.
    private static string MeaningsOf(int round, int count) => string.Join(' ', Enumerable.Range(count - Tags, Tags).Select(i => Meaning(round, i).Digest));

    private static string Known(FasterCacheIndex index) => string.Join(' ', Enumerable.Range(0, Tags).Select(i => index.FindTag(Tag(i))?.Digest));

    private FasterCacheIndex Open() => new(_root, TimeSpan.FromHours(1), TimeProvider.System, fault => throw fault);

    private bool Refuses(bool refuses)
    {
        if (refuses) Interlocked.Increment(ref _refused);
        return refuses;
    }

    // Returns how many could not be kept. A few at once, so that the log is written anew between them. Out of xunit's synchronization context, which starts a
    // thread for every continuation.
    private static Task<int> ChurnAsync(FasterCacheIndex index, int count, int round) => Task.Run(async () =>
    {
        var lost = 0;
        foreach (var some in Enumerable.Range(0, count).Chunk(500))
            lost += (await Task.WhenAll(some.Select(i => TrySetAsync(index, i, Meaning(round, i))))).Count(isKept => !isKept);
        return lost;
    });

    private static async Task<bool> TrySetAsync(FasterCacheIndex index, int number, TagRecord meaning)
    {
        try
        {
            await index.SetTagAsync(Tag(number), meaning, default);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
