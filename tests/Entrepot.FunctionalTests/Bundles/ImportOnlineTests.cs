using System.Text;
using System.Text.Json.Nodes;
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

    [Fact]
    public async Task Import_ThatNobodyGoesOnWith_LosesWhatHadArrivedAfterAnHour()
    {
        var (layer, staging) = (TestBlob.Random(20_000, 593), Path.Combine(Cache.Options.StorageRoot, "staging"));
        var plan = new JsonObject
        {
            ["images"] = new JsonArray(new JsonObject { ["reference"] = "docker.io/org/app:1", ["digest"] = layer.Digest.ToString(), ["mediaType"] = "" }),
            ["blobs"] = new JsonArray(new JsonObject { ["digest"] = layer.Digest.ToString(), ["size"] = layer.Size }),
            ["base"] = new JsonArray(),
        };
        var import = (string)JsonNode.Parse(await PostAsync("set=site", Encoding.UTF8.GetBytes(plan.ToJsonString())))!["import"]!;
        await PostAsync($"import={import}&blob={layer.Digest}", layer.Bytes);
        Assert.NotEmpty(Directory.EnumerateFiles(staging));

        _clock.Advance(TimeSpan.FromMinutes(61));

        await Appliance.UntilAsync(() => Task.FromResult(!Directory.EnumerateFiles(staging).Any()), () => "what had arrived is still there");
        await Cache.MetricsAsync(metrics => metrics.Sum("entrepot_storage_reserved_bytes") == 0);
        Assert.Contains($"no import '{import}' runs here", JsonNode.Parse(await PostAsync($"import={import}&commit=", []))!["error"]!.ToString(), StringComparison.Ordinal);
    }

    private async Task<string> PostAsync(string query, byte[] body)
    {
        using var content = new ByteArrayContent(body);
        using var response = await Cache.Client.PostAsync(new Uri(Cache.Admin, $"/api/v1/bundles?{query}"), content);
        return await response.Content.ReadAsStringAsync();
    }

    private Task<Ran> ImportAsync(TestImage image) => CommandAsync("bundle", "import", _archive.Layout("site.tar", ($"docker.io/{image.Repository}:{image.Tag}", image)));
}
