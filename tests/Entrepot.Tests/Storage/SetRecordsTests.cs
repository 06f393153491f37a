using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Storage;

/// <summary>Sets of images, as the records have them.</summary>
public sealed class SetRecordsTests : IDisposable
{
    private static readonly DateTimeOffset Then = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly Reference Tag = PullKit.Of("3.20");
    private static readonly Digest One = Digest.Of("one"u8);
    private static readonly Digest Two = Digest.Of("two"u8);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-sets-");
    private readonly StoreRoot _root;

    public SetRecordsTests() => _root = StoreRoot.Open(_directory.FullName);

    private string Log => Path.Combine(_directory.FullName, "records", "log");

    public void Dispose()
    {
        _root.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task ChangeSets_AfterARestart_IsAsItWas()
    {
        await using (var index = Open())
        {
            await index.SetPinsAsync(new Dictionary<Reference, Digest> { [Tag] = One }, default);
            await index.ChangeSetsAsync(Import("a", One), default);
            await index.ChangeSetsAsync(Import("b", Two), default);
        }

        await using var again = Open();
        Assert.Equal([new(Tag, One)], again.Pins());
        Assert.Equal(["a", "b"], again.Sets().Keys.Order());
        Assert.Equal((One, Two), (again.Sets()["a"][Tag], again.Sets()["b"][Tag]));
        Assert.Equal((Two, MediaTypes.OciManifest), (again.FindTag(Tag)!.Digest, again.FindMediaType(Two)));

        await again.RemovePinsAsync([Tag], default);
        await again.ChangeSetsAsync(new SetChange { Dropped = [("a", Tag), ("a", PullKit.Of("unknown")), ("c", Tag)], GoneTags = [Tag] }, default);
        Assert.Empty(again.Pins());
        Assert.Equal("b", Assert.Single(again.Sets()).Key);
        Assert.Null(again.FindTag(Tag));
    }

    [Fact]
    public async Task ChangeSets_TornAnywhere_IsAllThereOrNothing()
    {
        await using (var index = Open()) await index.SetTagAsync(PullKit.Of("other"), new TagRecord(One, MediaTypes.OciManifest, 1, Then), default);
        var before = (int)new FileInfo(Log).Length;
        await using (var index = Open()) await index.ChangeSetsAsync(Import("a", Two), default);
        var whole = await File.ReadAllBytesAsync(Log);

        for (var length = before; length < whole.Length; length++)
        {
            await File.WriteAllBytesAsync(Log, whole[..length]);
            Assert.Equal(RecordKind.Tag, Assert.Single(RecordLog.Read(Log)).Kind);
        }

        await using (var torn = Open()) Assert.Equal((0, null), (torn.Sets().Count, torn.FindTag(Tag)));
        await File.WriteAllBytesAsync(Log, whole);
        await using var again = Open();
        Assert.Equal((1, Two), (again.Sets().Count, again.FindTag(Tag)?.Digest));
    }

    [Fact]
    public async Task ChangeSets_LogIsWrittenAnew_Stays()
    {
        await using (var index = Open())
        {
            await index.ChangeSetsAsync(Import("a", One), default);
            await index.ChangeSetsAsync(Import("b", One), default);
            await index.ChangeSetsAsync(new SetChange { Dropped = [("b", Tag)] }, default);
            for (var i = 0; i < 20_000; i++) await index.SetTagAsync(PullKit.Of($"churn{i % 50}"), new TagRecord(Digest.Of(BitConverter.GetBytes(i)), MediaTypes.OciManifest, i, Then), default);
            Assert.InRange(new FileInfo(Log).Length, 1, 2 << 20);
        }

        Assert.DoesNotContain("\"Unpin\"", await File.ReadAllTextAsync(Log), StringComparison.Ordinal);
        await using var again = Open();
        Assert.Equal([new(Tag, One)], Assert.Single(again.Sets()).Value);
    }

    private FasterCacheIndex Open() => new(_root, TimeSpan.FromHours(1), TimeProvider.System, fault => throw fault);

    private static SetChange Import(string set, Digest digest) => new()
    {
        Manifests = [new(Tag.At(digest), MediaTypes.OciManifest)],
        Kept = [new SetMember(set, Tag, digest)],
        Tags = [new(Tag, new TagRecord(digest, MediaTypes.OciManifest, 5, Then))],
    };
}
