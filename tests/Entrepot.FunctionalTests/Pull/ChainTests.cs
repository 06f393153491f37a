using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Pull;

/// <summary>One appliance in front of another.</summary>
public sealed class ChainTests
{
    [Theory]
    [InlineData("stopped", 503, null)]
    [InlineData("503", 503, null)]
    [InlineData("503", 503, "1")]
    [InlineData("429", 429, "1")]
    [InlineData("429", 429, null)]
    public async Task UnknownContent_OriginCannotSay_IsAskedOnceOfTheInnerOne(string origin, int status, string? retryAfter)
    {
        await using var registry = new TestRegistry();
        await using var inner = await Appliance.StartAsync(registry);
        await using var outer = await InFrontOfAsync(inner, registry);
        var image = registry.Content.AddImage("org/app", "1", TestBlob.Random(1000, seed: 670));
        if (origin == "stopped") await registry.DisposeAsync();
        else registry.On(Ask.Anything, retryAfter is null ? Misbehave.Status(int.Parse(origin)) : Misbehave.Status(int.Parse(origin), "Retry-After", retryAfter), TestRegistry.Always);

        var tag = await outer.GetManifestAsync("1");
        var digest = await outer.GetManifestAsync(image.Manifest.Digest.ToString());
        var layer = await outer.GetBlobAsync(image.Layers[0]);

        foreach (var got in (Got[])[tag, digest, layer]) got.IsError(status, status == 429 ? "TOOMANYREQUESTS" : "UNAVAILABLE");
        Assert.Equal(retryAfter ?? (status == 503 ? "5" : null), tag.Header("Retry-After"));
        var metrics = await outer.MetricsAsync();
        Assert.Equal(3, metrics.Sum("entrepot_upstream_requests_total", $"code=\"{status}\""));
        Assert.Equal(3, metrics.Sum("entrepot_upstream_requests_total"));
    }

    private static Task<Appliance> InFrontOfAsync(Appliance inner, TestRegistry origin, Setup? setup = null) =>
        Appliance.StartAsync(origin, (setup ?? new Setup()) with { Upstream = options => options with { Urls = [inner.Url] } });
}
