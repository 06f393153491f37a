using System.Text;
using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>An import that breaks off leaves nothing visible, and the next one goes on with what has arrived.</summary>
public sealed class ImportResumeTests : ImportTest
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task CommandKilled_NextOneGoesOn(bool restart)
    {
        var app = Image("org/app", "1", 570, 571);
        var file = Files.Layout("site.tar", (Full(app), app));
        var import = (string)(await BeginAsync(app))["import"]!;
        Assert.Null((await StageAsync(import, app.Layers[0]))["error"]);
        if (restart) await Cache.RestartAsync();

        Assert.False(Has(app.Layers[0]));
        Assert.Equal(404, (await Cache.GetAsync(Kit.Appliance.PathOf(app.Layers[0].Digest))).Status);
        Assert.Equal(404, (await Cache.GetManifestAsync("1")).Status);
        var report = JsonNode.Parse((await ImportAsync(file, "--output", "json")).IsFine().Out)!;

        Assert.Equal((4, 3), ((int)report["blobs"]!, (int)report["sentBlobs"]!));
        await PullsAsync(app);
        await NothingIsStagedAsync();
    }

    [Fact]
    public async Task BegunAgain_TheLaterOneRuns()
    {
        var app = Image("org/app", "1", 577);
        var first = (string)(await BeginAsync(app))["import"]!;

        var second = (string)(await BeginAsync(app))["import"]!;

        Assert.Equal(first, second);   // the same contents into the same set
        Assert.Null((await StageAsync(second, app.Layers[0]))["error"]);
    }

    [Fact]
    public async Task LeftByACrash_ThatRotted_IsSentAgain()
    {
        var app = Image("org/app", "1", 572, 573);
        var import = (string)(await BeginAsync(app))["import"]!;
        Assert.Null((await StageAsync(import, app.Layers[0]))["error"]);
        await Cache.StopAsync();
        var staged = Path.Combine(Cache.Options.StorageRoot, "staging");
        await File.WriteAllBytesAsync(Path.Combine(staged, app.Layers[0].Digest.Hex), new byte[app.Layers[0].Size]);
        await File.WriteAllBytesAsync(Path.Combine(staged, app.Layers[1].Digest.Hex + ".7"), new byte[1000]);
        await Cache.StartAgainAsync();

        Assert.False(File.Exists(Path.Combine(staged, app.Layers[1].Digest.Hex + ".7")));
        var report = JsonNode.Parse((await ImportAsync(Files.Layout("site.tar", (Full(app), app)), "--output", "json")).IsFine().Out)!;

        Assert.Equal(4, (int)report["sentBlobs"]!);
        await PullsAsync(app);
        await NothingIsStagedAsync();
    }

    [Fact]
    public async Task WhatArrived_KeepsItsRoomUntilItIsDropped()
    {
        var app = Image("org/app", "1", 574);
        var import = (string)(await BeginAsync(app))["import"]!;
        Assert.Null((await StageAsync(import, app.Layers[0]))["error"]);

        Assert.True(await ReservedAsync() >= app.Layers[0].Size);
        Assert.Null((await SendAsync(HttpMethod.Delete, $"import={import}", []))["error"]);

        await NothingIsLeftAsync(app);
        Assert.Equal(0, await ReservedAsync());
        Assert.StartsWith($"no import '{import}' runs here", (string?)(await StageAsync(import, app.Config))["error"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Begin_AnotherIntoTheSameSet_TakesItsPlace()
    {
        var (first, second) = (Image("org/app", "1", 578), Image("org/app", "2", 579));
        var before = (string)(await BeginAsync(first))["import"]!;
        Assert.Null((await StageAsync(before, first.Layers[0]))["error"]);

        var import = (string)(await BeginAsync(second))["import"]!;

        Assert.StartsWith($"no import '{before}' runs here", (string?)(await StageAsync(before, first.Config))["error"], StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(Cache.Options.StorageRoot, "staging")));
        Assert.Null((await SendAsync(HttpMethod.Delete, $"import={import}", []))["error"]);
        Assert.Equal(0, await ReservedAsync());
    }

    [Fact]
    public async Task Begin_MoreSetsThanMayRunAtOnce_IsRefusedUntilOneEnds()
    {
        var app = Image("org/app", "1", 580);
        var first = (string)(await BeginAsync(app, "set0"))["import"]!;
        for (var i = 1; i < 16; i++) Assert.NotNull((await BeginAsync(app, $"set{i}"))["import"]);

        Assert.StartsWith("16 imports into other sets run here", (string?)(await BeginAsync(app, "one-more"))["error"], StringComparison.Ordinal);
        var again = (string?)(await BeginAsync(app, "set15"))["import"];    // into a set that has one it takes its place
        Assert.Null((await StageAsync(first, app.Layers[0]))["error"]);
        Assert.Null((await SendAsync(HttpMethod.Delete, $"import={first}", []))["error"]);

        Assert.NotNull(again);
        Assert.NotNull((await BeginAsync(app, "one-more"))["import"]);
    }

    [Fact]
    public async Task Commit_BeforeAllHasArrived_IsRefusedAndGoesOn()
    {
        var app = Image("org/app", "1", 575);
        var import = (string)(await BeginAsync(app))["import"]!;
        Assert.Null((await StageAsync(import, app.Layers[0]))["error"]);

        Assert.Matches("^sha256:[0-9a-f]{64}, sha256:[0-9a-f]{64} have not been sent; nothing was imported$", (string?)(await SendAsync(HttpMethod.Post, $"import={import}&commit=", []))["error"]);
        Assert.Equal(404, (await Cache.GetManifestAsync("1")).Status);

        Assert.Null((await StageAsync(import, app.Config))["error"]);
        Assert.Null((await StageAsync(import, new TestBlob(app.Manifest.Digest, app.Manifest.Bytes)))["error"]);
        Assert.Equal(1, (int)(await SendAsync(HttpMethod.Post, $"import={import}&commit=", []))["images"]!);
        await PullsAsync(app);
    }

    [Fact]
    public async Task Commit_PlanThatForgetsALayer_IsRefusedAndLeavesNothing()
    {
        var app = Image("org/app", "1", 577);
        var import = (string)(await BeginAsync(app with { Layers = [] }))["import"]!;
        Assert.Null((await StageAsync(import, app.Config))["error"]);
        Assert.Null((await StageAsync(import, new TestBlob(app.Manifest.Digest, app.Manifest.Bytes)))["error"]);

        Assert.Equal($"docker.io/org/app:1 is not whole: it needs {app.Layers[0].Digest}, which is neither here nor stored; nothing was imported",
            (string?)(await SendAsync(HttpMethod.Post, $"import={import}&commit=", []))["error"]);

        await NothingIsLeftAsync(app);
        Assert.Empty(Cache.Store.Checked());
    }

    [Fact]
    public async Task Stage_WrongBytes_KeepsNothingOfThem()
    {
        var app = Image("org/app", "1", 576);
        var import = (string)(await BeginAsync(app))["import"]!;
        var before = await ReservedAsync();

        Assert.Equal($"what was sent as {app.Layers[0].Digest} is something else: the file is damaged there",
            (string?)(await StageAsync(import, app.Layers[0] with { Bytes = new byte[app.Layers[0].Size] }))["error"]);
        Assert.Equal($"{app.Config.Digest} has {app.Config.Size} bytes by the import's plan, and 3 are sent", (string?)(await StageAsync(import, app.Config with { Bytes = new byte[3] }))["error"]);

        Assert.Equal(before, await ReservedAsync());
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(Cache.Options.StorageRoot, "staging")));
    }

    [Fact]
    public async Task Plan_WithoutSense_IsRefused()
    {
        Assert.Equal(400, (int)(await PostAsync("set=a", "{")).StatusCode);
        Assert.Equal(400, (int)(await PostAsync("set=a", """{"images":[],"blobs":[],"base":[]}""")).StatusCode);
        Assert.Equal(400, (int)(await PostAsync("set=../a", """{"images":[],"blobs":[],"base":[]}""")).StatusCode);
        Assert.Equal(400, (int)(await PostAsync("", "")).StatusCode);
        Assert.Equal(400, (int)(await PostAsync("set=a", """{"images":[{"reference":"org/app:1","digest":"x","mediaType":""}],"blobs":[],"base":[]}""")).StatusCode);
    }

    private async Task<double> ReservedAsync() => (await Cache.MetricsAsync()).Sum("entrepot_storage_reserved_bytes");

    private async Task<JsonNode> BeginAsync(TestImage image, string set = "site")
    {
        var blobs = image.Layers.Append(image.Config).Append(new TestBlob(image.Manifest.Digest, image.Manifest.Bytes));
        return await SendAsync(HttpMethod.Post, $"set={set}", Encoding.UTF8.GetBytes(new JsonObject
        {
            ["images"] = new JsonArray(new JsonObject { ["reference"] = Full(image), ["digest"] = image.Manifest.Digest.ToString(), ["mediaType"] = image.Manifest.MediaType }),
            ["blobs"] = new JsonArray([.. blobs.Select(blob => new JsonObject { ["digest"] = blob.Digest.ToString(), ["size"] = blob.Size })]),
            ["base"] = new JsonArray(),
        }.ToJsonString()));
    }

    private Task<JsonNode> StageAsync(string import, TestBlob blob) => SendAsync(HttpMethod.Post, $"import={import}&blob={blob.Digest}", blob.Bytes);

    private async Task<JsonNode> SendAsync(HttpMethod method, string query, byte[] body)
    {
        using var request = new HttpRequestMessage(method, new Uri(Cache.Admin, $"/api/v1/bundles?{query}")) { Content = new ByteArrayContent(body) };
        using var response = await Cache.Client.SendAsync(request);
        return JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
    }

    private async Task<HttpResponseMessage> PostAsync(string query, string body)
    {
        using var content = new StringContent(body);
        return await Cache.Client.PostAsync(new Uri(Cache.Admin, $"/api/v1/bundles?{query}"), content);
    }
}
