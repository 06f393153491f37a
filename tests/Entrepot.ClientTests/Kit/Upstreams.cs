using Entrepot.ClientTests.Images;
using Digest = Entrepot.Oci.Digest;
using TestBlob = Entrepot.FunctionalTests.Registry.TestBlob;
using TestRegistry = Entrepot.FunctionalTests.Registry.TestRegistry;

namespace Entrepot.ClientTests.Kit;

/// <summary>Registries that misbehave on request, as upstreams of real programs.</summary>
internal static class Upstreams
{
    /// <summary>Adds an image with all its platforms.</summary>
    public static void Hold(this TestRegistry registry, TestImage image)
    {
        foreach (var blob in image.Blobs)
        {
            Assert.True(Digest.TryParse(blob.Digest, out var digest));
            registry.Content.AddBlob(new TestBlob(digest, blob.Bytes));
        }

        foreach (var manifest in image.Manifests)
            registry.Content.AddManifest(image.Repository, manifest == image.Root ? image.Tag : null, manifest.Bytes, manifest.MediaType);
    }
}
