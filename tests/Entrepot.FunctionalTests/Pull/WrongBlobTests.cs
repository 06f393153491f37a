using Entrepot.FunctionalTests.Kit;
using Entrepot.FunctionalTests.Registry;

namespace Entrepot.FunctionalTests.Pull;

/// <summary>Whatever an upstream sends: no clean answer with wrong bytes, nothing wrong kept, and right again once the upstream is.</summary>
public sealed class WrongBlobTests
{
    private const int Size = 1_000_000;

    private static readonly Dictionary<string, Behaviour> Wrongs = new()
    {
        ["wrong first byte"] = Misbehave.FlipByte(0),
        ["wrong middle byte"] = Misbehave.FlipByte(Size / 2),
        ["wrong last byte"] = Misbehave.FlipByte(Size - 1),
        ["truncated"] = Misbehave.Truncate(Size / 2),
        ["one byte short"] = Misbehave.Truncate(Size - 1),
        ["empty"] = Misbehave.Truncate(0),
        ["longer"] = Misbehave.Longer(10),
        ["much longer"] = Misbehave.Longer(Size),
        ["announced longer than sent"] = Misbehave.WrongLength(+10),
        ["announced shorter than sent"] = Misbehave.WrongLength(-10),
        ["another blob"] = Misbehave.Content(TestBlob.Random(Size, seed: 99).Bytes),
        ["a page for people"] = Misbehave.Html(),
        ["wrong and without a length"] = Misbehave.All(Misbehave.FlipByte(7), Misbehave.Chunked()),
        ["hangs in the body"] = Misbehave.HangAt(0),
    };

    public static TheoryData<string, int> Cases()
    {
        var cases = new TheoryData<string, int>();
        foreach (var name in Wrongs.Keys) cases.Add(name, 1);
        cases.Add("wrong last byte", 5);
        cases.Add("longer", 5);
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Blob_UpstreamMisbehaves_IsNeverCleanlyWrong(string how, int clients)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry, new Setup { Times = how == "hangs in the body" ? Setup.Impatient : Setup.Patient });
        var blob = registry.Content.AddBlob(Size, seed: 30);
        registry.On(Ask.Blob, Wrongs[how], TestRegistry.Always);

        var answers = await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => cache.GetBlobAsync(blob)));

        Assert.All(answers, answer => answer.IsFailure());
        Assert.Empty(cache.Store.Checked());

        await cache.IdleAsync();
        registry.Behave();
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
        await cache.StoredAsync(blob.Digest);
        Assert.Equal([blob.Digest], cache.Store.Checked());
    }

    [Theory]
    [InlineData("wrong first byte", 1)]
    [InlineData("wrong middle byte", 5)]
    [InlineData("another blob", 1)]
    [InlineData("truncated", 1)]
    [InlineData("longer", 1)]
    public async Task Blob_FirstOfTwoAddressesIsWrong_IsKeptRightFromTheOther(string how, int clients)
    {
        await using var wrong = new TestRegistry();
        await using var right = new TestRegistry { Content = wrong.Content };
        await using var cache = await Appliance.StartAsync(wrong, new Setup { Upstream = one => one with { Urls = [wrong.Url, right.Url] } });
        var blob = wrong.Content.AddBlob(Size, seed: 32);
        wrong.On(Ask.Blob, Wrongs[how], TestRegistry.Always);

        // Whoever was given wrong bytes before that was known has to come again.
        foreach (var got in await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => cache.GetBlobAsync(blob)))) got.IsFailureOr(blob.Bytes);

        await cache.StoredAsync(blob.Digest);
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
        Assert.True(right.BlobGets > 0, "the other address was not asked");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(65_536)]
    [InlineData(65_537)]
    public async Task SmallBlob_WrongByte_IsNeverCleanlyWrong(int size)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(size, seed: 31);
        registry.On(Ask.Blob, size == 0 ? Misbehave.Longer(1) : Misbehave.FlipByte(size - 1), TestRegistry.Always);

        (await cache.GetBlobAsync(blob)).IsFailure();
        Assert.Empty(cache.Store.Checked());

        await cache.IdleAsync();
        registry.Behave();
        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
    }

    [Fact]
    public async Task Gzip_OnTheWire_IsAFailureOrUndone()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 34);
        registry.On(Ask.Blob, Misbehave.Gzip(), TestRegistry.Always);

        (await cache.GetBlobAsync(blob)).IsFailureOr(blob.Bytes);
        cache.Store.Checked();
    }

    [Theory]
    [InlineData("chunked")]
    [InlineData("until close")]
    public async Task Blob_WithoutLength_IsRight(string framing)
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 32);
        registry.On(Ask.Blob, framing == "chunked" ? Misbehave.Chunked() : Misbehave.UntilClose(), TestRegistry.Always);

        (await cache.GetBlobAsync(blob)).Is(blob.Bytes);
        await cache.StoredAsync(blob.Digest);
        Assert.Equal([blob.Digest], cache.Store.Checked());
    }

    [Fact]
    public async Task WrongBytes_AreCounted()
    {
        await using var registry = new TestRegistry();
        await using var cache = await Appliance.StartAsync(registry);
        var blob = registry.Content.AddBlob(Size, seed: 33);
        registry.On(Ask.Blob, Misbehave.FlipByte(0));

        Assert.False((await cache.GetBlobAsync(blob)).Clean);

        await cache.MetricsAsync(metrics => metrics.Sum("entrepot_verify_failures_total", "where=\"fetch\"") == 1);
    }
}
