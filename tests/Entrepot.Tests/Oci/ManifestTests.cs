using System.Text;
using CsCheck;
using Entrepot.Oci;

namespace Entrepot.Tests.Oci;

public sealed class ManifestTests
{
    private static readonly Digest Config = Digest.Of("config"u8);
    private static readonly Digest Layer = Digest.Of("layer"u8);

    [Fact]
    public void TryParse_Image_HasConfigAndLayers()
    {
        var manifest = Parse($$"""
            {"schemaVersion":2,"mediaType":"{{MediaTypes.DockerManifest}}",
             "config":{"mediaType":"c/t","digest":"{{Config}}","size":6},
             "layers":[{"mediaType":"l/t","digest":"{{Layer}}","size":5},{"mediaType":"l/t","digest":"{{Layer}}"}]}
            """)!;

        Assert.Equal(MediaTypes.DockerManifest, manifest.MediaType);
        Assert.Equal([new Descriptor(Config, "c/t", 6), new Descriptor(Layer, "l/t", 5), new Descriptor(Layer, "l/t", 0)], manifest.Blobs);
    }

    [Theory]
    [InlineData("{}", MediaTypes.OciManifest)]
    [InlineData("""{"manifests":[]}""", MediaTypes.OciIndex)]
    [InlineData("""{"mediaType":"","manifests":[]}""", MediaTypes.OciIndex)]
    [InlineData("""{"mediaType":5}""", MediaTypes.OciManifest)]
    [InlineData("""{"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[]}""", MediaTypes.DockerList)]
    [InlineData("""{"mediaType":"application/vnd.example+json"}""", "application/vnd.example+json")]
    public void TryParse_MediaType_IsDeclaredOrShown(string json, string mediaType) => Assert.Equal(mediaType, Parse(json)!.MediaType);

    [Fact]
    public void TryParse_IndexAndSchema1_HaveNoBlobsToFollow()
    {
        Assert.Empty(Parse($$"""{"manifests":[{"digest":"{{Layer}}","size":5}]}""")!.Blobs);
        Assert.Empty(Parse($$"""{"schemaVersion":1,"fsLayers":[{"blobSum":"{{Layer}}"}]}""")!.Blobs);
    }

    [Theory]
    [InlineData("""{"artifactType":"application/spdx+json","config":{"mediaType":"application/vnd.oci.empty.v1+json"}}""", "application/spdx+json")]
    [InlineData("""{"artifactType":"","config":{"mediaType":"application/vnd.cncf.helm.config.v1+json"}}""", "application/vnd.cncf.helm.config.v1+json")]
    [InlineData("""{"artifactType":"application/x","manifests":[]}""", "application/x")]
    [InlineData("""{"config":{"mediaType":"application/vnd.oci.image.config.v1+json"}}""", null)]
    [InlineData("""{"config":{"mediaType":"application/vnd.docker.container.image.v1+json"}}""", null)]
    [InlineData("""{"artifactType":"a\nb"}""", null)]
    [InlineData("""{"config":"x"}""", null)]
    [InlineData("""{"manifests":[]}""", null)]
    public void ArtifactType_OfWhatIsNoImage_IsItsOwnOrItsConfigs(string json, string? type) => Assert.Equal(type, Parse(json)!.ArtifactType);

    [Fact]
    public void TryParse_LayerWithAddresses_IsNotOfARegistry() =>
        Assert.Empty(Parse($$"""{"layers":[{"digest":"{{Layer}}","size":5,"urls":["https://example.com/layer"]}]}""")!.Blobs);

    [Theory]
    [InlineData("application/vnd.oci.image.layer.v1.tar", true)]
    [InlineData("application/vnd.oci.image.layer.v1.tar+gzip", true)]
    [InlineData("application/vnd.oci.image.layer.v1.tar+zstd", true)]
    [InlineData("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", true)]
    [InlineData("application/vnd.docker.image.rootfs.diff.tar", true)]
    [InlineData("application/vnd.docker.image.rootfs.diff.tar.gzip", true)]
    [InlineData("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", true)]
    [InlineData("application/vnd.oci.image.config.v1+json", false)]
    [InlineData("application/vnd.oci.empty.v1+json", false)]
    [InlineData("application/vnd.dev.cosign.simplesigning.v1+json", false)]
    [InlineData("application/vnd.cncf.helm.chart.content.v1.tar+gzip", false)]
    [InlineData("", false)]
    public void IsImage_OneLayerOfAFileSystem_Makes(string mediaType, bool isImage)
    {
        const string Other = """{"mediaType":"application/vnd.in-toto+json"}""";

        Assert.Equal(isImage, Parse($$"""{"layers":[{{Other}},{"mediaType":"{{mediaType}}","urls":["https://example.com/layer"]}]}""")!.IsImage);
        Assert.False(Parse($$"""{"config":{"mediaType":"{{mediaType}}"},"layers":[1,{{Other}}]}""")!.IsImage);
    }

    [Theory]
    [InlineData("""{"config":null,"layers":{}}""")]
    [InlineData("""{"config":[],"layers":[1,null,"x",[],{}]}""")]
    [InlineData("""{"config":{"digest":"sha256:abc","size":1},"layers":[{"digest":5}]}""")]
    public void TryParse_OddParts_AreNotFollowed(string json) => Assert.Empty(Parse(json)!.Blobs);

    [Theory]
    [InlineData("1.5")]
    [InlineData("1e99")]
    [InlineData("\"5\"")]
    [InlineData("99999999999999999999")]
    public void TryParse_OddSize_IsNotGiven(string size) =>
        Assert.Equal(new Descriptor(Layer, "", 0), Assert.Single(Parse($$"""{"layers":[{"digest":"{{Layer}}","size":{{size}}}]}""")!.Blobs));

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"manifest\"")]
    [InlineData("{")]
    [InlineData("{} {}")]
    [InlineData("<html></html>")]
    [InlineData("""{"mediaType":"\ud800"}""")]
    [InlineData("""{"config":{"digest":"\udc00"}}""")]
    public void TryParse_NoObjectOfText_IsNoManifest(string text) => Assert.Null(Parse(text));

    [Fact]
    public void TryParse_BytesThatAreNoText_IsNoManifest() => Assert.Null(Manifest.TryParse((byte[])[.. "{\"mediaType\":\""u8, 0xff, .. "\"}"u8]));

    [Fact]
    public void TryParse_AbsurdlyDeep_IsNoManifest() =>
        Assert.Null(Parse(string.Concat(Enumerable.Repeat("{\"a\":", 10_000)) + "1" + new string('}', 10_000)));

    [Theory]
    [InlineData("layers")]
    [InlineData("manifests")]
    public void TryParse_MoreDescriptorsThanAreFollowed_LeadsNowhere(string list)
    {
        var most = Parse(Of(Manifest.MostDescriptors))!;
        var more = Parse(Of(Manifest.MostDescriptors + 1))!;

        Assert.Equal(Manifest.MostDescriptors, most.Blobs.Count + most.Manifests.Count);
        Assert.Equal((0, 0, false), (more.Blobs.Count, more.Manifests.Count, more.IsImage));
        Assert.Equal(most.MediaType, more.MediaType);

        string Of(int count) => $$"""{"{{list}}":[{{string.Join(',', Enumerable.Repeat($$"""{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{{Digest.Of([])}}"}""", count))}}]}""";
    }

    [Fact]
    public void TryParse_AnyBytes_NeverThrows() => Gen.Byte.Array[0, 40].Sample(bytes => { _ = Manifest.TryParse(bytes); });

    private static Manifest? Parse(string json) => Manifest.TryParse(Encoding.UTF8.GetBytes(json));
}
