using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>Images come in files into an appliance that may ask its upstreams.</summary>
public sealed class ImportOnlineTests : SiteTest, IDisposable
{
    private readonly ShiftedClock _clock = new();
    private readonly Content _elsewhere = new();
    private readonly ImageArchive _archive = new();

    public void Dispose() => _archive.Dispose();

    private protected override Setup Setup => new() { Clock = _clock };

    [Fact]
    public async Task Import_Image_AsksNobodyAndIsServedWhileTheUpstreamIsAway()
    {
        var app = _elsewhere.AddImage("org/app", "1", TestBlob.Random(20_000, 590));

        (await ImportAsync(app)).IsFine();

        Assert.Empty(Registry.Log.All);
        await Cache.PullAsync(app);
        Assert.DoesNotContain(Registry.Log.All, request => request.Method == "GET");
        _clock.Advance(TimeSpan.FromDays(1));
        await Registry.DisposeAsync();
        await Cache.PullAsync(app);
    }

    [Fact]
    public async Task Import_TagThatMovesAtTheUpstream_FollowsItAndKeepsWhatWasImported()
    {
        var (imported, newer) = (_elsewhere.AddImage("org/app", "1", TestBlob.Random(20_000, 591)), Registry.Content.AddImage("org/app", "1", TestBlob.Random(20_000, 592)));
        (await ImportAsync(imported)).IsFine();

        _clock.Advance(TimeSpan.FromDays(1));

        await Cache.PullAsync(newer);
        (await Cache.GetManifestAsync(imported.Manifest.Digest.ToString())).Is(imported.Manifest.Bytes);
        (await CommandAsync("remove", "--set", "site")).IsFine();
        await Cache.PullAsync(newer);
    }

    private Task<Ran> ImportAsync(TestImage image) => CommandAsync("bundle", "import", _archive.Layout("site.tar", ($"docker.io/{image.Repository}:{image.Tag}", image)));
}
