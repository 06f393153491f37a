using System.Globalization;
using System.Text.Json.Nodes;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.FunctionalTests.Fetches;

/// <summary>What tests of parts of blobs share: asking for them, and comparing.</summary>
public abstract class FetchTest
{
    /// <summary>An upstream of which only what is read is kept.</summary>
    private protected static Setup Touched { get; } = new()
    {
        Upstream = options => options with { Fetching = options.Fetching with { Fill = FillMode.Touched } },
    };

    private protected static Task<Got> RangeAsync(Appliance cache, TestBlob blob, string range) => cache.GetBlobAsync(blob, ("Range", $"bytes={range}"));

    /// <summary>Asserts a 206 with exactly these bytes.</summary>
    private protected static void IsPart(Got got, TestBlob blob, int from, int to)
    {
        Assert.Equal((206, true, Text($"bytes {from}-{to - 1}/{blob.Size}")), (got.Status, got.Clean, got.Header("Content-Range")));
        Assert.True(blob.Bytes.AsSpan(from, to - from).SequenceEqual(got.Bytes), $"the bytes from {from} to {to} are wrong");
    }

    /// <summary>Asks for everything from a byte on, reads a little and goes away with a reset.</summary>
    private protected static async Task LeaveEarlyAsync(Appliance cache, TestBlob blob, int from, int count)
    {
        using var client = await RawClient.ConnectAsync(cache.Url);
        var (status, _) = await client.SendAsync("GET", Appliance.PathOf(blob.Digest), ("Range", Text($"bytes={from}-")));
        Assert.Equal(206, status);
        Assert.Equal(blob.Bytes[from..(from + count)], await client.ReadAsync(count));
        client.Abort();
    }

    private protected static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>Files of parts of blobs. What a probe of the store has there for a moment begins with a dot.</summary>
    private protected static IEnumerable<string> PartialsOf(Appliance cache) =>
        Directory.EnumerateFiles(Path.Combine(cache.Options.StorageRoot, "partial")).Where(file => Path.GetFileName(file)[0] != '.');

    private protected static string PartialOf(Appliance cache, Digest digest) => Path.Combine(cache.Options.StorageRoot, "partial", digest.Hex);

    /// <summary>Waits until so many bytes of what is being fetched have arrived.</summary>
    private protected static Task ArrivedAsync(Appliance cache, long bytes) => Appliance.UntilAsync(
        async () => await ArrivedAsync(cache) >= bytes, () => Text($"{bytes} bytes have not arrived"));

    private static async Task<long> ArrivedAsync(Appliance cache)
    {
        var status = JsonNode.Parse((await cache.AdminAsync("/api/v1/status")).Text)!;
        return status["fetches"]!.AsArray().Sum(fetch => (long)fetch!["arrived"]!);
    }
}
