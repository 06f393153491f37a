using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Kit;

/// <summary>That the raw client sees what other tests rely on: slowness, and ends that are not clean.</summary>
public sealed class RawClientTests
{
    private const int Size = 8_000_000;

    private static readonly TestBlob Blob = TestBlob.Random(Size, seed: 1);

    [Fact]
    public async Task ReadRest_WholeBody_IsClean()
    {
        await using var registry = NewRegistry();

        var got = await RawClient.AskAsync(registry.Url, "GET", Appliance.PathOf(Blob.Digest));

        got.Is(Blob.Bytes);
        Assert.Equal(Blob.Digest.ToString(), got.Header("docker-content-digest"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ReadRest_BrokenBody_IsNotClean(bool reset)
    {
        await using var registry = NewRegistry();
        registry.On(Ask.Blob, reset ? Misbehave.Reset(100_000) : Misbehave.Cut(100_000));

        var got = await RawClient.AskAsync(registry.Url, "GET", Appliance.PathOf(Blob.Digest));

        Assert.False(got.Clean);
        Assert.InRange(got.Bytes.Length, 0, 100_000);
    }

    [Fact]
    public async Task NotReading_HoldsTheSenderBack()
    {
        await using var registry = NewRegistry();
        using var client = await RawClient.ConnectAsync(registry.Url, receiveBuffer: 4096);

        await client.SendAsync("GET", Appliance.PathOf(Blob.Digest));
        var first = await client.ReadAsync(100);
        Assert.InRange(registry.BlobBytes, 0, Size - 1);
        var (rest, clean) = await client.ReadRestAsync(already: 100);

        Assert.True(clean);
        Assert.True(Blob.Bytes.AsSpan().SequenceEqual((byte[])[.. first, .. rest]));
    }

    [Fact]
    public void Metrics_Parsed_SumByLabels()
    {
        var metrics = MetricValues.Parse("# HELP a b\na_total{kind=\"x\",source=\"hit\"} 2\na_total{kind=\"y\",source=\"hit\"} 3\na_total_2 7\nb 1e3\n");

        Assert.Equal(5, metrics.Sum("a_total"));
        Assert.Equal(2, metrics.Sum("a_total", "source=\"hit\"", "kind=\"x\""));
        Assert.Equal(1000, metrics.Sum("b"));
        Assert.Equal(0, metrics.Sum("c"));
    }

    private static TestRegistry NewRegistry()
    {
        var registry = new TestRegistry();
        registry.Content.AddBlob(Blob);
        return registry;
    }
}
