using System.Text;
using System.Text.Json;
using Entrepot.Upstream;

namespace Entrepot.Tests.Upstream;

public sealed class ReferrerIndexTests
{
    private const string Signature = "{\"mediaType\":\"m\",\"size\":1e2,\"artifactType\":\"sig\",\"annotations\":{\"k\":\"\\u00e9 <+>\"},\"x\":[1]}";
    private const string Sbom = "{\"mediaType\":\"m\",\"artifactType\":\"sbom\"}";

    [Fact]
    public void Finish_TwoPages_HoldsEveryDescriptorAsItCame()
    {
        using var index = new ReferrerIndex(null);

        Assert.True(index.TryAdd(Page(Signature), isFiltered: false));
        Assert.True(index.TryAdd(Page(Sbom), isFiltered: false));

        var list = index.Finish();
        Assert.Equal(
            "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[" + Signature + "," + Sbom + "]}",
            Encoding.UTF8.GetString(list.Content.Span));
        Assert.False(list.Filtered);
    }

    [Fact]
    public void Finish_TypeAskedAndUpstreamDidNotFilter_IsFilteredHere()
    {
        using var index = new ReferrerIndex("sbom");

        Assert.True(index.TryAdd(Page(Signature + "," + Sbom + ",{\"mediaType\":\"m\"}"), isFiltered: false));

        var list = index.Finish();
        Assert.True(list.Filtered);
        Assert.Equal(["sbom"], Types(list.Content));
    }

    [Fact]
    public void Finish_UpstreamFiltered_IsNotFilteredAgain()
    {
        using var index = new ReferrerIndex("sbom");

        Assert.True(index.TryAdd(Page("{\"mediaType\":\"m\",\"artifactType\":\"by another rule\"}"), isFiltered: true));

        Assert.Equal(["by another rule"], Types(index.Finish().Content));
    }

    [Fact]
    public void Finish_NothingAdded_IsAnEmptyIndex()
    {
        using var index = new ReferrerIndex(null);

        Assert.Empty(Types(index.Finish().Content));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"manifests\":{}}")]
    [InlineData("{\"manifests\":[1]}")]
    public void TryAdd_SomethingElse_IsRefused(string page)
    {
        using var index = new ReferrerIndex(null);

        Assert.False(index.TryAdd(Encoding.UTF8.GetBytes(page), isFiltered: false));
    }

    private static byte[] Page(string descriptors) => Encoding.UTF8.GetBytes("{\"schemaVersion\":2, \"manifests\":[" + descriptors + "]}");

    private static string[] Types(ReadOnlyMemory<byte> index)
    {
        using var document = JsonDocument.Parse(index);
        return [.. document.RootElement.GetProperty("manifests").EnumerateArray().Select(entry => entry.GetProperty("artifactType").GetString()!)];
    }
}
