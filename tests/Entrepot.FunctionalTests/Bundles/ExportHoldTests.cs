using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Cli;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Pull;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>A store that is too small for what is exported and for what others pull meanwhile.</summary>
public sealed class ExportHoldTests : IAsyncLifetime
{
    private const int OtherBytes = 3_000_000;

    private readonly TestRegistry _registry = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-export-");
    private Appliance _cache = null!;
    private TestImage _app = null!;
    private int _others;

    public async Task InitializeAsync()
    {
        _cache = await Appliance.StartAsync(_registry, new Setup { Options = options => options with { Quota = QuotaSize.OfBytes(16 << 20) } });
        _app = _registry.Content.AddImage("org/app", "1", TestBlob.Random(6_000_000, seed: 820));
        await _cache.PullAsync(_app);
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Export_StoreIsFilledMeanwhile_KeepsWhatItHasStillToRead()
    {
        var hasFilled = false;
        using var line = new CommandLine
        {
            Wrote = text =>
            {
                if (!text.StartsWith("exporting ", StringComparison.Ordinal)) return;
                Task.Run(async () => { for (var i = 0; i < 5; i++) await PullAnotherAsync(); }).GetAwaiter().GetResult();
                hasFilled = true;
            },
        };
        var site = Path.Combine(_folder.FullName, "site.tar");

        (await line.RunAsync("bundle", "export", "-o", site, "org/app:1", "--server", _cache.Admin.GetLeftPart(UriPartial.Authority))).IsFine();

        Assert.True(hasFilled);
        Assert.True((await File.ReadAllBytesAsync(site)).AsSpan().IndexOf(_app.Layers[0].Bytes) > 0);
        await LeavesAsync();
    }

    [Fact]
    public async Task Hold_EndsWithItsClient()
    {
        using (var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_cache.Admin, "/api/v1/bundles?hold=")))
        {
            var unknown = TestBlob.Random(10, seed: 821).Digest.ToString();
            request.Content = JsonContent.Create(new { blobs = new[] { _app.Layers[0].Digest.ToString(), unknown } });
            using var response = await _cache.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
            Assert.Equal($$"""{"held":2,"missing":["{{unknown}}"]}""", await lines.ReadLineAsync());
            for (var i = 0; i < 5; i++) await PullAnotherAsync();
            Assert.True(_cache.Store.Has(_app.Layers[0].Digest));
        }

        await LeavesAsync();
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("""{"blobs":["sha256:1"]}""")]
    public async Task Hold_WithoutSense_IsRefused(string body)
    {
        using var content = new StringContent(body);
        using var response = await _cache.Client.PostAsync(new Uri(_cache.Admin, "/api/v1/bundles?hold="), content);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.StartsWith("what is to be held", (string)JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!, StringComparison.Ordinal);
    }

    // Nothing keeps it any more, once the server has seen that its client is gone.
    private async Task LeavesAsync()
    {
        for (var i = 0; i < 100 && _cache.Store.Has(_app.Layers[0].Digest); i++) await PullAnotherAsync();
        Assert.False(_cache.Store.Has(_app.Layers[0].Digest));
    }

    private Task PullAnotherAsync()
    {
        var number = ++_others;
        return _cache.PullAsync(_registry.Content.AddImage($"org/other{number}", "1", TestBlob.Random(OtherBytes, seed: 830 + number)));
    }
}
