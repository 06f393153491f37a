using Entrepot.Bundles;
using Entrepot.Oci;
using Entrepot.Server.Cli.Bundles;

namespace Entrepot.Tests.Bundles;

public sealed class BundleOrderTests : IDisposable
{
    private const string Tag = "docker.io/org/app:1";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-order-");

    public static TheoryData<int[]> Orders => new([0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]);

    public void Dispose() => _directory.Delete(recursive: true);

    [Theory]
    [MemberData(nameof(Orders))]
    public void Of_TwoChainedDeltas_AreOrderedByReceiptsOrByWhatTheyLeaveOut(int[] order)
    {
        Sample[] byReceipt = [Full("full"), Delta("one", "full"), Delta("two", "one")];
        Sample[] byBase = [Full("full", hasReceipt: false), Delta("one", "full", hasReceipt: false), Delta("two", "one", hasReceipt: false, alsoLeavesOut: "one")];

        Assert.Equal(["full", "one", "two"], Ordered([.. order.Select(i => byReceipt[i])]));
        Assert.Equal(["full", "one", "two"], Ordered([.. order.Select(i => byBase[i])]));
    }

    [Theory]
    [MemberData(nameof(Orders))]
    public void Of_TwoChainedDeltasOfWhichNothingTells_AreRefused(int[] order)
    {
        Sample[] chain = [Full("full", hasReceipt: false), Delta("one", "full", hasReceipt: false), Delta("two", "one", hasReceipt: false)];

        IsRefused([.. order.Select(i => chain[i])], "one", "two");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Of_TwoDeltasSinceTheSame_AreRefusedWhereATagHasAnotherMeaning(bool haveReceipts)
    {
        var (full, one, two) = (Full("full", haveReceipts), Delta("one", "full", haveReceipts), Delta("two", "full", haveReceipts));
        var same = Delta("same", "full", haveReceipts, image: "one");

        IsRefused([two, full, one], "one", "two");
        Assert.Equal(["full", "same", "one"], Ordered(same, full, one));
        Assert.Equal(["full", "one", "same"], Ordered(one, full, same));
    }

    [Fact]
    public void Of_DeltasThatDisagree_AreSettledByOneThatIsNewerThanBoth()
    {
        var last = Delta("last", "one");
        last = last with { Contents = last.Contents with { Since = [.. last.Contents.Since, SampleBundle.Name("receipt of two")] } };

        Assert.Equal(["full", "two", "one", "last"], Ordered(last, Delta("two", "full"), Full("full"), Delta("one", "full")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Of_DeltaOfAnOlderBundle_IsNotTakenForNewerThanAnotherThatBringsTheSame(bool haveReceipts) =>
        IsRefused([Delta("delta", "full", haveReceipts), Full("later", haveReceipts), Full("full", haveReceipts)], "delta", "later");

    [Fact]
    public void Of_NoTagInCommon_IsAsGiven()
    {
        var other = Full("other", hasReceipt: false);
        other = other with { Contents = other.Contents with { Images = [SampleBundle.Image("docker.io/org/other:1", "other")] } };

        Assert.Equal(["other", "full"], Ordered(other, Full("full", hasReceipt: false)));
        Assert.Equal(["full", "other"], Ordered(Full("full", hasReceipt: false), other));
    }

    private static Sample Full(string name, bool hasReceipt = true) => new(
        name,
        new BundleContents([SampleBundle.Image(Tag, name)], [SampleBundle.Blob(name, 500), SampleBundle.Blob("shared", 70_000)], [], []),
        hasReceipt ? SampleBundle.Name($"receipt of {name}") : null);

    private static Sample Delta(string name, string since, bool hasReceipt = true, string? image = null, string? alsoLeavesOut = null) => new(
        name,
        new BundleContents(
            [SampleBundle.Image(Tag, image ?? name)],
            [SampleBundle.Blob(name, 500)],
            [SampleBundle.Blob("shared", 70_000), .. alsoLeavesOut is null ? [] : (BundleBlob[])[SampleBundle.Blob(alsoLeavesOut, 500)]],
            [SampleBundle.Name($"receipt of {since}")]),
        hasReceipt ? SampleBundle.Name($"receipt of {name}") : null);

    private IReadOnlyList<BundlePieces> Order(Sample[] samples)
    {
        var files = samples.Select(sample => (Archive.Open(_directory.CreateSubdirectory(sample.Name).FullName), sample.Contents));
        return BundleOrder.Of(BundlePieces.Of(files), [.. samples.Select(sample => sample.Receipt)]);
    }

    private IEnumerable<string> Ordered(params Sample[] samples) => Order(samples).Select(bundle => Path.GetFileName(bundle.Files[0]));

    private void IsRefused(Sample[] samples, string one, string other)
    {
        var refusal = Assert.Throws<ArchiveException>(() => Order(samples)).Message;

        Assert.Contains($" have different images as {Tag}, and which is the newer bundle cannot be known: put their receipts beside them, or import one after the other", refusal, StringComparison.Ordinal);
        Assert.Contains($"'{Path.Combine(_directory.FullName, one)}'", refusal, StringComparison.Ordinal);
        Assert.Contains($"'{Path.Combine(_directory.FullName, other)}'", refusal, StringComparison.Ordinal);
    }

    private sealed record Sample(string Name, BundleContents Contents, Digest? Receipt);
}
