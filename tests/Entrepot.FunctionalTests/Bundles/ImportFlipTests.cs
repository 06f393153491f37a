using System.Globalization;
using System.Text;
using Entrepot.Bundles;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>One bit of a bundle is another one: it is refused and leaves nothing, or the bit meant nothing and the right bytes come in.</summary>
public sealed class ImportFlipTests : ImportTest
{
    private const int RandomFlips = 150;
    private const int LargeBytes = 40_000;
    private const int PartBytes = 20_000;   // so that the large layer is cut

    private static readonly Encoding Latin = Encoding.Latin1;

    [Fact]
    public async Task Flip_InAMember_IsRefusedUnlessNobodyReadsIt()
    {
        var app = App();
        var (files, _) = Write(app, long.MaxValue);
        var bytes = await File.ReadAllBytesAsync(files[0]);

        foreach (var (what, at, isRead) in Members(bytes))
        {
            for (var bit = 0; bit < 8; bit += 3)
                Assert.True(await RefusesAsync(files, files[0], at, bit, app) || !isRead, $"{what}, bit {bit} at {at}: it was imported");
        }
    }

    [Fact]
    public async Task Flip_InAPieceOfACutBlob_IsRefused()
    {
        var app = App();
        var (files, layout) = Write(app, PartBytes);
        var pieces = layout.Files.Zip(files).SelectMany(pair => pair.First.Members.Where(member => member.Blob.Size == LargeBytes).Select(member => (File: pair.Second, Member: member))).ToList();
        Assert.InRange(pieces.Count, 3, files.Count);

        foreach (var (file, member) in pieces)
        {
            // In its name, its size, and its first, some and its last byte.
            foreach (var at in (long[])[member.Offset + 30, member.Offset + 130, member.Content, member.Content + member.Size / 2, member.Content + member.Size - 1])
                Assert.True(await RefusesAsync(files, file, at, (int)(at % 8), app), $"{member.Name} at {at}: it was imported");
        }
    }

    [Theory]
    [InlineData(1, long.MaxValue)]
    [InlineData(2, PartBytes)]
    public async Task Flip_Anywhere_IsRefusedOrMeansNothing(int seed, long maxSize)
    {
        var app = App();
        var (files, _) = Write(app, maxSize);
        var random = new Random(seed);

        for (var i = 0; i < RandomFlips; i++)
        {
            var file = files[random.Next(files.Count)];
            await RefusesAsync(files, file, random.NextInt64(new FileInfo(file).Length), random.Next(8), app);
        }
    }

    private TestImage App() => Elsewhere.AddImage("org/app", "1", TestBlob.Random(LargeBytes, 640), TestBlob.Random(700, 641));

    // As an export writes it.
    private (IReadOnlyList<string> Files, BundleLayout Layout) Write(TestImage app, long maxSize)
    {
        var contents = ImageArchive.ContentsOf([app]);
        var layout = BundleLayout.Of(contents, maxSize)!;
        var blobs = ImageArchive.AllOf([app]).ToDictionary(blob => blob.Digest, blob => blob.Bytes);
        var files = new List<string>();
        foreach (var file in layout.Files)
        {
            var bytes = new byte[file.Size];
            layout.HeadOf(file).CopyTo(bytes, 0);
            foreach (var member in file.Members)
            {
                TarHeader.Of(member.Name, member.Size).CopyTo(bytes, member.Offset);
                blobs[member.Blob.Digest].AsSpan((int)member.From, (int)member.Size).CopyTo(bytes.AsSpan((int)member.Content));
            }

            files.Add(Files.PathOf(string.Create(CultureInfo.InvariantCulture, $"site.{files.Count + 1:000}.tar")));
            File.WriteAllBytes(files[^1], bytes);
        }

        return (files, layout);
    }

    // Places in each kind of member, and whether what stands there cannot be another thing.
    private static IEnumerable<(string What, int At, bool IsRead)> Members(byte[] bytes)
    {
        var (index, contents) = (Find(bytes, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index"), Find(bytes, "{\"version\":1,\"images\""));
        foreach (var at in (int[])[0, 20, 300]) yield return ("index.json", index + at, true);
        foreach (var at in (int[])[0, 12, 30, 200, 400]) yield return ("entrepot.json", contents + at, true);
        foreach (var at in (int[])[0, 10, 20]) yield return ("oci-layout", Find(bytes, BundleNames.LayoutJson) + at, false);
        foreach (var name in (string[])["oci-layout\0", "index.json\0", "entrepot.json\0", "blobs/"])
        {
            foreach (var field in (int[])[2, 104, 130, 149, 156, 260])   // name, mode, size, checksum, type, magic
                yield return ($"the header of {name}", Find(bytes, name) + field, name == "blobs/" && field is 2 or 130);
        }
    }

    private static int Find(byte[] bytes, string text)
    {
        var at = bytes.AsSpan().IndexOf(Latin.GetBytes(text));
        Assert.NotEqual(-1, at);
        return at;
    }

    // Flips a bit for as long as an import takes; says whether it was refused. Either way all is as it was before then.
    private async Task<bool> RefusesAsync(IReadOnlyList<string> files, string file, long at, int bit, TestImage app)
    {
        var right = await File.ReadAllBytesAsync(file);
        var wrong = right.ToArray();
        wrong[at] ^= (byte)(1 << bit);
        await File.WriteAllBytesAsync(file, wrong);
        var ran = await ImportAsync([.. files, "--set", "site"]);
        await File.WriteAllBytesAsync(file, right);

        var where = $"bit {bit} at {at} of {Path.GetFileName(file)}: {ran}";
        if (ran.Status == 0)
        {
            Assert.True(ran.Error.Length == 0, where);
            await PullsAsync(app);
            (await RunAsync("remove", "--set", "site")).IsFine();
        }
        else
        {
            Assert.True(ran is { Status: 1, Out: "" } && ran.Error.StartsWith("entrepot: ", StringComparison.Ordinal) && ran.Error.IndexOf('\n', StringComparison.Ordinal) == ran.Error.Length - 1, where);
        }

        await NothingIsLeftAsync(app);
        Assert.Empty(Cache.Store.Checked());
        return ran.Status == 1;
    }
}
