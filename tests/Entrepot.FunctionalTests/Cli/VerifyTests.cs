using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Cli;

/// <summary><c>verify</c> against a running server.</summary>
public sealed class VerifyTests : IAsyncLifetime
{
    private readonly TestRegistry _registry = new();
    private Appliance _cache = null!;
    private TestImage _image = null!;

    public async Task InitializeAsync()
    {
        _cache = await Appliance.StartAsync(_registry);
        _image = _registry.Content.AddImage("org/app", "1", TestBlob.Random(100_000, seed: 440), TestBlob.Random(200_000, seed: 441));
        await _cache.PullAsync(_image);
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task Verify_AllRight_SaysSo() =>
        Assert.Matches(@"^4 blobs, \d.* KiB verified in \d+ s: nothing is wrong$", (await RunAsync("verify")).IsFine().Lines[^1]);

    [Fact]
    public async Task Verify_WrongBlob_IsNamedRemovedAndStatus1()
    {
        var layer = _image.Layers[1];
        _cache.Store.Plant(layer.Digest, TestBlob.Random(layer.Size, seed: 442).Bytes);

        var ran = await RunAsync("verify");

        Assert.Equal((1, ""), (ran.Status, ran.Error));
        Assert.Equal($"wrong, and removed: {layer.Digest}", ran.Lines[^2]);
        Assert.EndsWith(": 1 wrong, and removed", ran.Lines[^1], StringComparison.Ordinal);
        Assert.False(_cache.Store.Has(layer.Digest));
        (await _cache.GetBlobAsync(layer)).Is(layer.Bytes);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Verify_Json_IsItsLines(bool wrong)
    {
        if (wrong) _cache.Store.Plant(_image.Layers[0].Digest, [1, 2, 3]);

        var ran = await RunAsync("verify", "--output", "json");

        await Schemas.CheckLinesAsync("verify", ran);
        Assert.Equal(wrong ? 1 : 0, ran.Status);
        var last = JsonNode.Parse(ran.Lines[^1])!;
        Assert.True((bool)last["done"]!);
        Assert.Equal(wrong ? [_image.Layers[0].Digest.ToString()] : [], last["wrong"]!.AsArray().Select(digest => (string)digest!));
        Assert.All(ran.Lines[..^1], line => Assert.False((bool)JsonNode.Parse(line)!["done"]!));
    }

    private Task<Ran> RunAsync(params string[] arguments) => CommandLine.RunAsync(_cache.Admin, arguments);
}
