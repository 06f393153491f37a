using CsCheck;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Images;

public sealed class RemovalPlanTests
{
    private static readonly string[] Repositories = ["org/a", "org/b"];

    // Which of the roots each repository has, which of those go, and what is pinned.
    private static readonly Gen<(Forest Forest, int Has, int Goes, int Pinned)> Cases =
        Gen.Select(Forest.Any, Gen.Int[0, 0xFFFF], Gen.Int[0, 0xFFFF], Gen.Int[0, 7]).Select((forest, has, goes, pinned) => (forest, has, goes, pinned));

    [Fact]
    public void Of_AnyImages_TakesWhatNoneThatStaysOrIsPinnedNeeds_AndAllOfThat() => Cases.Sample(one =>
    {
        var (gone, staying) = Split(one);
        HashSet<Digest> pinned = [.. Forest.Indexes.Where((_, i) => (one.Pinned >> i & 1) == 1).SelectMany(one.Forest.Reach)];

        var removals = RemovalPlan.Of(gone, [.. gone.Select(WithoutTags), .. staying], pinned.Contains);

        var needed = staying.SelectMany(image => one.Forest.Reach(image.Reference.Digest)).Concat(pinned).ToHashSet();
        var taken = removals.SelectMany(removal => removal.Blobs).ToList();
        Assert.Equal(taken.Count, taken.Distinct().Count());
        Assert.Equal(gone.SelectMany(image => one.Forest.Reach(image.Reference.Digest)).Except(needed).ToHashSet(), taken.ToHashSet());
        Assert.Equal(gone.Select(image => image.Reference), removals.Select(removal => removal.Image.Reference));
        Assert.DoesNotContain(removals.SelectMany(removal => removal.Manifests), manifest => pinned.Contains(manifest.Manifest.Digest));
    });

    [Fact]
    public void Of_AnyImages_ForgetsManifestsThatTheirRepositoryDoesNotNeed() => Cases.Sample(one =>
    {
        var (gone, staying) = Split(one);

        var removals = RemovalPlan.Of(gone, [.. gone.Select(WithoutTags), .. staying], _ => false);

        foreach (var (manifest, keptIn) in removals.SelectMany(removal => removal.Manifests))
        {
            Assert.DoesNotContain(staying.Where(image => image.Reference.Repository == manifest.Repository), image => one.Forest.Reach(image.Reference.Digest).Contains(manifest.Digest));
            var keepers = staying.Where(image => one.Forest.Reach(image.Reference.Digest).Contains(manifest.Digest)).Select(image => image.Reference.At(manifest.Digest)).ToList();
            Assert.Equal(keepers.Count > 0, keptIn is not null);
            if (keptIn is { } keeper) Assert.Contains(keeper, keepers);
        }

        var needless = gone.Where(image => !staying.Exists(other =>
            other.Reference.Repository == image.Reference.Repository && one.Forest.Reach(other.Reference.Digest).Contains(image.Reference.Digest)));
        Assert.All(needless, image => Assert.Contains(removals, removal => removal.Manifests.Any(manifest => manifest.Manifest == image.Reference)));
    });

    [Fact]
    public void Of_ATagThatCameBackMeanwhile_KeepsItsImage()
    {
        var image = Image(Forest.Plain[0], "org/a", ImageParts.Of(Forest.Plain[0], _ => null));

        var removal = Assert.Single(RemovalPlan.Of([image], [image], _ => false));

        Assert.Empty(removal.Blobs);
        Assert.Empty(removal.Manifests);
    }

    private static (List<CachedImage> Gone, List<CachedImage> Staying) Split((Forest Forest, int Has, int Goes, int Pinned) one)
    {
        var roots = Repositories.SelectMany(_ => Forest.Plain.Concat(Forest.Indexes), (repository, digest) => (repository, digest)).ToList();
        var images = roots.Select((root, i) => (Image: Image(root.digest, root.repository, one.Forest.PartsOf(root.digest)), Bit: i))
            .Where(image => (one.Has >> image.Bit & 1) == 1).ToList();
        return ([.. images.Where(image => (one.Goes >> image.Bit & 1) == 1).Select(image => image.Image)],
            [.. images.Where(image => (one.Goes >> image.Bit & 1) == 0).Select(image => image.Image)]);
    }

    private static CachedImage Image(Digest root, string repository, ImageParts parts) =>
        new(new Reference("docker.io", repository, root), ["v1"], "", 0, true, false, null, []) { Parts = parts };

    private static CachedImage WithoutTags(CachedImage image) => image with { Tags = [] };
}
