using System.Globalization;
using System.Security.Cryptography;
using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Edge;

public sealed class BlobTests : IAsyncLifetime
{
    private const int Size = 4_000_000;

    private readonly TestRegistry _registry = new();
    private readonly TestBlob _blob = TestBlob.Random(Size, seed: 80);
    private Appliance _cache = null!;

    public async Task InitializeAsync()
    {
        _registry.Content.AddBlob(_blob);
        _cache = await Appliance.StartAsync(_registry);
    }

    public async Task DisposeAsync()
    {
        await _cache.DisposeAsync();
        await _registry.DisposeAsync();
    }

    [Fact]
    public async Task GetAndHead_ColdAndWarm_HaveAllHeaders()
    {
        var unknown = await _cache.HeadAsync(Appliance.PathOf(_blob.Digest));
        var cold = await _cache.GetBlobAsync(_blob);
        await _cache.StoredAsync(_blob.Digest);
        await _cache.IdleAsync();
        var warm = await _cache.GetBlobAsync(_blob);
        var head = await _cache.HeadAsync(Appliance.PathOf(_blob.Digest));

        cold.Is(_blob.Bytes);
        warm.Is(_blob.Bytes);
        Assert.All((Got[])[unknown, cold, warm, head], HasBlobHeaders);
        Assert.Equal("Entrepot; fwd=miss", unknown.CacheStatus);
        Assert.Equal("Entrepot; fwd=miss; stored", cold.CacheStatus);
        Assert.Equal("Entrepot; hit", warm.CacheStatus);
        Assert.Equal("Entrepot; hit", head.CacheStatus);
        Assert.InRange(int.Parse(warm.Header("Age")!, CultureInfo.InvariantCulture), 0, 30);
        Assert.Equal(["HEAD", "GET"], _registry.Log.All.Select(request => request.Method));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(65_535)]
    [InlineData(65_536)]
    [InlineData(65_537)]
    [InlineData(131_072)]
    public async Task Get_AnySize_IsRightColdAndWarm(int size)
    {
        var blob = _registry.Content.AddBlob(size, seed: 8000 + size);

        (await _cache.GetBlobAsync(blob)).Is(blob.Bytes);
        await _cache.StoredAsync(blob.Digest);
        (await _cache.GetBlobAsync(blob)).Is(blob.Bytes);
        Assert.Equal([blob.Digest], _cache.Store.Checked());
    }

    [Fact]
    public async Task Get_Sha512_IsServedAndStoredUnderItsAlgorithm()
    {
        var blob = _registry.Content.AddBlob(new TestBlob(Digest.FromHash(SHA512.HashData(_blob.Bytes)), _blob.Bytes));

        var got = await _cache.GetBlobAsync(blob);

        got.Is(blob.Bytes);
        Assert.Equal(blob.Digest.ToString(), got.Header("Docker-Content-Digest"));
        await _cache.StoredAsync(blob.Digest);
        Assert.Equal([blob.Digest], _cache.Store.Checked());
    }

    [Fact]
    public async Task Get_AcceptEncoding_IsNotFollowed()
    {
        (await _cache.GetBlobAsync(_blob, ("Accept-Encoding", "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5"))).Is(_blob.Bytes);
        (await _cache.GetBlobAsync(_blob, ("Accept-Encoding", "gzip"))).Is(_blob.Bytes);
        Assert.All(_registry.Log.All, request => Assert.True(request.Header("Accept-Encoding") is null or "identity"));
    }

    [Fact]
    public async Task IfNoneMatch_OfAStoredBlob_Is304()
    {
        await _cache.GetBlobAsync(_blob);
        await _cache.StoredAsync(_blob.Digest);

        var got = await _cache.GetBlobAsync(_blob, ("If-None-Match", $"\"{_blob.Digest}\""));

        Assert.Equal(304, got.Status);
        Assert.Empty(got.Bytes);
        Assert.Equal("Entrepot; hit", got.CacheStatus);
    }

    [Theory]
    [InlineData("bytes=0-0", 0, 1)]
    [InlineData("bytes=1000-1999", 1000, 1000)]
    [InlineData("bytes=3999999-", 3_999_999, 1)]
    [InlineData("bytes=2000000-", 2_000_000, 2_000_000)]
    [InlineData("bytes=0-", 0, Size)]
    [InlineData("bytes=0-99999999", 0, Size)]
    [InlineData("bytes=-1", Size - 1, 1)]
    [InlineData("bytes=-99999999", 0, Size)]
    public async Task Range_OfAStoredBlob_Is206(string range, int start, int count)
    {
        await _cache.GetBlobAsync(_blob);
        await _cache.StoredAsync(_blob.Digest);

        var got = await _cache.GetBlobAsync(_blob, ("Range", range));

        IsPart(got, start, count);
        Assert.Equal("Entrepot; hit", got.CacheStatus);
        Assert.Equal(1, _registry.BlobGets);
    }

    [Theory]
    [InlineData("bytes=4000000-")]
    [InlineData("bytes=4000000-4000001")]
    [InlineData("bytes=-0")]
    public async Task Range_OutsideAStoredBlob_Is416(string range)
    {
        await _cache.GetBlobAsync(_blob);
        await _cache.StoredAsync(_blob.Digest);

        var got = await _cache.GetBlobAsync(_blob, ("Range", range));

        Assert.Equal(416, got.Status);
        Assert.Equal($"bytes */{Size}", got.Header("Content-Range"));
    }

    [Theory]
    [InlineData("bytes=0-1,x-6")]
    [InlineData("bytes=5-1")]
    [InlineData("bytes=")]
    [InlineData("bytes=a-b")]
    [InlineData("lines=1-2")]
    public async Task Range_Malformed_IsIgnored(string range)
    {
        await _cache.GetBlobAsync(_blob);

        (await _cache.GetBlobAsync(_blob, ("Range", range))).Is(_blob.Bytes);
    }

    [Fact]
    public async Task IfRange_Matching_Is206AndElseTheWhole()
    {
        await _cache.GetBlobAsync(_blob);
        await _cache.StoredAsync(_blob.Digest);

        IsPart(await _cache.GetBlobAsync(_blob, ("Range", "bytes=10-19"), ("If-Range", $"\"{_blob.Digest}\"")), 10, 10);
        (await _cache.GetBlobAsync(_blob, ("Range", "bytes=10-19"), ("If-Range", "\"other\""))).Is(_blob.Bytes);
        (await _cache.GetBlobAsync(_blob, ("Range", "bytes=10-19"), ("If-Range", "Mon, 01 Jan 2024 00:00:00 GMT"))).Is(_blob.Bytes);
    }

    [Fact]
    public async Task Range_NearTheFrontOfARunningFetch_IsReadFromIt()
    {
        var gate = new Gate(1_000_000);
        _registry.On(Ask.Blob, Misbehave.Hold(gate), TestRegistry.Always);
        var whole = _cache.GetBlobAsync(_blob);
        await gate.ReachedAsync();
        await _cache.MetricsAsync(metrics => metrics.Sum("entrepot_fetch_arrived_bytes") >= 501_000);

        var part = await _cache.GetBlobAsync(_blob, ("Range", "bytes=500000-500999"));
        gate.Open();

        IsPart(part, 500_000, 1000);
        Assert.Equal("Entrepot; hit", part.CacheStatus);   // it was there
        (await whole).Is(_blob.Bytes);
        Assert.Equal(1, _registry.BlobGets);
    }

    [Fact]
    public async Task Range_OfAnUnknownBlob_IsAMissHoweverSoonItsBytesAreThere()
    {
        foreach (var seed in Enumerable.Range(90, 20))
        {
            var blob = _registry.Content.AddBlob(TestBlob.Random(1000, seed));

            Assert.Equal("Entrepot; fwd=miss; stored", (await _cache.GetBlobAsync(blob, ("Range", "bytes=10-19"))).CacheStatus);
        }
    }

    [Fact]
    public async Task SmallBlob_OfASlowUpstream_IsPassedOnAsItComes()
    {
        var blob = _registry.Content.AddBlob(TestBlob.Random(1000, seed: 89));
        var gate = new Gate(600);
        _registry.On(Ask.Blob, Misbehave.Hold(gate));
        using var client = await RawClient.ConnectAsync(_cache.Url);

        await client.SendAsync("GET", Appliance.PathOf(blob.Digest));
        Assert.Equal(blob.Bytes[..500], await client.ReadAsync(500));
        gate.Open();

        Assert.Equal(blob.Bytes[500..], await client.ReadAsync(500));
    }

    [Fact]
    public async Task Range_FarAheadOfARunningFetch_IsFetchedAtOnce()
    {
        var blob = TestBlob.Random(10_000_000, seed: 81);
        _registry.Content.AddBlob(blob);
        var gate = new Gate(100_000);
        _registry.On(Ask.Blob, Misbehave.Hold(gate));
        var whole = _cache.GetBlobAsync(blob);
        await gate.ReachedAsync();

        var part = await _cache.GetBlobAsync(blob, ("Range", "bytes=9900000-9900999"));
        gate.Open();   // until then there was nothing of it by the first request

        Assert.Equal((206, true), (part.Status, part.Clean));
        Assert.True(blob.Bytes.AsSpan(9_900_000, 1000).SequenceEqual(part.Bytes));
        Assert.Equal("Entrepot; fwd=miss; collapsed", part.CacheStatus);
        (await whole).Is(blob.Bytes);
        Assert.Equal([null, "bytes=9900000-"], _registry.Log.All.Where(Ask.Blob).Select(request => request.Header("Range")));
        await _cache.StoredAsync(blob.Digest);
        _cache.Store.Checked();
    }

    [Theory]
    [InlineData("bytes=0-999", 0, 1000)]
    [InlineData("bytes=3000000-3000999", 3_000_000, 1000)]
    [InlineData("bytes=-1000", Size - 1000, 1000)]
    [InlineData("bytes=1000-", 1000, Size - 1000)]
    public async Task Range_OfAnUnknownBlob_Is206(string range, int start, int count)
    {
        IsPart(await _cache.GetBlobAsync(_blob, ("Range", range)), start, count);
        (await _cache.GetBlobAsync(_blob)).Is(_blob.Bytes);
    }

    private void IsPart(Got got, int start, int count)
    {
        Assert.Equal((206, true), (got.Status, got.Clean));
        Assert.Equal($"bytes {start}-{start + count - 1}/{Size}", got.Header("Content-Range"));
        Assert.Equal(count.ToString(CultureInfo.InvariantCulture), got.Header("Content-Length"));
        Assert.True(_blob.Bytes.AsSpan(start, count).SequenceEqual(got.Bytes));
    }

    private void HasBlobHeaders(Got got)
    {
        Assert.Equal(200, got.Status);
        Assert.Equal(_blob.Digest.ToString(), got.Header("Docker-Content-Digest"));
        Assert.Equal($"\"{_blob.Digest}\"", got.Header("ETag"));
        Assert.Equal("bytes", got.Header("Accept-Ranges"));
        Assert.Equal(MediaTypes.Bytes, got.Header("Content-Type"));
        Assert.Equal(Size.ToString(CultureInfo.InvariantCulture), got.Header("Content-Length"));
        Assert.Equal("registry/2.0", got.Header("Docker-Distribution-API-Version"));
    }
}
