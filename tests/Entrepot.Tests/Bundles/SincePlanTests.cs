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
