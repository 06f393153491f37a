using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>Archives of <c>docker save</c>, in their old form.</summary>
public sealed class ImportDockerSaveTests : ImportTest
{
    private static readonly TestBlob One = TestBlob.Random(40_000, 560);
    private static readonly TestBlob Two = TestBlob.Random(30_000, 561);

    private static byte[] Config { get; } = Encoding.UTF8.GetBytes($$$"""{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["{{{One.Digest}}}","{{{Two.Digest}}}","{{{One.Digest}}}"]}}""");

    private static string ConfigName { get; } = $"{Digest.Of(Config).Hex}.json";

    [Fact]
    public async Task Import_OldForm_KeepsTheConfigsDigestAndTellsThePackingTruly()
    {
        var file = Files.Tar("app.tar", Members(["org/app:1", "ghcr.io/org/app:v1"], "a/layer.tar", "b/layer.tar", "c/layer.tar"));
        await Cache.RestartAsync(options => options with { Upstreams = [.. options.Upstreams, options.Upstreams[0] with { Name = "ghcr.io" }] });

        (await ImportAsync(file)).IsFine();

        var manifest = await Cache.GetManifestAsync("1");
        Assert.Equal(MediaTypes.DockerManifest, manifest.Header("Content-Type"));
        var json = JsonNode.Parse(manifest.Bytes)!;
        Assert.Equal((Digest.Of(Config).ToString(), "application/vnd.docker.container.image.v1+json"), ((string?)json["config"]!["digest"], (string?)json["config"]!["mediaType"]));
        Assert.Equal([One.Digest.ToString(), Two.Digest.ToString(), One.Digest.ToString()], json["layers"]!.AsArray().Select(layer => (string?)layer!["digest"]));
        Assert.All(json["layers"]!.AsArray(), layer => Assert.Equal("application/vnd.docker.image.rootfs.diff.tar", (string?)layer!["mediaType"]));
        (await Cache.GetAsync(Appliance.PathOf(Digest.Of(Config)))).Is(Config);
        (await Cache.GetAsync(Appliance.PathOf(One.Digest))).Is(One.Bytes);
        (await Cache.GetAsync("/v2/ghcr.io/org/app/manifests/v1")).Is(manifest.Bytes);
    }

    [Fact]
    public async Task Import_PackedLayer_IsCalledSo()
    {
        var packed = Packed(Two.Bytes);
        var members = Members(["org/app:1"], "a/layer.tar", "two.tar.gz", "c/layer.tar").Append(ImageArchive.Member("two.tar.gz", packed));

        (await ImportAsync(Files.Tar("app.tar", members))).IsFine();

        var layer = JsonNode.Parse((await Cache.GetManifestAsync("1")).Bytes)!["layers"]![1]!;
        Assert.Equal((Digest.Of(packed).ToString(), "application/vnd.docker.image.rootfs.diff.tar.gzip"), ((string?)layer["digest"], (string?)layer["mediaType"]));
        (await Cache.GetAsync(Appliance.PathOf(Digest.Of(packed)))).Is(packed);
    }

    [Fact]
    public async Task Import_LayerPackedByZstandard_IsCalledSoAndToldToBeUnproven()
    {
        var packed = Zstandard(570);
        var file = Files.Tar("app.tar", Members(["org/app:1"], "a/layer.tar", "two.tar.zst", "c/layer.tar").Append(ImageArchive.Member("two.tar.zst", packed)));

        var ran = await ImportAsync(file);

        Assert.Equal((0, "entrepot: not verified against the configs of their images, since nothing here unpacks Zstandard: 1 layer, "
            + $"{Digest.Of(packed)}; what the archive has of them was imported as it is\n"), (ran.Status, ran.Error));
        var layer = JsonNode.Parse((await Cache.GetManifestAsync("1")).Bytes)!["layers"]![1]!;
        Assert.Equal((Digest.Of(packed).ToString(), "application/vnd.oci.image.layer.v1.tar+zstd"), ((string?)layer["digest"], (string?)layer["mediaType"]));
        (await Cache.GetAsync(Appliance.PathOf(Digest.Of(packed)))).Is(packed);
        var json = await ImportAsync(file, "--output", "json");
        await Schemas.CheckLinesAsync("import", json);
        Assert.Equal(Digest.Of(packed).ToString(), (string?)JsonNode.Parse(json.Out)!["unproven"]!.AsArray().Single());
    }

    [Fact]
    public async Task Import_LayerPackedByZstandardThatIsNamedAfterItsBytes_IsHeldAgainstThat()
    {
        var packed = Zstandard(571);
        var member = $"blobs/sha256/{Digest.Of(packed).Hex}";
        var right = Files.Tar("right.tar", Members(["org/app:1"], "a/layer.tar", member, "c/layer.tar").Append(ImageArchive.Member(member, packed)));
        var damaged = (byte[])packed.Clone();
        damaged[700] ^= 1;
        var wrong = Files.Tar("wrong.tar", Members(["org/app:2"], "a/layer.tar", member, "c/layer.tar").Append(ImageArchive.Member(member, damaged)));

        Assert.Equal(0, (await ImportAsync(right)).Status);
        (await ImportAsync(wrong)).IsFailure($"'{wrong}' is damaged: its '{member}' should be {Digest.Of(packed)}, and is something else; nothing was imported");

        Assert.Equal(404, (await Cache.GetManifestAsync("2")).Status);
    }

    [Theory]
    [InlineData(15_000)]
    [InlineData(30_000)]
    public async Task Import_PackedLayerWithAFlippedByte_IsNamed(int where)
    {
        var packed = Packed(Two.Bytes);
        packed[where] ^= 1;
        var file = Files.Tar("app.tar", Members(["org/app:1"], "a/layer.tar", "two.tar.gz", "c/layer.tar").Append(ImageArchive.Member("two.tar.gz", packed)));

        (await ImportAsync(file)).IsFailure($"'{file}' is damaged: its 'two.tar.gz' should be {Two.Digest}, and is something else; nothing was imported");

        Assert.Equal(404, (await Cache.GetManifestAsync("1")).Status);
        Assert.Empty(Cache.Store.Checked());
    }

    [Fact]
    public async Task Import_PackedLayerOfSomethingElse_IsNamed()
    {
        var members = Members(["org/app:1"], "a/layer.tar", "two.tar.gz", "c/layer.tar").Append(ImageArchive.Member("two.tar.gz", Packed(One.Bytes)));
        var file = Files.Tar("app.tar", members);

        (await ImportAsync(file)).IsFailure($"'{file}' is damaged: its 'two.tar.gz' should be {Two.Digest}, and is something else; nothing was imported");

        Assert.Empty(Cache.Store.Checked());
    }

    [Theory]
    [InlineData("{0}.json")]
    [InlineData("blobs/sha256/{0}")]
    public async Task Import_ConfigWithAFlippedByte_IsNamed(string name)
    {
        var member = string.Format(null, name, Digest.Of(Config).Hex);
        var damaged = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(Config).Replace("amd64", "amd65", StringComparison.Ordinal));
        var file = Files.Tar("app.tar", Members(["org/app:1"], member, damaged, "a/layer.tar", "b/layer.tar", "c/layer.tar"));

        (await ImportAsync(file)).IsFailure($"'{file}' is damaged: its '{member}' should be {Digest.Of(Config)}, and is something else; nothing was imported");

        Assert.Equal(404, (await Cache.GetManifestAsync("1")).Status);
    }

    [Fact]
    public async Task Import_LayerThatIsSomethingElse_IsNamed()
    {
        var file = Files.Tar("app.tar", [.. Members(["org/app:1"], "a/layer.tar", "x/layer.tar", "c/layer.tar"), ImageArchive.Member("x/layer.tar", new byte[30_000])]);

        (await ImportAsync(file)).IsFailure($"'{file}' is damaged: what it has as {Two.Digest} is something else; nothing was imported");

        Assert.Equal(404, (await Cache.GetManifestAsync("1")).Status);
        await NothingIsStagedAsync();
        Assert.Empty(Cache.Store.Checked());
    }

    [Fact]
    public async Task Import_LayerThatLeadsOutside_IsMissing()
    {
        var file = Files.Tar("app.tar", [.. Members(["org/app:1"], "a/layer.tar", "x/layer.tar", "c/layer.tar"), ImageArchive.Link("x/layer.tar", "../../etc/passwd")]);

        (await ImportAsync(file)).IsFailure($"'{file}' has no 'x/layer.tar', which its manifest.json names: it was not copied whole, or is damaged");
    }

    [Fact]
    public async Task Import_WithoutATag_NeedsAName()
    {
        var file = Files.Tar("app.tar", Members([], "a/layer.tar", "b/layer.tar", "c/layer.tar"));

        (await ImportAsync(file)).IsFailure($"'{file}' does not say what its image with the config {ConfigName} is called: say it with --name, e.g. --name docker.io/library/alpine:3.20");
        (await ImportAsync(file, "--name", "org/app:3")).IsFine();

        Assert.Equal(200, (await Cache.GetManifestAsync("3")).Status);
    }

    // By its first bytes, which is all that anything here looks at.
    private static byte[] Zstandard(int seed) => [0x28, 0xb5, 0x2f, 0xfd, .. TestBlob.Random(2_000, seed).Bytes];

    private static byte[] Packed(byte[] layer)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionMode.Compress, leaveOpen: true)) gzip.Write(layer);
        return packed.ToArray();
    }

    private static IEnumerable<TarEntry> Members(string[] tags, params string[] layers) => Members(tags, ConfigName, Config, layers);

    // The third layer is the first once more, which docker save writes as a link.
    private static IEnumerable<TarEntry> Members(string[] tags, string name, byte[] config, params string[] layers) =>
    [
        ImageArchive.Member("a/layer.tar", One.Bytes), ImageArchive.Member("b/layer.tar", Two.Bytes), ImageArchive.Link("c/layer.tar", "../a/layer.tar"),
        ImageArchive.Member(name, config),
        ImageArchive.Member("manifest.json", new JsonArray(new JsonObject
        {
            [nameof(Config)] = name,
            ["RepoTags"] = tags.Length == 0 ? null : new JsonArray([.. tags.Select(tag => (JsonNode)tag)]),
            ["Layers"] = new JsonArray([.. layers.Select(layer => (JsonNode)layer)]),
        }).ToJsonString()),
    ];
}
