using System.Formats.Tar;
using CsCheck;
using Entrepot.Bundles;
using Entrepot.Oci;

namespace Entrepot.Tests.Bundles;

public sealed class BundleLayoutTests
{
    [Fact]
    public void Of_Whole_IsATarThatTheLibraryReads()
    {
        var contents = SampleBundle.Contents();
        var layout = BundleLayout.Of(contents, long.MaxValue)!;

        var members = Read(layout, Assert.Single(layout.Files));

        Assert.Equal(
            ["oci-layout", "index.json", "entrepot.json", .. contents.Blobs.Select(blob => BundleNames.Member(blob.Digest))], members.Select(member => member.Name));
        Assert.Equal(BundleNames.LayoutJson.Length, members[0].Size);
        Assert.Equal(contents.ToIndex().Length, members[1].Size);
        Assert.Equal(contents.ToJson().Length, members[2].Size);
    }

    [Fact]
    public void Of_LargeBlobsAndLongNames_AreWrittenAsPaxHasThem()
    {
        var (name, size) = (BundleNames.Member(Digest.FromHash(new byte[64]), 3), 20L << 30);
        var header = TarHeader.Of(name, size);

        using var reader = new TarReader(new Pipe([.. header, .. new byte[TarHeader.EndBytes]]));
        var entry = reader.GetNextEntry()!;
        Assert.Equal((name, size), (entry.Name, entry.Length));
        Assert.Equal(DateTimeOffset.UnixEpoch, entry.ModificationTime);
        Assert.Equal(header.Length + size, TarHeader.MemberBytes(name, size));
    }

    [Fact]
    public void Of_TooSmall_NamesTheLeastSize()
    {
        var contents = SampleBundle.Contents();
        var least = BundleLayout.LeastSize(contents);

        Assert.Null(BundleLayout.Of(contents, least - 1));
        Assert.All(BundleLayout.Of(contents, least)!.Files, file => Assert.InRange(file.Size, 1, least));
    }

    [Fact]
    public void Of_AnyBlobs_PartsHoldEachByteOnceInOrder() =>
        Gen.Select(Gen.Long[0, 200_000].Array[0, 30], Gen.Long[0, 300_000]).Sample((sizes, more) =>
        {
            var blobs = sizes.Select((size, index) => SampleBundle.Blob($"{index}", size)).ToList();
            var contents = new BundleContents([], blobs, [], []);
            var most = BundleLayout.LeastSize(contents) + more;
            var layout = BundleLayout.Of(contents, most)!;

            Assert.All(layout.Files, file => Assert.InRange(file.Size, 1, most));
            Assert.Equal(layout.Files.Count > 1 ? Enumerable.Range(1, layout.Files.Count) : [0], layout.Files.Select(file => file.Part?.Number ?? 0));
            Assert.All(layout.Files, file => Assert.Equal(layout.Files.Count, file.Part?.Count ?? 1));
            var ends = layout.Files.Select(file => file.Members.Aggregate(file.Head, (end, member) =>
            {
                Assert.Equal(end, member.Offset);
                return member.End;
            }));
            Assert.Equal(layout.Files.Select(file => file.Size - TarHeader.EndBytes), ends);
            Assert.All(layout.Files, file => Assert.Equal(file.Head, layout.HeadOf(file).Length));

            var pieces = layout.Files.SelectMany(file => file.Members).ToList();
            Assert.Equal(blobs.Select(blob => blob.Digest), pieces.Where(piece => piece.From == 0).Select(piece => piece.Blob.Digest));
            foreach (var of in pieces.GroupBy(piece => piece.Blob.Digest))
            {
                Assert.Equal(of.First().Blob.Size, of.Aggregate(0L, (from, piece) =>
                {
                    Assert.Equal(from, piece.From);
                    return from + piece.Size;
                }));
                Assert.True(of.Last().IsLast);
                Assert.Equal(of.Count() == 1 ? [BundleNames.Member(of.Key)] : Enumerable.Range(0, of.Count()).Select(piece => BundleNames.Member(of.Key, piece)), of.Select(piece => piece.Name));
            }
        }, iter: 200);

    [Fact]
    public void HeadOf_Part_SaysWhichItIs()
    {
        var contents = new BundleContents([], [.. Enumerable.Range(0, 12).Select(number => SampleBundle.Blob($"{number}", 20_000))], [], []);
        var layout = BundleLayout.Of(contents, 27_000)!;

        Assert.Equal(12, layout.Files.Count);
        foreach (var file in layout.Files)
        {
            using var reader = new TarReader(new MemoryStream([.. layout.HeadOf(file), .. new byte[TarHeader.EndBytes]]));
            var first = reader.GetNextEntry()!;
            var read = new byte[first.Length];
            first.DataStream!.ReadExactly(read);
            Assert.Equal(BundleNames.Contents, first.Name);
            var part = BundleContents.Read(read, out _)!;
            Assert.Equal((file.Part, contents.Id()), (part.Part, part.Id()));
            Assert.Equal(file.Part!.Value.Number == 1 ? [BundleNames.Layout, BundleNames.Index] : [], Names(reader));
        }
    }

    private static List<string> Names(TarReader reader)
    {
        var names = new List<string>();
        while (reader.GetNextEntry() is { } entry) names.Add(entry.Name);
        return names;
    }

    private static List<(string Name, long Size)> Read(BundleLayout layout, BundleFileLayout file)
    {
        var bytes = new byte[file.Size];
        layout.HeadOf(file).CopyTo(bytes, 0);
        foreach (var member in file.Members) TarHeader.Of(member.Name, member.Size).CopyTo(bytes, member.Offset);
        using var reader = new TarReader(new MemoryStream(bytes));
        var members = new List<(string, long)>();
        while (reader.GetNextEntry() is { } entry) members.Add((entry.Name, entry.Length));
        return members;
    }

    // What is behind the header is not there, and not looked for.
    private sealed class Pipe(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
