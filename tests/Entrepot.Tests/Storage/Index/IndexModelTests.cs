using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;
using Xunit.Abstractions;

namespace Entrepot.Tests.Storage.Index;

/// <summary>Random operations and restarts, against dictionaries that cannot be wrong.</summary>
public sealed class IndexModelTests(ITestOutputHelper output)
{
    private const int Names = 40;
    private static readonly DateTimeOffset Noon = new(2026, 1, 2, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(null)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task AnySequence_AgreesWithTheModel(int? fixedSeed)
    {
        var seed = fixedSeed ?? Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var folder = new IndexFolder();
        var model = new Model();

        for (var step = 0; step < 1_500; step++)
        {
            await StepAsync(folder, model, random, step);
            if (step % 100 == 0) Compare(folder, model);
        }

        Compare(folder, model);
        Assert.Empty(folder.Faults);
    }

    private static readonly Comparer<Reference> ByName = Comparer<Reference>.Create((one, other) => string.CompareOrdinal(one.ToString(), other.ToString()));

    private static async Task StepAsync(IndexFolder folder, Model model, Random random, int step)
    {
        var index = folder.Index;
        var number = random.Next(Names);
        var digest = IndexFolder.DigestOf(number, isLong: number % 7 == 0);
        var now = Noon.AddSeconds(step);
        var reference = new Reference($"upstream{number % 3}", $"repository{number % 5}", $"tag{number}");
        switch (random.Next(1000))
        {
            case < 250:
                model.Blobs[digest] = new BlobRecord(random.Next(), now);
                index.AddBlob(digest, model.Blobs[digest]);
                break;
            case < 400:
                index.RemoveBlob(digest);
                model.Blobs.Remove(digest);
                break;
            case < 700:
                Assert.Equal(model.Blobs.ContainsKey(digest), index.Touch(digest, now));
                if (model.Blobs.TryGetValue(digest, out var known)) model.Blobs[digest] = known with { LastAccess = now };
                break;
            case < 800:
                var tag = new TagRecord(IndexFolder.DigestOf(random.Next(3), isLong: random.Next(2) == 0), $"type/{random.Next(3)}", random.Next(3), now);
                model.Tags[reference] = tag;
                await index.SetTagAsync(reference, tag, default);
                break;
            case < 850:
                model.Tags.Remove(reference);
                await index.RemoveTagAsync(reference, default);
                break;
            case < 910:
                model.MediaTypes[digest] = $"type/{random.Next(3)}";
                model.Manifests.Add(reference.At(digest));
                await index.AddManifestAsync(reference.At(digest), model.MediaTypes[digest], default);
                break;
            case < 930:
                var isLast = random.Next(2) == 0;
                if (model.Manifests.Remove(reference.At(digest)) && isLast) model.MediaTypes.Remove(digest);
                await index.RemoveManifestAsync(reference.At(digest), isLast, default);
                break;
            case < 950:
                await PinAsync(index, model, random, random.Next(2) == 0 ? reference : reference.At(digest));
                break;
            case < 980:
                await index.CheckpointAsync(default);
                model.Checkpoint();
                break;
            case < 990:
                await folder.ReopenAsync();
                model.Checkpoint();
                break;
            default:
                await folder.CrashAsync();
                model.Crash();
                break;
        }
    }

    private static async Task PinAsync(FasterCacheIndex index, Model model, Random random, Reference pin)
    {
        if (random.Next(3) == 0)
        {
            model.Pins.Remove(pin);
            await index.RemovePinsAsync([pin], default);
            return;
        }

        model.Pins[pin] = pin.IsTag ? IndexFolder.DigestOf(random.Next(3), isLong: random.Next(2) == 0) : pin.Digest;
        await index.SetPinsAsync(new Dictionary<Reference, Digest> { [pin] = model.Pins[pin] }, default);
    }

    private static void Compare(IndexFolder folder, Model model)
    {
        Assert.Null(folder.Index.Warning);
        Assert.Equal(model.Blobs.OrderBy(Name), folder.Index.Blobs().OrderBy(Name));
        for (var number = 0; number < Names; number++)
        {
            var digest = IndexFolder.DigestOf(number, isLong: number % 7 == 0);
            var reference = new Reference($"upstream{number % 3}", $"repository{number % 5}", $"tag{number}");
            Assert.Equal(model.Blobs.TryGetValue(digest, out var blob) ? blob : null, folder.Index.FindBlob(digest));
            Assert.Equal(model.MediaTypes.GetValueOrDefault(digest), folder.Index.FindMediaType(digest));
            Assert.Equal(model.Tags.GetValueOrDefault(reference), folder.Index.FindTag(reference), SameTag);
        }

        var references = model.Tags.Keys.Concat(model.Manifests).ToList();
        Assert.Equal(references.Order(ByName), folder.Index.References().Order(ByName));
        Assert.Equal(references.Select(one => (one.Upstream, one.Repository)).Distinct().Order(), folder.Index.Repositories().Order());
        Assert.Equal(model.Pins.OrderBy(one => one.Key, ByName), folder.Index.Pins().OrderBy(one => one.Key, ByName));
        static string Name(KeyValuePair<Digest, BlobRecord> blob) => blob.Key.ToString();
    }

    // A crash may take back when a tag was validated, and nothing else.
    private static bool SameTag(TagRecord? expected, TagRecord? actual) =>
        expected is null || actual is null ? expected == actual : expected with { ValidatedAt = actual.ValidatedAt } == actual && actual.ValidatedAt <= expected.ValidatedAt;

    private sealed class Model
    {
        private Dictionary<Digest, BlobRecord> _saved = [];

        public Dictionary<Digest, BlobRecord> Blobs { get; private set; } = [];

        public Dictionary<Reference, TagRecord> Tags { get; } = [];

        public Dictionary<Digest, string> MediaTypes { get; } = [];

        public HashSet<Reference> Manifests { get; } = [];

        public Dictionary<Reference, Digest> Pins { get; } = [];

        public void Checkpoint() => _saved = new(Blobs);

        // Blobs are as they were at the checkpoint: what became of the files meanwhile, the store and the reconciliation find out.
        public void Crash() => Blobs = new(_saved);
    }
}
