using System.Formats.Tar;
using System.IO.Compression;
using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Pull;
using Entrepot.Server.Options;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>What is wrong is named, and leaves nothing.</summary>
public sealed class ImportRefusalTests : ImportTest
{
    protected override EntrepotOptions Options(EntrepotOptions options) => base.Options(options) with { Quota = QuotaSize.OfBytes(16 << 20) };

    [Theory]
    [InlineData("", "'import' needs at least one file, e.g. ")]
    [InlineData("x.tar --set ../x", "--set '../x' is not allowed; allowed: 1 to 64 letters, digits, '.', '_' and '-', the first a letter or digit")]
    [InlineData("x.tar --name *", "--name '*' is not allowed; allowed: an image such as docker.io/library/alpine:3.20")]
    [InlineData("x.tar --from y", "unknown flag '--from'")]
    [InlineData("x.tar --output xml", "--output 'xml' is not allowed; allowed: text, json")]
    public async Task Usage_ThatIsWrong_IsStatus2AndAsksNobody(string arguments, string expected)
    {
        using var line = new CommandLine();

        var ran = await line.RunAsync(["bundle", "import", .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--server", "127.0.0.1:1"]);

        Assert.Equal((2, ""), (ran.Status, ran.Out));
        Assert.StartsWith($"entrepot: {expected}", ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DamagedLayer_IsNamedByItsDigest()
    {
        var (app, other) = (Image("org/app", "1", 540), Image("org/other", "1", 541));
        var file = Files.Layout("site.tar", (Full(app), app), (Full(other), other));
        Flip(file, app.Layers[0].Bytes);

        (await ImportAsync(file)).IsFailure($"'{file}' is damaged: what it has as {app.Layers[0].Digest} is something else; nothing was imported");

        await NothingIsLeftAsync(app, other);
        Assert.Empty(Cache.Store.Checked());
    }

    [Fact]
    public async Task DamagedManifest_IsNamedByItsDigest()
    {
        var app = Image("org/app", "1", 542);
        var file = Files.Layout("site.tar", (Full(app), app));
        Flip(file, app.Manifest.Bytes);

        (await ImportAsync(file)).IsFailure($"'{file}' is damaged: what it has as {app.Manifest.Digest} is something else; nothing was imported");

        await NothingIsLeftAsync(app);
    }

    [Fact]
    public async Task DamagedCopyOfAStoredBlob_IsToldAllTheSame()
    {
        var app = Image("org/app", "1", 543);
        var file = Files.Layout("site.tar", (Full(app), app));
        (await ImportAsync(file)).IsFine();
        Flip(file, app.Layers[0].Bytes);

        (await ImportAsync(file)).IsFailure($"'{file}' is damaged: what it has as {app.Layers[0].Digest} is something else; nothing was imported");

        await PullsAsync(app);
        await NothingIsStagedAsync();
    }

    [Fact]
    public async Task MissingLayer_IsNamedBeforeAnythingChanges()
    {
        var app = Image("org/app", "1", 544);
        var file = Files.Tar("site.tar", [.. ImageArchive.LayoutMembers([(Full(app), app)]).Where(member => member.Name != ImageArchive.NameOf(app.Layers[0].Digest))]);

        var ran = await ImportAsync(file);

        Assert.Equal(1, ran.Status);
        Assert.StartsWith($"entrepot: {app.Layers[0].Digest} is neither in the files nor stored here: ", ran.Error, StringComparison.Ordinal);
        await NothingIsLeftAsync(app);
    }

    [Fact]
    public async Task TooSmallAQuota_IsRefusedFirstWithTheNumbers()
    {
        var app = Elsewhere.AddImage("org/app", "1", TestBlob.Random(20 << 20, 545));

        var ran = await ImportAsync(Files.Layout("site.tar", (Full(app), app)));

        Assert.Equal(1, ran.Status);
        Assert.Matches(@"^entrepot: 3 new blobs take 20 MiB \(\d+ bytes\) on disk, and the quota has room for [\d.]+ MiB \(\d+ bytes\) beside what is pinned or arriving: raise storage.quota by [\d.]+ MiB, .*; nothing was imported\n$", ran.Error);
        await NothingIsLeftAsync(app);
    }

    [Fact]
    public async Task TruncatedArchive_IsNamed()
    {
        var app = Image("org/app", "1", 546);
        var file = Files.Layout("site.tar", (Full(app), app));
        using (var stream = File.OpenWrite(file)) stream.SetLength(30_000);

        var ran = await ImportAsync(file);

        Assert.Equal(1, ran.Status);
        Assert.Matches($"^entrepot: '{file}' ends (too early|in the middle of 'blobs/sha256/[0-9a-f]+'): it was not copied whole; copy it again\n$", ran.Error);
    }

    [Fact]
    public async Task PackedArchive_IsRefusedWithWhatToDo()
    {
        var app = Image("org/app", "1", 547);
        var file = Files.Layout("site.tar", (Full(app), app));
        await using (var packed = new GZipStream(File.Create(Files.PathOf("site.tar.gz")), CompressionMode.Compress)) packed.Write(await File.ReadAllBytesAsync(file));

        (await ImportAsync(Files.PathOf("site.tar.gz"))).IsFailure(
            $"'{Files.PathOf("site.tar.gz")}' is packed with gzip: unpack it first, then import the tar archive that comes out");
    }

    [Fact]
    public async Task SomethingElse_IsNamed()
    {
        (await ImportAsync("/nonexistent.tar")).IsFailure("'/nonexistent.tar' is not there");
        await File.WriteAllTextAsync(Files.PathOf("x"), "short");
        (await ImportAsync(Files.PathOf("x"))).IsFailure($"'{Files.PathOf("x")}' is no tar archive");
        await File.WriteAllTextAsync(Files.PathOf("x"), new string('x', 2000));
        Assert.StartsWith($"entrepot: '{Files.PathOf("x")}' is no tar archive, or damaged: ", (await ImportAsync(Files.PathOf("x"))).Error, StringComparison.Ordinal);
        var other = Files.Tar("other.tar", ImageArchive.Member("readme.txt", "hello"));
        (await ImportAsync(other)).IsFailure($"'{other}' is no OCI image layout and no archive of docker save: it has neither index.json nor manifest.json");
    }

    [Fact]
    public async Task HostileMembers_WriteNothingAndDoNotMatter()
    {
        var app = Image("org/app", "1", 548);
        var outside = Files.PathOf("outside");
        var file = Files.Tar("site.tar",
        [
            ImageArchive.Member($"../{Path.GetFileName(Files.Folder)}/outside", "x"), ImageArchive.Member(outside, "x"), ImageArchive.Link("blobs/evil", "../../../etc/passwd"),
            ImageArchive.Link("blobs/sha256/hard", "/etc/passwd", TarEntryType.HardLink), new PaxTarEntry(TarEntryType.Fifo, "pipe"), ImageArchive.Member(new string('n', 5000), "x"),
            .. ImageArchive.LayoutMembers([(Full(app), app)]),
        ]);

        (await ImportAsync(file)).IsFine();

        await PullsAsync(app);
        Assert.False(File.Exists(outside));
    }

    [Fact]
    public async Task MemberThatIsThereTwice_IsRefused()
    {
        var app = Image("org/app", "1", 549);
        var file = Files.Tar("site.tar", [.. ImageArchive.LayoutMembers([(Full(app), app)]), ImageArchive.Member("./index.json", "{}")]);

        (await ImportAsync(file)).IsFailure($"'{file}' has two members called 'index.json'; which is meant cannot be known");
        await NothingIsLeftAsync(app);
    }

    [Fact]
    public async Task LinkInPlaceOfABlob_IsNotFollowedOutside()
    {
        var app = Image("org/app", "1", 550);
        await File.WriteAllBytesAsync(Files.PathOf("layer"), app.Layers[0].Bytes);
        var name = ImageArchive.NameOf(app.Layers[0].Digest);
        var members = ImageArchive.LayoutMembers([(Full(app), app)]).Where(member => member.Name != name).Append(ImageArchive.Link(name, Files.PathOf("layer")));

        Assert.Equal(1, (await ImportAsync(Files.Tar("site.tar", [.. members]))).Status);
        await NothingIsLeftAsync(app);
    }

    [Fact]
    public async Task LinkInADirectory_IsNotFollowedOutside()
    {
        var app = Image("org/app", "1", 551);
        Unpack("layout", app);
        var layer = Files.PathOf($"layout/{ImageArchive.NameOf(app.Layers[0].Digest)}");
        File.Move(layer, Files.PathOf("layer"));
        File.CreateSymbolicLink(layer, Files.PathOf("layer"));

        var ran = await ImportAsync(Files.PathOf("layout"));

        Assert.Equal(1, ran.Status);
        Assert.StartsWith($"entrepot: {app.Layers[0].Digest} is neither in the files nor stored here: ", ran.Error, StringComparison.Ordinal);
        await NothingIsLeftAsync(app);
    }

    [Fact]
    public async Task LinkInADirectory_IsFollowedWithin()
    {
        var app = Image("org/app", "1", 552);
        Unpack("layout", app);
        File.Move(Files.PathOf("layout/index.json"), Files.PathOf("layout/real.json"));
        File.CreateSymbolicLink(Files.PathOf("layout/index.json"), "real.json");

        (await ImportAsync(Files.PathOf("layout"))).IsFine();

        await PullsAsync(app);
    }

    [Fact]
    public async Task LinkInPlaceOfAFolder_IsRefusedAndNamed()
    {
        var app = Image("org/app", "1", 553);
        Unpack("layout", app);
        Directory.Move(Files.PathOf("layout/blobs"), Files.PathOf("elsewhere"));
        Directory.CreateSymbolicLink(Files.PathOf("layout/blobs"), Files.PathOf("elsewhere"));

        (await ImportAsync(Files.PathOf("layout"))).IsFailure(
            $"'{Files.PathOf("layout")}' has a link in place of its folder 'blobs', which is not followed: put the folder itself there");
        await NothingIsLeftAsync(app);
    }

    private void Unpack(string folder, TestImage image)
    {
        Directory.CreateDirectory(Files.PathOf(folder));
        TarFile.ExtractToDirectory(Files.Layout("unpacked.tar", (Full(image), image)), Files.PathOf(folder), overwriteFiles: false);
    }

    private static void Flip(string file, byte[] where)
    {
        var bytes = File.ReadAllBytes(file);
        bytes[bytes.AsSpan().IndexOf(where) + where.Length / 2] ^= 1;
        File.WriteAllBytes(file, bytes);
    }
}
