using CsCheck;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Images;

public sealed class ImagePartsTests
{
    [Fact]
    public void Of_AnyImage_IsAllThatCanBeReached() => Forest.Any.Sample(forest =>
    {
        foreach (var root in Forest.Plain.Concat(Forest.Indexes))
        {
            var parts = forest.PartsOf(root);

            Assert.Equal(forest.Reach(root), parts.Sizes.Keys.ToHashSet());
            Assert.Equal(root, parts.Sizes.Keys.First());
            Assert.All(parts.Manifests, manifest => Assert.NotNull(forest.Find(manifest)));
            Assert.Equal((forest.Find(root)?.Manifests ?? []).Select(child => child.Digest).ToHashSet(), parts.Children);
        }
    });

    [Fact]
    public void IsComplete_AnyImage_NeedsAllOfOnePlatform() => Forest.Any.Sample(forest =>
    {
        foreach (var root in Forest.Plain.Concat(Forest.Indexes))
        {
            var manifest = forest.Find(root);
            var expected = manifest is not null && (manifest.Manifests.Count == 0 ? IsWhole(root) : manifest.Manifests.Any(child => IsWhole(child.Digest)));

            Assert.Equal(expected, forest.PartsOf(root).IsComplete(forest.Stored.Contains));
        }

        bool IsWhole(Digest image) => forest.Find(image) is { } found && found.Blobs.All(blob => forest.Stored.Contains(blob.Digest));
    });

    [Fact]
    public void IsComplete_AManifestThatIsNotUnderstood_NeedsItselfAlone()
    {
        var root = Digest.Of("not a manifest"u8);
        var parts = ImageParts.Of(root, _ => null);

        Assert.True(parts.IsComplete(digest => digest == root));
        Assert.False(parts.IsComplete(_ => false));
    }

    [Fact]
    public void Of_MorePartsThanAreFollowed_EndsWithThose()
    {
        var root = Digest.Of("root"u8);
        var images = Enumerable.Range(0, 20).Select(number => Digest.Of([(byte)number])).ToList();
        var index = new Manifest(MediaTypes.OciIndex, [], [.. images.Select(image => new Descriptor(image, "", 1))]);
        var manifests = images.Index().ToDictionary(one => one.Item, one => new Manifest(MediaTypes.OciManifest, [.. Enumerable.Range(0, Manifest.MostDescriptors).Select(layer => Layer(one.Index, layer))], []));

        var parts = ImageParts.Of(root, digest => digest == root ? index : manifests.GetValueOrDefault(digest));

        Assert.InRange(parts.Sizes.Count, ImageParts.Most - Manifest.MostDescriptors, ImageParts.Most);
        Assert.True(parts.IsComplete(parts.Sizes.ContainsKey));

        static Descriptor Layer(int image, int layer) => new(Digest.Of(BitConverter.GetBytes(((long)image << 32) | (uint)layer)), "", 1);
    }

    [Fact]
    public void Of_IndexesOfIndexes_EndsAtItsDepth()
    {
        var levels = Enumerable.Range(0, 6).Select(i => Digest.Of([(byte)i])).ToArray();
        var parts = ImageParts.Of(levels[0], digest => new Manifest(MediaTypes.OciIndex, [], [new Descriptor(levels[Array.IndexOf(levels, digest) + 1], "", 1)]));

        Assert.Equal(levels[..(ImageParts.Depth + 1)], parts.Sizes.Keys);
    }
}
