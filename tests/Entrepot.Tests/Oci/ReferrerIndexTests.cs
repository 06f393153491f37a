using System.Text;
using System.Text.Json;
using Entrepot.Oci;

namespace Entrepot.Tests.Oci;

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
            Encoding.UTF8.GetString(list.Span));
    }

    [Fact]
    public void Finish_TypeAskedAndUpstreamDidNotFilter_IsFilteredHere()
    {
        using var index = new ReferrerIndex("sbom");

        Assert.True(index.TryAdd(Page(Signature + "," + Sbom + ",{\"mediaType\":\"m\"}"), isFiltered: false));

        Assert.Equal(["sbom"], Types(index.Finish()));
    }

    [Fact]
    public void Finish_UpstreamFiltered_IsNotFilteredAgain()
    {
        using var index = new ReferrerIndex("sbom");

        Assert.True(index.TryAdd(Page("{\"mediaType\":\"m\",\"artifactType\":\"by another rule\"}"), isFiltered: true));

        Assert.Equal(["by another rule"], Types(index.Finish()));
    }

    [Fact]
    public void Finish_NothingAdded_IsAnEmptyIndex()
    {
        using var index = new ReferrerIndex(null);

        Assert.Empty(Types(index.Finish()));
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

    [Fact]
    public void TryAdd_TheSameDigestTwice_IsThereOnce()
    {
        using var index = new ReferrerIndex(null);

        Assert.True(index.TryAdd(Page("{\"digest\":\"d\",\"artifactType\":\"one\"},{\"digest\":\"d\",\"artifactType\":\"two\"}"), isFiltered: false));
        Assert.True(index.TryAdd(Page("{\"digest\":\"d\",\"artifactType\":\"three\"}"), isFiltered: false));

        Assert.Equal(["one"], Types(index.Finish()));
    }

    [Theory]
    [InlineData("{\"artifactType\":\"sbom\",\"config\":{\"mediaType\":\"c\"},SUBJECT}", "sbom")]
    [InlineData("{\"config\":{\"mediaType\":\"c\"},SUBJECT}", "c")]
    public void TryAddManifest_OneThatRefersToSomething_IsDescribedAsARegistryDoes(string manifest, string type)
    {
        using var index = new ReferrerIndex(null);
        var subject = Digest.Of("subject"u8);
        var bytes = Encoding.UTF8.GetBytes(manifest.Replace("SUBJECT", $"\"annotations\":{{\"a\":\"b\"}},\"subject\":{{\"digest\":\"{subject}\"}}", StringComparison.Ordinal));

        Assert.True(index.TryAddManifest("m", bytes));
        Assert.True(index.TryAddManifest("m", bytes));

        Assert.Equal(subject, ReferrerIndex.SubjectOf(bytes));
        Assert.Equal(
            $"{{\"mediaType\":\"m\",\"digest\":\"{Digest.Of(bytes)}\",\"size\":{bytes.Length},\"artifactType\":\"{type}\",\"annotations\":{{\"a\":\"b\"}}}}",
            Assert.Single(Descriptors(index.Finish())));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("not JSON")]
    [InlineData("{\"subject\":\"sha256:\"}")]
    [InlineData("{\"subject\":{\"digest\":\"sha256:1\"}}")]
    public void TryAddManifest_OneThatRefersToNothing_IsNotAdded(string manifest)
    {
        using var index = new ReferrerIndex(null);

        Assert.False(index.TryAddManifest("m", Encoding.UTF8.GetBytes(manifest)));
        Assert.Null(ReferrerIndex.SubjectOf(Encoding.UTF8.GetBytes(manifest)));
        Assert.Equal(ReferrerIndex.Empty.ToArray(), index.Finish().ToArray());
    }

    private static string[] Descriptors(ReadOnlyMemory<byte> index)
    {
        using var document = JsonDocument.Parse(index);
        return [.. document.RootElement.GetProperty("manifests").EnumerateArray().Select(entry => entry.GetRawText())];
    }

    private static byte[] Page(string descriptors) => Encoding.UTF8.GetBytes("{\"schemaVersion\":2, \"manifests\":[" + descriptors + "]}");

    private static string[] Types(ReadOnlyMemory<byte> index)
    {
        using var document = JsonDocument.Parse(index);
        return [.. document.RootElement.GetProperty("manifests").EnumerateArray().Select(entry => entry.GetProperty("artifactType").GetString()!)];
    }
}
