using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Entrepot.Bundles;
using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary><c>bundle export</c> against a running server.</summary>
public sealed class ExportTests : SiteTest
{
    private const string App = "docker.io/org/app:1";

    private TestImage _app = null!;
    private TestImage _other = null!;

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        _app = Registry.Content.AddImage("org/app", "1", TestBlob.Random(3_000_000, seed: 800), TestBlob.Random(2_000, seed: 801));
        _other = Registry.Content.AddImage("org/other", "1", _app.Layers[0], TestBlob.Random(1_000, seed: 802));
        await Cache.PullAsync(_app);
        await Cache.PullAsync(_other);
    }

    [Fact]
    public async Task Export_Images_IsAnArchiveWithAReceipt()
    {
        (await RunAsync("-o", In("site.tar"), "org/app:1", "org/other:1")).IsFine();

        var members = Read(In("site.tar"));
        Assert.Equal(["oci-layout", "index.json", "entrepot.json"], members.Keys.Take(3));
        foreach (var blob in _app.Layers.Concat(_other.Layers).Append(_app.Config)) Assert.Equal(blob.Bytes, members[BundleNames.Member(blob.Digest)]);
        Assert.Equal(_app.Manifest.Bytes, members[BundleNames.Member(_app.Manifest.Digest)]);
        var index = JsonNode.Parse(members["index.json"])!["manifests"]!.AsArray();
        Assert.Equal([App, "docker.io/org/other:1"], index.Select(one => (string)one!["annotations"]!["org.opencontainers.image.ref.name"]!));
        var receipt = BundleReceipt.Read(await File.ReadAllBytesAsync(In("site.receipt.json")), out _)!;
        Assert.True(receipt.IsOf(BundleContents.Read(members["entrepot.json"], out _)!));
        Assert.Equal([new BundleFile("site.tar", new FileInfo(In("site.tar")).Length, DigestOf("site.tar"))], receipt.Parts);
        Assert.Equal(["site.receipt.json", "site.tar"], Files);
    }

    [Fact]
    public async Task Export_Blobs_GoToTheSocketWithoutBeingRead()
    {
        var before = Cache.Host.FileBytes.Sent;

        (await RunAsync("-o", In("site.tar"), App)).IsFine();

        Assert.InRange(Cache.Host.FileBytes.Sent - before, _app.Layers[0].Size / 2, long.MaxValue);   // the rest where the socket was full
    }

    [Fact]
    public async Task Export_OtherOrderPatternAndAppliance_GivesTheSameBytes()
    {
        await using var second = await Appliance.StartAsync(Registry);
        await second.PullAsync(_other);
        await second.PullAsync(_app);

        (await RunAsync("-o", In("one.tar"), "org/app:1", "org/other:1")).IsFine();
        (await RunAsync("-o", In("two.tar"), "org/other:1", "org/app:1", App)).IsFine();
        (await CommandLine.RunAsync(second.Admin, "bundle", "export", "-o", In("three.tar"), "docker.io/org/*")).IsFine();

        Assert.Equal(DigestOf("one.tar"), DigestOf("two.tar"));
        Assert.Equal(DigestOf("one.tar"), DigestOf("three.tar"));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(700)]
    [InlineData(9_000)]
    [InlineData(1_500_000)]
    [InlineData(2_999_999)]
    public async Task Export_WhatAnEarlierOneLeft_IsGoneOnWith(int length)
    {
        (await RunAsync("-o", In("whole.tar"), App)).IsFine();
        var whole = await File.ReadAllBytesAsync(In("whole.tar"));
        await File.WriteAllBytesAsync(In("site.tar.partial"), whole[..length]);

        var ran = (await RunAsync("-o", In("site.tar"), App)).IsFine();

        Assert.Equal(whole, await File.ReadAllBytesAsync(In("site.tar")));
        Assert.False(File.Exists(In("site.tar.partial")));
        Assert.True(length < 1_000_000 || ran.Lines[^1].EndsWith("B of them were there from an earlier export", StringComparison.Ordinal), ran.Lines[^1]);
    }

    [Theory]
    [InlineData(10)]        // in a header
    [InlineData(600)]       // in a document
    [InlineData(1_000_000)] // in a blob
    public async Task Export_WhatACrashHasTorn_IsMended(int at)
    {
        (await RunAsync("-o", In("whole.tar"), App)).IsFine();
        var whole = await File.ReadAllBytesAsync(In("whole.tar"));
        var torn = whole[..2_900_000];
        torn[at] ^= 1;
        await File.WriteAllBytesAsync(In("site.tar.partial"), torn);

        (await RunAsync("-o", In("site.tar"), App)).IsFine();

        Assert.Equal(whole, await File.ReadAllBytesAsync(In("site.tar")));
    }

    [Fact]
    public async Task Export_MaxSize_PartsHaveEverythingAndGoOn()
    {
        (await RunAsync("-o", In("site.tar"), "--max-size", "1MB", App)).IsFine();

        var files = Files.Where(name => name.EndsWith(".tar", StringComparison.Ordinal)).Select(name => new FileInfo(In(name))).ToList();
        Assert.Equal(["site.001.tar", "site.002.tar", "site.003.tar", "site.004.tar"], files.Select(file => file.Name));
        Assert.All(files, file => Assert.InRange(file.Length, 1, 1_000_000));
        var pieces = files.SelectMany(file => Read(file.FullName)).Where(member => member.Key.StartsWith(BundleNames.Member(_app.Layers[0].Digest), StringComparison.Ordinal));
        Assert.Equal(_app.Layers[0].Bytes, pieces.SelectMany(piece => piece.Value));
        var receipt = BundleReceipt.Read(await File.ReadAllBytesAsync(In("site.receipt.json")), out _)!;
        Assert.Equal(files.Select(file => (file.Name, file.Length, DigestOf(file.Name))), receipt.Parts.Select(part => (part.Name, part.Size, part.Digest)));

        foreach (var file in files) file.MoveTo(file.FullName + ".partial");
        var torn = await File.ReadAllBytesAsync(In("site.002.tar.partial"));
        torn[500_000] ^= 1;
        await File.WriteAllBytesAsync(In("site.002.tar.partial"), torn);
        (await RunAsync("-o", In("site.tar"), "--max-size", "1MB", App)).IsFine();
        Assert.All(receipt.Parts, part => Assert.Equal(part.Digest, DigestOf(part.Name)));
    }

    [Fact]
    public async Task Export_OtherOptionsThanBefore_LeavesNothingOfThat()
    {
        foreach (var name in new[] { "site.001.tar", "site.007.tar", "site.receipt.json.sig", "site.receipt.json" })
            await File.WriteAllTextAsync(In(name + ".partial"), "of a run that was broken off");
        await File.WriteAllTextAsync(In("site2.001.tar.partial"), "somebody else's");

        (await RunAsync("-o", In("site.tar"), App)).IsFine();
        Assert.Equal(["site.receipt.json", "site.tar", "site2.001.tar.partial"], Files);

        (await RunAsync("-o", In("site.tar"), "--max-size", "2MB", App)).IsFine();
        Assert.Equal(["site.001.tar", "site.002.tar", "site.receipt.json", "site2.001.tar.partial"], Files);

        (await RunAsync("-o", In("site.tar"), App)).IsFine();
        Assert.Equal(["site.receipt.json", "site.tar", "site2.001.tar.partial"], Files);
    }

    [Fact]
    public async Task Export_IntoTheSameFileTwiceAtOnce_IsRefused()
    {
        using var other = File.Open(In("site.tar.partial"), FileMode.Create, FileAccess.ReadWrite, FileShare.None);

        var ran = await RunAsync("-o", In("site.tar"), "--max-size", "2MB", App);

        Assert.Equal(1, ran.Status);
        Assert.StartsWith($"entrepot: {In("site.tar.partial")} is in use, by another export", ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Export_Since_LeavesOutWhatTheFarSideHas()
    {
        (await RunAsync("-o", In("site.tar"), App)).IsFine();
        (await RunAsync("-o", In("delta.tar"), "--since", In("site.receipt.json"), App, "org/other:1")).IsFine();

        var contents = BundleContents.Read(Read(In("delta.tar"))["entrepot.json"], out _)!;
        Assert.Equal(2, contents.Images.Count);
        Assert.Equal(3, contents.Blobs.Count);   // the other's manifest, config and layer
        Assert.Contains(_app.Layers[0].Digest, contents.Base.Select(blob => blob.Digest));
        Assert.Equal([DigestOf("site.receipt.json")], contents.Since);
    }

    [Fact]
    public async Task Export_SignKey_OpensslSaysThatItIsRight()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await File.WriteAllTextAsync(In("key.pem"), key.ExportECPrivateKeyPem());
        (await RunAsync("-o", In("site.tar"), "--sign-key", In("key.pem"), App)).IsFine();

        var signature = Convert.FromBase64String(await File.ReadAllTextAsync(In("site.receipt.json.sig")));
        Assert.True(key.VerifyData(await File.ReadAllBytesAsync(In("site.receipt.json")), signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
        (await RunAsync("-o", In("site.tar"), App)).IsFine();
        Assert.False(File.Exists(In("site.receipt.json.sig")));
    }

    [Fact]
    public async Task Export_ReferrersAndCosignTags_ComeAlongUnlessRefused()
    {
        var sbom = Registry.Content.AddReferrer("org/app", _app.Manifest, "application/spdx+json");
        var tag = $"sha256-{_app.Manifest.Digest.Hex}.sig";
        var signature = Registry.Content.AddImage("org/app", tag, TestBlob.Random(200, seed: 803));
        (await Cache.GetManifestAsync(sbom.Digest.ToString())).Is(sbom.Bytes);
        (await Cache.GetBlobAsync(new TestBlob(Digest.Of("{}"u8), "{}"u8.ToArray()))).Is("{}"u8.ToArray());
        await Cache.PullAsync(signature);

        (await RunAsync("-o", In("with.tar"), App)).IsFine();
        (await RunAsync("-o", In("without.tar"), "--no-referrers", App)).IsFine();

        Assert.Equal([App, $"docker.io/org/app:{tag}", $"docker.io/org/app@{sbom.Digest}"], Names("with.tar"));
        var index = JsonNode.Parse(Read(In("with.tar"))["index.json"])!["manifests"]!.AsArray();
        Assert.Equal([null, null, "application/spdx+json"], index.Select(one => (string?)one!["artifactType"]));
        Assert.Equal([App], Names("without.tar"));
    }

    [Fact]
    public async Task Export_WrongInput_IsOneClearMessageAndNoFile()
    {
        await File.WriteAllTextAsync(In("bad.json"), "{}");
        (await RunAsync("-o", In("site.tar"), "--since", In("bad.json"), App)).IsFailure(
            $"--since {In("bad.json")}: is neither the receipt of a bundle nor what 'entrepot list --output json' answers");
        var unknown = await RunAsync("-o", In("site.tar"), "org/unknown:1", App);
        Assert.Equal(1, unknown.Status);
        Assert.EndsWith("entrepot: docker.io/org/unknown:1: it is not stored\nentrepot: nothing was written, since not all is stored\n", unknown.Error, StringComparison.Ordinal);
        (await RunAsync("-o", In("none/site.tar"), App)).IsFailure($"{In("none/site.tar")} cannot be written: its directory is not there");
        Assert.Equal(2, (await RunAsync("-o", In("site.tar"), "--max-size", "large", App)).Status);
        Assert.Equal(2, (await RunAsync(App)).Status);
        Assert.Equal(1, (await RunAsync("-o", In("site.tar"), "--max-size", "100", App)).Status);

        Assert.Equal(["bad.json"], Files);
    }

    [Fact]
    public async Task Export_NotStored_IsFetchedOnceAndWhatIsStoredIsNot()
    {
        var image = Registry.Content.AddImage("org/new", "1", _app.Layers[0], TestBlob.Random(5_000, seed: 804));
        var before = Registry.Log.All.Count;
        (await RunAsync("-o", In("site.tar"), "org/new:1", App)).IsFine();
        var asked = Registry.Log.All.Count;

        // Of the images what is new, each once, and nothing of what is stored.
        Assert.Equal(
            new[] { image.Layers[1].Digest, image.Config.Digest }.Select(digest => $"/v2/org/new/blobs/{digest}").Append($"/v2/org/new/manifests/{image.Manifest.Digest}").Order(StringComparer.Ordinal),
            Registry.Log.All.Skip(before).Where(request => request.Method == "GET" && (request.IsBlob || request.IsManifest)).Select(request => request.Path).Order(StringComparer.Ordinal));
        (await RunAsync("-o", In("again.tar"), "org/new:1", App)).IsFine();

        Assert.Equal(image.Layers[1].Bytes, Read(In("site.tar"))[BundleNames.Member(image.Layers[1].Digest)]);
        Assert.Equal(asked, Registry.Log.All.Count);
        Assert.Equal(DigestOf("site.tar"), DigestOf("again.tar"));
    }

    [Fact]
    public async Task Export_Json_IsWhatTheSchemasSay()
    {
        var ran = (await RunAsync("-o", In("site.tar"), "--output", "json", App)).IsFine();

        await Schemas.CheckAsync("export", Assert.Single(ran.Lines));
        await Schemas.CheckAsync("bundle-receipt", await File.ReadAllTextAsync(In("site.receipt.json")));
        await Schemas.CheckAsync("bundle-contents", System.Text.Encoding.UTF8.GetString(Read(In("site.tar"))["entrepot.json"]));
        Registry.Content.AddReferrer("org/app", _app.Manifest, "application/spdx+json");
        (await RunAsync("-o", In("more.tar"), App)).IsFine();
        await Schemas.CheckAsync("bundle-receipt", await File.ReadAllTextAsync(In("more.receipt.json")));
        await Schemas.CheckAsync("bundle-contents", System.Text.Encoding.UTF8.GetString(Read(In("more.tar"))["entrepot.json"]));
        await Schemas.CheckAsync("bundle-offer", await Cache.Client.GetStringAsync(new Uri(Cache.Admin, "/api/v1/bundles?ref=org/app:1&ref=org/none:1")));
    }

    [Fact]
    public async Task Export_RottenBlob_IsNamedAndTheEarlierFileStays()
    {
        (await RunAsync("-o", In("site.tar"), "org/other:1")).IsFine();
        var before = DigestOf("site.tar");
        var path = Cache.Store.PathOf(_app.Layers[1].Digest);
        var (bytes, time) = (await File.ReadAllBytesAsync(path), File.GetLastWriteTimeUtc(path));
        bytes[7] ^= 1;
        File.Delete(path);
        await File.WriteAllBytesAsync(path, bytes);
        File.SetLastWriteTimeUtc(path, time);   // as it is when the disk does it

        var ran = await RunAsync("-o", In("site.tar"), App);

        Assert.Equal(1, ran.Status);
        Assert.StartsWith($"entrepot: {_app.Layers[1].Digest} is wrong in the server's store", ran.Error, StringComparison.Ordinal);
        Assert.Equal(before, DigestOf("site.tar"));
    }

    private Task<Ran> RunAsync(params string[] arguments) => CommandAsync(["bundle", "export", .. arguments]);

    private IEnumerable<string> Names(string archive) => BundleContents.Read(Read(In(archive))["entrepot.json"], out _)!.Images.Select(image => image.Reference.ToString());

    private Digest DigestOf(string name) => Digest.Of(File.ReadAllBytes(In(name)));

    private static Dictionary<string, byte[]> Read(string path)
    {
        var members = new Dictionary<string, byte[]>();
        using var file = File.OpenRead(path);
        using var reader = new TarReader(file);
        while (reader.GetNextEntry() is { } entry)
        {
            using var content = new MemoryStream();
            entry.DataStream?.CopyTo(content);
            members.Add(entry.Name, content.ToArray());
        }

        return members;
    }
}
