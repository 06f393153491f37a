using System.Text;
using Entrepot.Bundles;
using Entrepot.Oci;

namespace Entrepot.Tests.Bundles;

public sealed class LayoutIndexTests
{
    private static readonly Digest Image = Digest.Of("image"u8);

    [Fact]
    public void TryParse_Index_HasImagesAndTheirNames()
    {
        var images = LayoutIndex.TryParse(Encoding.UTF8.GetBytes($$$"""
            {"schemaVersion":2,"manifests":[
            {"mediaType":"m","digest":"{{{Image}}}","size":5,"annotations":{"org.opencontainers.image.ref.name":"1","io.containerd.image.name":"docker.io/library/a:1"}},
            {"digest":"{{{Image}}}"}]}
            """))!;

        Assert.Equal([new LayoutImage(new Descriptor(Image, "m", 5), "docker.io/library/a:1", "1"), new LayoutImage(new Descriptor(Image, "", 0), null, null)], images);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"manifests":1}""")]
    [InlineData("""{"manifests":[1]}""")]
    [InlineData("""{"manifests":[{"digest":"sha256:1"}]}""")]
    [InlineData("""{"manifests":[{"digest":1}]}""")]
    [InlineData("")]
    public void TryParse_SomethingElse_IsNone(string text) => Assert.Null(LayoutIndex.TryParse(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void TryParse_NoManifests_IsEmpty() => Assert.Empty(LayoutIndex.TryParse("""{"manifests":null}"""u8.ToArray())!);
}
