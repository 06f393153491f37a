using System.Text;
using Entrepot.Bundles;
using Entrepot.Oci;

namespace Entrepot.Tests.Bundles;

/// <summary>Bundles to try things with.</summary>
internal static class SampleBundle
{
    public static Digest Name(string text) => Digest.Of(Encoding.UTF8.GetBytes(text));

    public static BundleBlob Blob(string text, long size) => new(Name(text), size);

    public static BundleImage Image(string reference, string manifest, params string[] platforms)
    {
        Assert.True(Reference.TryParse(reference, out var parsed), reference);
        return new BundleImage(parsed, Name(manifest), platforms.Length > 0 ? MediaTypes.OciIndex : MediaTypes.OciManifest, 500, platforms);
    }

    /// <summary>Two images, one of them an index of which one platform is left out; a layer is over there.</summary>
    public static BundleContents Contents() => new(
        [Image("docker.io/library/alpine:3.20", "alpine", "linux/amd64"), Image("ghcr.io/org/app:1", "app")],
        [Blob("alpine", 500), Blob("app", 500), Blob("layer", 70_000)],
        [Blob("base", 12_345)],
        [Name("receipt")]);
}
