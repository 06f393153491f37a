using System.Globalization;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Pull;

/// <summary>
/// How containerd from 2.1 on fetches a layer in parallel: each worker asks for everything from its piece's first byte on, reads the
/// piece, and drops the connection.
/// </summary>
public sealed class LayerPartsTests
{
    private const int Size = 8_000_000;   // no piece is farther ahead than a reader is made to wait
    private const int Piece = 1_000_000;

    [Fact]
    public async Task OpenEndedRanges_DroppedByTheClient_ShareOneFetchAndAreNoFailures()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 140);
        var gate = new Gate(Piece / 2);
        registry.On(Ask.Blob, Misbehave.Hold(gate), TestRegistry.Always);

        var first = ReadPieceAsync(cache, blob, 0);
        await gate.ReachedAsync();
        var others = Enumerable.Range(1, Size / Piece - 1).Select(number => ReadPieceAsync(cache, blob, number * Piece)).ToList();
        gate.Open();
        var pieces = await Task.WhenAll([first, .. others]);

        Assert.True(blob.Bytes.AsSpan().SequenceEqual(pieces.SelectMany(piece => piece).ToArray()));
        await cache.StoredAsync(blob.Digest);
        Assert.Equal(1, registry.BlobGets);
        Assert.Equal(Size, registry.BlobBytes);
        await AssertNoFailuresAsync(cache, Size / Piece);
    }

    [Fact]
    public async Task OpenEndedRanges_AllDroppedBeforeTheEnd_DoNotEndTheFetch()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 141);
        var gate = new Gate(5 * Piece);
        registry.On(Ask.Blob, Misbehave.Hold(gate), TestRegistry.Always);

        await ReadPieceAsync(cache, blob, 0);   // the one whose run all others wait for
        await Task.WhenAll(Enumerable.Range(1, 4).Select(number => ReadPieceAsync(cache, blob, number * Piece)));
        await AssertNoFailuresAsync(cache, 5);
        gate.Open();

        await cache.StoredAsync(blob.Digest);
        Assert.Equal(1, registry.BlobGets);
        var (status, headers, bytes) = await AskAsync(cache, blob, 6 * Piece);
        Assert.Equal((206, "Entrepot; hit"), (status, headers["Cache-Status"].Single()));
        Assert.True(blob.Bytes.AsSpan(6 * Piece, Piece).SequenceEqual(bytes));
    }

    [Fact]
    public async Task OpenEndedRanges_FarAheadOfTheFetch_AreAnsweredAtOnceAndAreNoFailures()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(3 * Size, seed: 142);
        var gate = new Gate(Piece);
        registry.On(Ask.Blob, Misbehave.Hold(gate));
        await AskAsync(cache, blob, 0);
        await gate.ReachedAsync();

        var far = await Task.WhenAll(Enumerable.Range(20, 4).Select(number => AskAsync(cache, blob, number * Piece)));
        gate.Open();

        Assert.All(far, piece => Assert.Equal((206, "Entrepot; fwd=miss; collapsed"), (piece.Status, piece.Headers["Cache-Status"].Single())));
        Assert.True(blob.Bytes.AsSpan(20 * Piece).SequenceEqual(far.SelectMany(piece => piece.Bytes).ToArray()));
        await cache.StoredAsync(blob.Digest);
        await AssertNoFailuresAsync(cache, 5);
    }

    private static async Task<byte[]> ReadPieceAsync(Appliance cache, TestBlob blob, int from)
    {
        var (status, headers, bytes) = await AskAsync(cache, blob, from);
        Assert.Equal((206, $"bytes {from}-{Size - 1}/{Size}"), (status, headers["Content-Range"].Single()));
        return bytes;
    }

    private static async Task<(int Status, ILookup<string, string> Headers, byte[] Bytes)> AskAsync(Appliance cache, TestBlob blob, int from)
    {
        using var worker = await RawClient.ConnectAsync(cache.Url);
        var (status, headers) = await worker.SendAsync("GET", Appliance.PathOf(blob.Digest), ("Range", string.Create(CultureInfo.InvariantCulture, $"bytes={from}-")));
        var bytes = await worker.ReadAsync(Piece);
        worker.Abort();
        return (status, headers, bytes);
    }

    // Requests are counted at their end, which for a dropped connection the server notices in its own time.
    private static async Task AssertNoFailuresAsync(Appliance cache, int requests)
    {
        var metrics = await cache.MetricsAsync(metrics => metrics.Sum("entrepot_requests_total", "kind=\"blob\"") >= requests);

        Assert.Equal(requests, metrics.Sum("entrepot_requests_total", "kind=\"blob\""));
        Assert.Equal(0, metrics.Sum("entrepot_requests_total", "source=\"failed\""));
    }
}
