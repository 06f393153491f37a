using System.Text;
using System.Text.Json.Nodes;
using Entrepot.Bundles;
using Entrepot.Oci;

namespace Entrepot.Tests.Bundles;

public sealed class DockerSaveTests
{
    private static readonly Digest Config = Digest.Of("config"u8);
    private static readonly Digest Layer = Digest.Of("layer"u8);

    [Fact]
    public void TryParse_ManifestOfDockerSave_HasItsImages()
    {
        var images = DockerSave.TryParse("""[{"Config":"c.json","RepoTags":["a:1","b:2"],"Layers":["l/layer.tar"]},{"Config":"d.json","RepoTags":null,"Layers":null}]"""u8.ToArray())!;

        Assert.Equal(("c.json", "a:1 b:2", "l/layer.tar"), (images[0].Config, string.Join(' ', images[0].Tags), Assert.Single(images[0].Layers)));
        Assert.Equal((0, 0), (images[1].Tags.Count, images[1].Layers.Count));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[1]")]
    [InlineData("[{}]")]
    [InlineData("[{\"Config\":1}]")]
    [InlineData("not json")]
    [InlineData("")]
    public void TryParse_SomethingElse_IsNone(string text) => Assert.Null(DockerSave.TryParse(Encoding.UTF8.GetBytes(text)));

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"rootfs":{"diff_ids":["sha256:1"]}}""")]
    [InlineData("""{"rootfs":{"diff_ids":[1]}}""")]
    public void DiffIdsOf_NoConfig_IsNone(string text) => Assert.Null(DockerSave.DiffIdsOf(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void DiffIdsOf_Config_HasThemInOrder() =>
        Assert.Equal([Layer, Config], DockerSave.DiffIdsOf(Encoding.UTF8.GetBytes($$$"""{"rootfs":{"type":"layers","diff_ids":["{{{Layer}}}","{{{Config}}}"]}}"""))!);

    [Theory]
    [InlineData("{0}.json", true)]
    [InlineData("blobs/sha256/{0}", true)]
    [InlineData("sha256:{0}", true)]
    [InlineData("config.json", false)]
    [InlineData("{0}/json", false)]
    [InlineData("", false)]
    public void DigestOf_MemberOfAConfig_IsWhatItIsNamedAfter(string member, bool isNamed) =>
        Assert.Equal(isNamed ? Config : default(Digest?), DockerSave.DigestOf(string.Format(null, member, Config.Hex)));

    [Fact]
    public void PackingOf_FirstBytes_TellIt()
    {
        Assert.Equal(LayerPacking.Gzip, DockerSave.PackingOf([0x1f, 0x8b, 8, 0]));
        Assert.Equal(LayerPacking.Zstd, DockerSave.PackingOf([0x28, 0xb5, 0x2f, 0xfd]));
        Assert.Equal(LayerPacking.None, DockerSave.PackingOf("etc/"u8));
        Assert.Equal(LayerPacking.None, DockerSave.PackingOf([]));
    }

    [Theory]
    [InlineData(LayerPacking.None, MediaTypes.DockerManifest, "application/vnd.docker.image.rootfs.diff.tar")]
    [InlineData(LayerPacking.Gzip, MediaTypes.DockerManifest, "application/vnd.docker.image.rootfs.diff.tar.gzip")]
    [InlineData(LayerPacking.Zstd, MediaTypes.OciManifest, "application/vnd.oci.image.layer.v1.tar+zstd")]
    public void ManifestOf_Layers_SaysHowEachIsPacked(LayerPacking packing, string mediaType, string layerType)
    {
        var (content, type) = DockerSave.ManifestOf((Config, 6), [(Layer, 5, packing)]);

        Assert.Equal(mediaType, type);
        Assert.Equal(content, DockerSave.ManifestOf((Config, 6), [(Layer, 5, packing)]).Content);
        var manifest = Manifest.TryParse(content)!;
        Assert.True(manifest is { IsImage: true } && manifest.MediaType == mediaType);
        Assert.Equal(layerType, (string?)JsonNode.Parse(content)!["layers"]![0]!["mediaType"]);
        Assert.Equal([new Descriptor(Layer, layerType, 5)], manifest.Blobs.Skip(1));
    }
}
