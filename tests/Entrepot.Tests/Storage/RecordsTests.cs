using CsCheck;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;
using Entrepot.Tests.Kit;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Tests.Storage;

public sealed class RecordsTests : IDisposable
{
    private static readonly DateTimeOffset Then = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly Reference Tag = PullKit.Of("3.20");

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-records-");
    private readonly StoreRoot _root;

    public RecordsTests() => _root = StoreRoot.Open(_directory.FullName);

    private string Log => Path.Combine(_directory.FullName, "records", "log");

    public void Dispose()
    {
        _root.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Open_AfterItWasClosed_RemembersWhatBytesCannotTell()
    {
        var manifest = PullKit.Of(Digest.Of("m"u8), "org/app");
        await using (var index = Open())
        {
            await index.SetTagAsync(Tag, Meaning(1), default);
            await index.SetTagAsync(PullKit.Of("gone"), Meaning(2), default);
            await index.RemoveTagAsync(PullKit.Of("gone"), default);
            await index.AddManifestAsync(manifest, MediaTypes.DockerManifest, default);
            index.AddBlob(manifest.Digest, new BlobRecord(1, default, default));
        }

        await using var again = Open();
        Assert.Equal(Meaning(1), again.FindTag(Tag));
        Assert.Null(again.FindTag(PullKit.Of("gone")));
        Assert.Equal(MediaTypes.DockerManifest, again.FindMediaType(manifest.Digest));
        Assert.Equal([("docker.io", "library/alpine"), ("docker.io", "org/app")], again.Repositories().Order());
        Assert.Null(again.FindBlob(manifest.Digest));   // bytes are looked at again
        Assert.Equal(0, again.Spoilt);
    }

    [Fact]
    public async Task Open_LastLineIsTorn_LosesOnlyThat()
    {
        await WriteAsync(3);
        var whole = new FileInfo(Log).Length;
        await File.AppendAllTextAsync(Log, "12345678 {\"kind\":\"Tag\",\"upstr");

        await using (var index = Open())
        {
            Assert.Equal((3, 0), (Known(index), index.Spoilt));
            Assert.Equal(whole, new FileInfo(Log).Length);
            await index.SetTagAsync(PullKit.Of("new"), Meaning(9), default);
        }

        await using var again = Open();
        Assert.Equal(Meaning(9), again.FindTag(PullKit.Of("new")));
        Assert.Equal(0, again.Spoilt);
    }

    [Theory]
    [InlineData("garbage")]
    [InlineData("")]
    [InlineData("00000000 {\"kind\":\"Tag\"}")]
    public async Task Open_LineInTheMiddleIsSpoilt_IsCountedAndPassedOver(string spoilt)
    {
        await WriteAsync(3);
        var lines = await File.ReadAllLinesAsync(Log);
        lines[1] = spoilt;
        await File.WriteAllTextAsync(Log, string.Join('\n', lines) + "\n");

        await using var index = Open();

        Assert.Equal((2, 1), (Known(index), index.Spoilt));
    }

    [Fact]
    public async Task Open_EveryByteSpoiltInTurn_NeverTellsAWrongThing()
    {
        await WriteAsync(1);
        var right = await File.ReadAllBytesAsync(Log);
        for (var at = 0; at < right.Length; at++)
        {
            var spoilt = (byte[])right.Clone();
            spoilt[at] ^= 0x20;
            await File.WriteAllBytesAsync(Log, spoilt);

            await using var index = Open();
            Assert.True(index.FindTag(PullKit.Of("tag0")) is null, $"byte {at} was changed and not noticed");
        }
    }

    [Fact]
    public async Task Open_LinesOfEarlierVersionsThatToldMore_AreRead()
    {
        await WriteAsync(1);
        var line = (await File.ReadAllBytesAsync(Log)).AsSpan().TrimEnd((byte)'\n');
        Assert.True(CheckedLine.TryRead(line, out var json));
        Assert.Equal(-1, json.IndexOf("\"reference\""u8));
        await File.WriteAllBytesAsync(Log, CheckedLine.Of([.. json[..^1], .. ",\"reference\":{\"tag\":\"tag9\",\"isTag\":true}}"u8]));

        await using var index = Open();

        Assert.Equal(Meaning(0), index.FindTag(PullKit.Of("tag0")));
        Assert.Equal((1, 0), (Known(index), index.Spoilt));
    }

    [Fact]
    public async Task Open_LogMayNotBeWritten_IsReadAllTheSameAndWrittenOnceItMay()
    {
        await WriteAsync(3);
        await File.AppendAllTextAsync(Log, "12345678 {\"kind\":\"Tag\",\"upstr" + new string('x', 2000));
        _root.Dispose();
        var files = new ReadOnlyFiles();
        using var root = StoreRoot.Open(_directory.FullName, files);
        await using (var index = new FasterCacheIndex(root, TimeSpan.FromHours(1), TimeProvider.System, fault => throw fault))
        {
            Assert.Equal((3, 0), (Known(index), index.Spoilt));
            await Assert.ThrowsAsync<IOException>(() => index.SetTagAsync(Tag, Meaning(9), default).AsTask());
            Assert.Null(index.FindTag(Tag));

            files.IsReadOnly = false;
            await index.SetTagAsync(Tag, Meaning(9), default);
        }

        Assert.EndsWith("\n", await File.ReadAllTextAsync(Log), StringComparison.Ordinal);
        await using var again = Open();
        Assert.Equal((3, 0, Meaning(9)), (Known(again), again.Spoilt, again.FindTag(Tag)));
    }

    [Fact]
    public void Open_LogIsAFolder_IsRefusedByName()
    {
        Directory.CreateDirectory(Log);

        Assert.Contains(Log, Assert.Throws<StoreUnusableException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SetTag_NothingButTheTimeChanged_WritesNothing()
    {
        await using var index = Open();
        await index.SetTagAsync(Tag, Meaning(1), default);
        var length = new FileInfo(Log).Length;

        await index.SetTagAsync(Tag, Meaning(1) with { ValidatedAt = Then.AddHours(1) }, default);
        Assert.Equal(length, new FileInfo(Log).Length);
        await index.AddManifestAsync(Tag.At(Digest.Of("m"u8)), MediaTypes.OciManifest, default);
        var withManifest = new FileInfo(Log).Length;
        await index.AddManifestAsync(Tag.At(Digest.Of("m"u8)), MediaTypes.OciManifest, default);
        await index.RemoveTagAsync(PullKit.Of("unknown"), default);

        Assert.Equal(Then.AddHours(1), index.FindTag(Tag)!.ValidatedAt);
        Assert.Equal(withManifest, new FileInfo(Log).Length);
    }

    [Fact]
    public async Task SetTag_ManyAtOnce_AllAreDurable()
    {
        await using (var index = Open())
            await Task.WhenAll(Enumerable.Range(0, 3000).Select(i => Task.Run(async () => await index.SetTagAsync(PullKit.Of($"t{i}"), Meaning(i), default)))).Soon();

        await using var again = Open();
        for (var i = 0; i < 3000; i++) Assert.Equal(Meaning(i), again.FindTag(PullKit.Of($"t{i}")));
    }

    [Fact]
    public async Task SetTag_MostOfTheLogIsOutdated_IsWrittenAnewAndKeepsEverything()
    {
        await using (var index = Open())
        {
            await index.SetTagAsync(PullKit.Of("kept"), Meaning(7), default);
            await ChurnAsync(index, 20_000);
            Assert.InRange(new FileInfo(Log).Length, 1, 2 << 20);
        }

        await using var again = Open();
        Assert.Equal(Meaning(7), again.FindTag(PullKit.Of("kept")));
        for (var i = 0; i < 50; i++) Assert.NotNull(again.FindTag(PullKit.Of($"churn{i}")));
        Assert.Equal(0, again.Spoilt);
    }

    [Fact]
    public async Task Pins_LogIsWrittenAnew_Stay()
    {
        var (kept, gone) = (PullKit.Of("kept"), PullKit.Of(Digest.Of("gone"u8)));
        await using (var index = Open())
        {
            await index.SetPinsAsync(new Dictionary<Reference, Digest> { [kept] = Digest.Of("before"u8), [gone] = gone.Digest }, default);
            await index.SetPinsAsync(new Dictionary<Reference, Digest> { [kept] = Digest.Of("after"u8) }, default);
            await index.RemovePinsAsync([gone], default);
            await ChurnAsync(index, 20_000);
            Assert.Equal([new(kept, Digest.Of("after"u8))], index.Pins());
        }

        var text = await File.ReadAllTextAsync(Log);
        Assert.Equal(2, text.Split("\"Pin\"").Length);
        Assert.DoesNotContain("\"Unpin\"", text, StringComparison.Ordinal);
        await using var again = Open();
        Assert.Equal([new(kept, Digest.Of("after"u8))], again.Pins());
    }

    [Fact]
    public async Task SetPins_TornAnywhere_AreAllThereOrNone()
    {
        var pins = Enumerable.Range(0, 5).ToDictionary(i => PullKit.Of($"pinned{i}"), i => Digest.Of(BitConverter.GetBytes(i)));
        await WriteAsync(1);
        var before = (int)new FileInfo(Log).Length;
        await using (var index = Open()) await index.SetPinsAsync(pins, default);
        var whole = await File.ReadAllBytesAsync(Log);

        for (var length = before; length < whole.Length; length++)
        {
            await File.WriteAllBytesAsync(Log, whole[..length]);
            Assert.Equal(RecordKind.Tag, Assert.Single(RecordLog.Read(Log)).Kind);
        }

        await using (var torn = Open()) Assert.Equal((0, 1, 0), (torn.Pins().Count, Known(torn), torn.Spoilt));
        await File.WriteAllBytesAsync(Log, whole);
        await using var again = Open();
        Assert.Equal((5, 1, 0), (again.Pins().Count, Known(again), again.Spoilt));
    }

    [Fact]
    public async Task RemovePinsAndTags_Many_AreForgottenTogether()
    {
        var pins = Enumerable.Range(0, 5).ToDictionary(i => PullKit.Of($"tag{i}"), i => Digest.Of(BitConverter.GetBytes(i)));
        await WriteAsync(5);
        await using (var index = Open())
        {
            await index.SetPinsAsync(pins, default);
            await index.RemovePinsAsync([.. pins.Keys.Skip(1), PullKit.Of("unknown")], default);
            await index.RemoveTagsAsync([.. pins.Keys.Skip(2), PullKit.Of("unknown")], default);
            Assert.Equal([pins.First()], index.Pins());
        }

        Assert.Equal(5 + 3, (await File.ReadAllLinesAsync(Log)).Length);
        await using var again = Open();
        Assert.Equal([pins.First()], again.Pins());
        Assert.Equal(2, Known(again));
    }

    [Fact]
    public async Task References_WhileTheLogIsWrittenAnew_NeverMissOne()
    {
        await using var index = Open();
        await index.SetTagAsync(PullKit.Of("kept"), Meaning(7), default);
        var churning = ChurnAsync(index, 20_000);

        do
        {
            Assert.Single(index.References(), PullKit.Of("kept"));
        }
        while (!churning.IsCompleted);

        await churning;
    }

    [Fact]
    public async Task RemoveManifest_OfOneOfTwoRepositories_LeavesTheMediaTypeForTheOther()
    {
        var manifest = Digest.Of("m"u8);
        await using (var index = Open())
        {
            await index.AddManifestAsync(PullKit.Of(manifest, "org/a"), MediaTypes.OciManifest, default);
            await index.AddManifestAsync(PullKit.Of(manifest, "org/b"), MediaTypes.OciManifest, default);
            await index.RemoveManifestAsync(PullKit.Of(manifest, "org/a"), isLast: false, default);
            await index.RemoveManifestAsync(PullKit.Of(manifest, "org/none"), isLast: true, default);
        }

        await using (var again = Open())
        {
            Assert.Equal([PullKit.Of(manifest, "org/b")], again.References());
            Assert.Equal([("docker.io", "org/b")], again.Repositories());
            Assert.Equal(MediaTypes.OciManifest, again.FindMediaType(manifest));
            await again.RemoveManifestAsync(PullKit.Of(manifest, "org/b"), isLast: true, default);
            Assert.Null(again.FindMediaType(manifest));
        }

        await using var last = Open();
        Assert.Empty(last.References());
        Assert.Null(last.FindMediaType(manifest));
    }

    [Fact]
    public async Task AddManifest_ItsMediaTypeWentWithAnotherRepository_IsToldAnew()
    {
        var manifest = Digest.Of("m"u8);
        await using var index = Open();
        await index.AddManifestAsync(PullKit.Of(manifest, "org/a"), MediaTypes.OciManifest, default);
        await index.AddManifestAsync(PullKit.Of(manifest, "org/b"), MediaTypes.OciManifest, default);   // a removal of a did not see this one
        await index.RemoveManifestAsync(PullKit.Of(manifest, "org/a"), isLast: true, default);

        await index.AddManifestAsync(PullKit.Of(manifest, "org/b"), MediaTypes.OciManifest, default);

        Assert.Equal(MediaTypes.OciManifest, index.FindMediaType(manifest));
    }

    [Fact]
    public async Task SetTag_ReopenedBeforeTheLogHasDoubled_DoesNotGrowForEver()
    {
        for (var round = 0; round < 8; round++)
        {
            await using var index = Open();
            await ChurnAsync(index, round == 0 ? 3_000 : 2_000);
        }

        Assert.InRange(new FileInfo(Log).Length, 1, 2 << 20);
    }

    [Fact]
    public async Task SetTag_LogCannotBeWrittenAnew_GoesOnInTheLongOne()
    {
        Directory.CreateDirectory(Log + ".new");
        await using (var index = Open())
        {
            await ChurnAsync(index, 8_000).Soon();
            await index.SetTagAsync(Tag, Meaning(1), default).Soon();
            Assert.InRange(new FileInfo(Log).Length, 1 << 20, long.MaxValue);   // long enough to be written anew, and all of it still there
        }

        await using var again = Open();
        Assert.Equal(Meaning(1), again.FindTag(Tag));
    }

    [Fact]
    public void AnySequence_WithReopening_AgreesWithADictionary() =>
        Gen.Select(Gen.Int[0, 9], Gen.Int[0, 5], Gen.Int[0, 3]).Array[1, 60].Sample(
            steps => RunAsync(steps).GetAwaiter().GetResult(), iter: 40, threads: 1);

    private sealed class ReadOnlyFiles : FileCalls
    {
        public bool IsReadOnly { get; set; } = true;

        public override SafeFileHandle Open(string path, FileMode mode, FileAccess access, FileOptions options) =>
            IsReadOnly && access != FileAccess.Read ? throw new UnauthorizedAccessException("scripted") : base.Open(path, mode, access, options);
    }

    private FasterCacheIndex Open() => new(_root, TimeSpan.FromHours(1), TimeProvider.System, fault => throw fault);

    private static TagRecord Meaning(int number) => new(Digest.Of(BitConverter.GetBytes(number)), MediaTypes.OciIndex, number, Then);

    private static int Known(FasterCacheIndex index) => Enumerable.Range(0, 10).Count(i => index.FindTag(PullKit.Of($"tag{i}")) is not null);

    // Out of xunit's synchronization context, which starts a thread for every continuation: two a record.
    private static Task ChurnAsync(FasterCacheIndex index, int count) => Task.Run(() =>
        Task.WhenAll(Enumerable.Range(0, count).Select(i => index.SetTagAsync(PullKit.Of($"churn{i % 50}"), Meaning(i), default).AsTask())));

    private async Task WriteAsync(int count)
    {
        await using var index = Open();
        for (var i = 0; i < count; i++) await index.SetTagAsync(PullKit.Of($"tag{i}"), Meaning(i), default);
    }

    // A step is an operation, a tag and a meaning; a few of the operations reopen the index.
    private async Task RunAsync((int Operation, int Tag, int Meaning)[] steps)
    {
        File.Delete(Log);
        var model = new Dictionary<Reference, TagRecord>();
        var index = Open();
        foreach (var (operation, number, meaning) in steps)
        {
            var tag = PullKit.Of($"tag{number}");
            if (operation == 0)
            {
                await index.DisposeAsync();
                index = Open();
            }
            else if (operation < 4)
            {
                await index.RemoveTagAsync(tag, default);
                model.Remove(tag);
            }
            else
            {
                await index.SetTagAsync(tag, Meaning(meaning), default);
                model[tag] = Meaning(meaning);
            }

            for (var i = 0; i <= 5; i++) Assert.Equal(model.GetValueOrDefault(PullKit.Of($"tag{i}")), index.FindTag(PullKit.Of($"tag{i}")));
        }

        await index.DisposeAsync();
    }
}
