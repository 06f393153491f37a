using System.Formats.Tar;
using System.Security.Cryptography;
using Entrepot.Bundles;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>Bundles come in: whole, in parts, as deltas and signed.</summary>
public sealed class ImportBundleTests : ImportTest
{
    [Fact]
    public async Task Import_Bundle_IsPulled()
    {
        var app = Image("org/app", "1", 600, 601);

        (await ImportAsync(Write("site.tar", [app]))).IsFine();

        await PullsAsync(app);
    }

    [Theory]
    [InlineData("a.1.tar", "b.tar", "c.tar", "delta.tar")]
    [InlineData("delta.tar", "c.tar", "a.1.tar", "b.tar")]
    public async Task Import_PartsAndDeltaInAnyOrder_GiveTheNewestTags(params string[] order)
    {
        var (old, kept, moved) = (Image("org/app", "1", 602), Image("org/kept", "1", 603), Image("org/app", "1", 604));
        var full = ImageArchive.ContentsOf([old, kept]);
        WriteParts(full, [old, kept], "a.1.tar", "b.tar", "c.tar");
        Write("delta.tar", [moved, kept], kept);

        (await ImportAsync([.. order.Select(Files.PathOf), "--set", "site"])).IsFine();

        await PullsAsync(moved);
        await PullsAsync(kept);
        Assert.False(Has(old.Layers[0]));
        await NothingIsStagedAsync();
    }

    [Fact]
    public async Task Import_BundlesOfWhichNobodyKnowsTheNewer_AreRefused()
    {
        var (one, two) = (Image("org/app", "1", 617), Image("org/app", "1", 618));
        var (first, second) = (Write("first.tar", [one]), Write("second.tar", [two]));

        (await ImportAsync(second, first)).IsFailure(
            $"'{second}' and '{first}' have different images as docker.io/org/app:1, and which is the newer bundle cannot be known: "
            + "put their receipts beside them, or import one after the other, the newest last; nothing was imported");

        await NothingIsLeftAsync(one, two);
        (await ImportAsync(first, "--set", "site")).IsFine();
        (await ImportAsync(second, "--set", "site")).IsFine();
        await PullsAsync(two);
    }

    [Fact]
    public async Task Import_DeltaLater_ReplacesTheSet()
    {
        var (old, kept, moved) = (Image("org/app", "1", 605), Image("org/kept", "1", 606), Image("org/app", "1", 607));
        (await ImportAsync(Write("full.tar", [old, kept]), "--set", "site")).IsFine();

        (await ImportAsync(Write("delta.tar", [moved, kept], kept), "--set", "site")).IsFine();

        await PullsAsync(moved);
        await PullsAsync(kept);
        Assert.False(Has(old.Layers[0]));
    }

    [Fact]
    public async Task Import_DeltaWithoutItsBase_NamesWhatItLacks()
    {
        var (kept, moved) = (Image("org/kept", "1", 608), Image("org/app", "1", 609));

        var ran = await ImportAsync(Write("delta.tar", [moved, kept], kept));

        Assert.Equal(1, ran.Status);
        Assert.Contains(kept.Layers[0].Digest.ToString(), ran.Error, StringComparison.Ordinal);
        Assert.Contains("are neither in the files nor stored here: the bundle leaves out what an earlier one has brought", ran.Error, StringComparison.Ordinal);
        await NothingIsLeftAsync(kept, moved);
    }

    [Fact]
    public async Task Import_PartMissing_IsNamedByItsNumber()
    {
        var app = Image("org/app", "1", 610);
        WriteParts(ImageArchive.ContentsOf([app]), [app], "a.tar", "b.tar", "c.tar");

        (await ImportAsync(Files.PathOf("c.tar"), Files.PathOf("a.tar"))).IsFailure(
            $"part 2 of 3 is missing of the bundle that '{Files.PathOf("a.tar")}' is part 1 of; nothing was imported");

        await NothingIsLeftAsync(app);
    }

    [Fact]
    public async Task Import_BlobMissing_IsNamed()
    {
        var app = Image("org/app", "1", 611);
        var file = Write("site.tar", [app], without: app.Layers[0].Digest);

        (await ImportAsync(file)).IsFailure($"'{file}' lacks {app.Layers[0].Digest}: it was not copied whole, or is damaged; nothing was imported");

        await NothingIsLeftAsync(app);
    }

    [Fact]
    public async Task Key_SignedByIt_IsImported()
    {
        var app = Image("org/app", "1", 612);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var file = Write("site.tar", [app]);
        Sign(file, ImageArchive.ContentsOf([app]), key);

        (await ImportAsync(file, "--key", PublicKey(key))).IsFine();

        await PullsAsync(app);
    }

    [Fact]
    public async Task Key_UnsignedForeignOrChanged_IsRefusedAndSaysWhich()
    {
        var app = Image("org/app", "1", 613);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var file = Write("site.tar", [app]);
        var receipt = Files.PathOf("site.receipt.json");

        await RefusesAsync($"the bundle in '{file}' is not signed: its receipt is not beside it, such as '{receipt}'; nothing was imported");
        Sign(file, ImageArchive.ContentsOf([app]), key);
        File.Delete(receipt + ".sig");
        await RefusesAsync($"the bundle in '{file}' is not signed: there is no '{receipt}.sig'; nothing was imported");
        Sign(file, ImageArchive.ContentsOf([app]), other);
        await RefusesAsync($"the bundle in '{file}' is not signed by this key: it was signed by another, or '{receipt}' was changed since; nothing was imported");
        Sign(file, ImageArchive.ContentsOf([app]), key);
        await File.AppendAllTextAsync(receipt, " ");
        await RefusesAsync($"the bundle in '{file}' is not signed by this key: it was signed by another, or '{receipt}' was changed since; nothing was imported");
        Sign(file, ImageArchive.ContentsOf([app]), key);
        var bytes = await File.ReadAllBytesAsync(file);
        bytes[^1] ^= 1;   // behind all that is read
        await File.WriteAllBytesAsync(file, bytes);
        await RefusesAsync($"'{file}' was changed since it was signed: its bytes are not those that its receipt has; nothing was imported");
        var another = Write("site.tar", [app, Image("org/evil", "1", 614)]);
        await RefusesAsync($"the bundle in '{another}' was changed: it is not the one that '{receipt}' is the receipt of; nothing was imported");
        await NothingIsLeftAsync(app);

        async Task RefusesAsync(string why) => (await ImportAsync(file, "--key", PublicKey(key))).IsFailure(why);
    }

    [Fact]
    public async Task Key_ForeignArchive_IsRefused()
    {
        var app = Image("org/app", "1", 615);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var file = Files.Layout("app.tar", (Full(app), app));

        (await ImportAsync(file, "--key", PublicKey(key))).IsFailure(
            $"'{file}' is not signed: it is no bundle of 'entrepot bundle export', and --key takes nothing else; nothing was imported");
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    public async Task Key_DirectoryOfASignedBundle_IsImported(string end)
    {
        var app = Image("org/app", "1", 619);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var folder = Unpack([app], key);

        (await ImportAsync(folder + end, "--key", PublicKey(key))).IsFine();

        await PullsAsync(app);
        Assert.Equal("site", (string?)Assert.Single(await ListAsync())["set"]);
    }

    [Fact]
    public async Task Key_DirectoryThatIsUnsignedOrChanged_IsRefusedAndSaysWhich()
    {
        var app = Image("org/app", "1", 620);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (folder, receipt) = (Unpack([app], key), Files.PathOf("site.receipt.json"));
        var layer = $"{folder}/{BundleNames.Member(app.Layers[0].Digest)}";

        var bytes = await File.ReadAllBytesAsync(layer);
        await File.WriteAllBytesAsync(layer, [.. bytes[..^1], (byte)(bytes[^1] ^ 1)]);
        await RefusesAsync($"'{layer}' is damaged: what it has as {app.Layers[0].Digest} is something else; nothing was imported");
        await File.WriteAllBytesAsync(layer, bytes);
        await File.AppendAllTextAsync($"{folder}/index.json", " ");
        await RefusesAsync($"'{folder}' is damaged: its index.json is not what its entrepot.json says; nothing was imported");
        File.Delete(receipt + ".sig");
        await RefusesAsync($"the bundle in '{folder}' is not signed: there is no '{receipt}.sig'; nothing was imported");
        File.Delete(receipt);
        await RefusesAsync($"the bundle in '{folder}' is not signed: its receipt is not beside it, such as '{receipt}'; nothing was imported");
        Unpack([app], key);
        await File.WriteAllBytesAsync($"{folder}/entrepot.json", ImageArchive.ContentsOf([app, Image("org/evil", "1", 621)]).ToJson());
        await RefusesAsync($"the bundle in '{folder}' was changed: it is not the one that '{receipt}' is the receipt of; nothing was imported");
        await NothingIsLeftAsync(app);

        async Task RefusesAsync(string why) => (await ImportAsync(folder, "--key", PublicKey(key))).IsFailure(why);
    }

    [Fact]
    public async Task ReceiptsThatCannotBeRead_AreMissedOnlyWhereTheyAreWanted()
    {
        var app = Image("org/app", "1", 622);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var file = Write("site.tar", [app]);
        File.CreateSymbolicLink(Files.PathOf("site.receipt.json"), Files.PathOf("gone.json"));
        Directory.CreateDirectory(Files.PathOf("folder.receipt.json"));

        (await ImportAsync(file, "--key", PublicKey(key))).IsFailure(
            $"the bundle in '{file}' is not signed: its receipt is not beside it, such as '{Files.PathOf("site.receipt.json")}'; nothing was imported");
        await NothingIsLeftAsync(app);
        (await ImportAsync(file)).IsFine();

        await PullsAsync(app);
    }

    [Fact]
    public async Task Import_Referrer_IsListedOffline()
    {
        var app = Image("org/app", "1", 616);
        var signature = Elsewhere.AddReferrer("org/app", app.Manifest, "application/vnd.example.signature");
        var empty = new TestBlob(Digest.Of("{}"u8), "{}"u8.ToArray());
        var referrer = new TestImage("org/app", "", signature, empty, []);

        (await ImportAsync(Write("site.tar", [app, referrer]))).IsFine();
        await Cache.RestartAsync();

        var list = await Cache.GetAsync($"/v2/org/app/referrers/{app.Manifest.Digest}");
        Assert.Equal((200, signature.Digest.ToString()), (list.Status, (string?)Assert.Single(list.Json["manifests"]!.AsArray())!["digest"]));
        (await Cache.GetManifestAsync(signature.Digest.ToString())).Is(signature.Bytes);
        var none = await Cache.GetAsync($"/v2/org/app/referrers/{signature.Digest}");
        Assert.Equal((200, 0), (none.Status, none.Json["manifests"]!.AsArray().Count));
        (await RunAsync("remove", "--set", "site")).IsFine();
        Assert.Empty(Cache.Store.Checked());
    }

    private string Write(string name, IReadOnlyList<TestImage> images, TestImage? known = null, Digest? without = null)
    {
        var contents = known is null ? ImageArchive.ContentsOf(images) : ImageArchive.ContentsOf(images, known);
        var bytes = ImageArchive.AllOf(images).ToDictionary(blob => blob.Digest, blob => blob.Bytes);
        return Files.Tar(name,
        [
            .. Head(contents), ImageArchive.Member(BundleNames.Contents, contents.ToJson()),
            .. contents.Blobs.Where(blob => blob.Digest != without).Select(blob => ImageArchive.Member(BundleNames.Member(blob.Digest), bytes[blob.Digest])),
        ]);
    }

    // Each blob is cut into three pieces, one in each part.
    private void WriteParts(BundleContents contents, IReadOnlyList<TestImage> images, params string[] names)
    {
        var bytes = ImageArchive.AllOf(images).ToDictionary(blob => blob.Digest, blob => blob.Bytes);
        for (var part = 0; part < names.Length; part++)
        {
            var members = contents.Blobs.Select(blob => ImageArchive.Member(BundleNames.Member(blob.Digest, part), bytes[blob.Digest].Chunk((int)(blob.Size / names.Length) + 1).ElementAtOrDefault(part) ?? []));
            Files.Tar(names[part],
            [
                ImageArchive.Member(BundleNames.Contents, (contents with { Part = new BundlePart(part + 1, names.Length) }).ToJson()),
                .. part == 0 ? Head(contents) : [], .. members,
            ]);
        }
    }

    private static IEnumerable<TarEntry> Head(BundleContents contents) =>
        [ImageArchive.Member(BundleNames.Layout, BundleNames.LayoutJson), ImageArchive.Member(BundleNames.Index, contents.ToIndex())];

    // As "mkdir site && tar -C site -xf site.tar" does, with the signed receipt beside it.
    private string Unpack(IReadOnlyList<TestImage> images, ECDsa key)
    {
        var (file, folder) = (Write("site.tar", images), Directory.CreateDirectory(Files.PathOf("site")).FullName);
        TarFile.ExtractToDirectory(file, folder, overwriteFiles: true);
        Sign(file, ImageArchive.ContentsOf(images), key);
        File.Delete(file);
        return folder;
    }

    private static void Sign(string file, BundleContents contents, ECDsa key)
    {
        var bytes = File.ReadAllBytes(file);
        var receipt = BundleReceipt.Of(contents, [new BundleFile(Path.GetFileName(file), bytes.Length, Digest.Of(bytes))]).ToJson();
        var path = BundleNames.ReceiptFile(file);
        File.WriteAllBytes(path, receipt);
        File.WriteAllText(BundleNames.SignatureFile(path), Convert.ToBase64String(key.SignData(receipt, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)));
    }

    private string PublicKey(ECDsa key)
    {
        File.WriteAllText(Files.PathOf("key.pem"), key.ExportSubjectPublicKeyInfoPem());
        return Files.PathOf("key.pem");
    }
}
