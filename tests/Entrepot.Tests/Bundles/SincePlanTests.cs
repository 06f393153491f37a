using System.Text;
using Entrepot.Bundles;
using Entrepot.Oci;

namespace Entrepot.Tests.Bundles;

public sealed class SincePlanTests
{
    private static readonly BundleBlob[] Blobs = [SampleBundle.Blob("layer", 70_000), SampleBundle.Blob("app", 500), SampleBundle.Blob("new", 9), SampleBundle.Blob("base", 12_345)];

    [Fact]
    public void Plan_WithoutDocuments_ManifestsComeFirstAndEachGroupIsOrdered()
    {
        var contents = Plan(new SincePlan());

        Assert.Equal(SampleBundle.Name("app"), contents.Blobs[0].Digest);
        Assert.Equal(contents.Blobs.Skip(1).OrderBy(blob => blob.Digest.ToString(), StringComparer.Ordinal), contents.Blobs.Skip(1));
        Assert.Equal((4, 0, 0), (contents.Blobs.Count, contents.Base.Count, contents.Since.Count));
    }

    [Fact]
    public void Plan_Receipt_LeavesOutItsBlobsAndItsBase()
    {
        var receipt = BundleReceipt.Of(SampleBundle.Contents(), [new("site.tar", 4096, SampleBundle.Name("one"))]).ToJson();
        var since = new SincePlan();
        Assert.Empty(since.Add(receipt));

        var contents = Plan(since);

        Assert.Equal([SampleBundle.Name("new")], contents.Blobs.Select(blob => blob.Digest));
        Assert.Equal(3, contents.Base.Count);
        Assert.Equal([Digest.Of(receipt)], contents.Since);
        Assert.NotNull(BundleContents.Read(contents.ToJson(), out _));
    }

    [Fact]
    public void Plan_SeveralInAnyOrder_IsTheirUnion()
    {
        var (one, two) = (List("layer"), List("base"));

        var (forth, back) = (new SincePlan(), new SincePlan());
        Assert.All([forth.Add(one), forth.Add(two), back.Add(two), back.Add(one), back.Add(one)], problems => Assert.Empty(problems));

        Assert.Equal(2, Plan(forth).Base.Count);
        Assert.Equal(Plan(forth).ToJson(), Plan(back).ToJson());
    }

    // As images of a site are: 0.5 GB each, of which a fifth is a layer that two share.
    [Fact]
    public void Plan_OneSmallLayerOfTenImagesChanged_IsUnderATwentiethOfAPercent()
    {
        var (full, delta) = (new SincePlan(), new SincePlan());
        var before = PlanOf(full, changed: false);
        Assert.Empty(delta.Add(BundleReceipt.Of(before, [new("site.tar", 1, SampleBundle.Name("site"))]).ToJson()));

        var after = PlanOf(delta, changed: true);

        Assert.Equal(3, after.Blobs.Count);   // the layer, the config and the manifest
        Assert.InRange(BundleLayout.Of(before, long.MaxValue)!.Size, 4_500_000_000, 5_500_000_000);
        Assert.InRange(BundleLayout.Of(after, long.MaxValue)!.Size, 200_000, BundleLayout.Of(before, long.MaxValue)!.Size / 2000);

        static BundleContents PlanOf(SincePlan since, bool changed)
        {
            var (images, manifests, blobs) = (new List<BundleImage>(), new HashSet<Digest>(), new List<BundleBlob>());
            for (var i = 0; i < 10; i++)
            {
                var which = i == 7 && changed ? $"{i} again" : $"{i}";
                images.Add(SampleBundle.Image($"docker.io/org/app{i}:1", $"manifest {which}"));
                manifests.Add(images[^1].Digest);
                blobs.AddRange([SampleBundle.Blob($"manifest {which}", 500), SampleBundle.Blob($"config {which}", 8_000), SampleBundle.Blob($"base {i / 2}", 100_000_000)]);
                blobs.AddRange(Enumerable.Range(0, 6).Select(layer => SampleBundle.Blob($"{i}/{layer}", 75_000_000)));
                blobs.Add(SampleBundle.Blob($"small {which}", 200_000));
            }

            return since.Plan(images, manifests, blobs);
        }
    }

    [Theory]
    [InlineData("{}", "is neither the receipt of a bundle nor")]
    [InlineData("nonsense", "not JSON")]
    [InlineData("""{"images":[{"blobs":["x"]}]}""", "images[0].blobs[0]: is not a digest")]
    [InlineData("""{"images":[{}]}""", "images[0].blobs: a list is missing")]
    [InlineData("""{"version":1,"images":[],"blobs":[],"base":[],"since":[]}""", "is neither the receipt of a bundle nor")]
    [InlineData("""{"contents":"x"}""", "version: a whole number")]
    public void Add_AnythingElse_IsNamedAndChangesNothing(string json, string problem)
    {
        var since = new SincePlan();

        Assert.StartsWith(problem, Assert.Single(since.Add(Encoding.UTF8.GetBytes(json))), StringComparison.Ordinal);
        Assert.Empty(Plan(since).Since);
    }

    private static byte[] List(string blob) => Encoding.UTF8.GetBytes($$"""{"images":[{"upstream":"docker.io","blobs":["{{SampleBundle.Name(blob)}}"],"later":1}]}""");

    private static BundleContents Plan(SincePlan since) =>
        since.Plan([SampleBundle.Image("ghcr.io/org/app:1", "app")], new HashSet<Digest> { SampleBundle.Name("app") }, Blobs);
}
