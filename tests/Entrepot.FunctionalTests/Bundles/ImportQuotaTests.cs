using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Pull;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>Sets in a store that is too small for all that comes.</summary>
public sealed class ImportQuotaTests : SiteTest, IDisposable
{
    private const int LayerBytes = 3 << 20;

    private readonly Content _elsewhere = new();
    private readonly ImageArchive _archive = new();

    private protected override Setup Setup => new() { Options = options => options with { Quota = QuotaSize.OfBytes(16 << 20) } };

    public void Dispose() => _archive.Dispose();

    [Fact]
    public async Task Pulls_PastTheQuota_EvictNothingOfASet()
    {
        var app = Image("app", 630, 631);
        (await ImportAsync("site", app)).IsFine();

        await PullPastTheQuotaAsync();

        Assert.All(BlobsOf(app), blob => Assert.True(Cache.Store.Has(blob.Digest)));
        var asked = Registry.Log.All.Count;
        await Cache.PullAsync(app);
        Assert.DoesNotContain(Registry.Log.All.Skip(asked), request => request.Method == "GET");
    }

    [Fact]
    public async Task Import_OfWhatDoesNotFitBesideASet_IsRefusedAndTheSetStays()
    {
        var (app, large) = (Image("app", 632, 633), Image("large", 634, 635, 636, 637));
        (await ImportAsync("site", app)).IsFine();

        var ran = await ImportAsync("more", large);

        Assert.Equal(1, ran.Status);
        Assert.Contains("beside what is pinned or arriving: raise storage.quota by ", ran.Error, StringComparison.Ordinal);
        Assert.All(BlobsOf(large), blob => Assert.False(Cache.Store.Has(blob.Digest)));
        Assert.Contains("set site", (await CommandAsync("list")).IsFine().Out, StringComparison.Ordinal);
        await Cache.PullAsync(app);
    }

    [Fact]
    public async Task Import_IntoAStoreThatIsFullOfPulls_TakesTheirRoom()
    {
        await PullPastTheQuotaAsync();
        var app = Image("app", 638, 639, 640, 641);

        (await ImportAsync("site", app)).IsFine();

        await Cache.PullAsync(app);
    }

    private async Task PullPastTheQuotaAsync()
    {
        for (var i = 0; i < 8; i++) await Cache.PullAsync(Registry.Content.AddImage("org/pulled", $"{i}", TestBlob.Random(LayerBytes, 650 + i)));
        await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_evictions_total") > 0);
    }

    // Its upstream has it, too, so that it could be fetched again.
    private TestImage Image(string name, params int[] seeds)
    {
        TestBlob[] layers = [.. seeds.Select(seed => TestBlob.Random(LayerBytes, seed))];
        Registry.Content.AddImage($"org/{name}", "1", layers);
        return _elsewhere.AddImage($"org/{name}", "1", layers);
    }

    private static IEnumerable<TestBlob> BlobsOf(TestImage image) => image.Layers.Append(image.Config).Append(new TestBlob(image.Manifest.Digest, image.Manifest.Bytes));

    private Task<Ran> ImportAsync(string set, TestImage image) =>
        CommandAsync("bundle", "import", _archive.Layout($"{set}.tar", ($"docker.io/{image.Repository}:{image.Tag}", image)), "--set", set);
}
