using System.Security.Cryptography;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Pull;

public sealed class MemoryCacheTests
{
    private const int Size = 1000;
    private const int EntrySize = Size + MemoryCache.EntryBytes;

    private readonly MemoryCache _cache = new(20 * EntrySize);

    [Fact]
    public void Find_WhatWasAdded_HasItsBytes()
    {
        var bytes = Some(1);

        Assert.True(_cache.Add(Digest.Of(bytes), bytes));

        Assert.Equal(bytes, _cache.Find(Digest.Of(bytes))!.Content.ToArray());
        Assert.Null(_cache.Find(Digest.Of(Some(2))));
    }

    [Fact]
    public void Add_BytesOfAnotherName_AreNotKept()
    {
        Assert.False(_cache.Add(Digest.Of(Some(1)), Some(2)));

        Assert.Null(_cache.Find(Digest.Of(Some(1))));
        Assert.Equal(0, _cache.Bytes);
    }

    [Fact]
    public void Add_Twice_CountsOnce()
    {
        Keep(1);
        Keep(1);

        Assert.Equal(EntrySize, _cache.Bytes);
    }

    [Fact]
    public void Add_MoreThanFits_KeepsTheBoundAndLetsTheOldestGo()
    {
        for (var i = 0; i < 30; i++)
        {
            Keep(i);
            Assert.True(_cache.Bytes <= 20 * EntrySize);
        }

        Assert.Equal(20 * EntrySize, _cache.Bytes);
        Assert.Null(Find(9));
        Assert.NotNull(Find(10));
        Assert.NotNull(Find(29));
    }

    [Fact]
    public void Add_OldestWasFoundMeanwhile_StaysAndTheNextGoes()
    {
        for (var i = 0; i < 20; i++) Keep(i);
        Find(0);

        Keep(20);

        Assert.NotNull(Find(0));
        Assert.Null(Find(1));
    }

    [Fact]
    public void Add_MoreThanAnEighthOfTheLimit_IsNotKept()
    {
        var most = (20 * EntrySize / 8) - MemoryCache.EntryBytes;
        var (fits, tooLarge) = (RandomNumberGenerator.GetBytes(most), RandomNumberGenerator.GetBytes(most + 1));

        _cache.Add(Digest.Of(fits), fits);
        _cache.Add(Digest.Of(tooLarge), tooLarge);

        Assert.NotNull(_cache.Find(Digest.Of(fits)));
        Assert.Null(_cache.Find(Digest.Of(tooLarge)));
    }

    [Fact]
    public void Add_NoMemoryAllowed_KeepsNothing()
    {
        var none = new MemoryCache(0);

        Assert.True(none.Add(Digest.Of([]), Array.Empty<byte>()));

        Assert.Null(none.Find(Digest.Of([])));
    }

    [Fact]
    public void Remove_WhatIsKept_GivesItsRoomBack()
    {
        Keep(1);
        Keep(2);

        _cache.Remove(Digest.Of(Some(1)));
        _cache.Remove(Digest.Of(Some(1)));

        Assert.Null(Find(1));
        Assert.NotNull(Find(2));
        Assert.Equal(EntrySize, _cache.Bytes);
    }

    [Fact]
    public void AddFindRemove_ManyThreads_NeverGivesWrongBytesAndEndsWithinTheBound()
    {
        var contents = Enumerable.Range(0, 100).Select(Some).ToArray();
        var digests = contents.Select(content => Digest.Of(content)).ToArray();

        Parallel.For(0, 8, thread =>
        {
            var random = new Random(thread);
            for (var i = 0; i < 5_000; i++)
            {
                var one = random.Next(contents.Length);
                if (random.Next(10) == 0) _cache.Remove(digests[one]);
                else if (_cache.Find(digests[one]) is not { } entry) _cache.Add(digests[one], contents[one]);
                else Assert.True(entry.Content.Span.SequenceEqual(contents[one]));
            }
        });

        Assert.True(_cache.Bytes <= 20 * EntrySize);
        Assert.Equal(_cache.Bytes, digests.Count(digest => _cache.Find(digest) is not null) * (long)EntrySize);
        foreach (var digest in digests) _cache.Remove(digest);
        Assert.Equal(0, _cache.Bytes);
    }

    [Fact]
    public void Find_AnyNumberOfTimes_AllocatesNothing()
    {
        var digest = Digest.Of(Some(1));
        Keep(1);
        _cache.Find(digest);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++) _cache.Find(digest);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void ShouldTouch_WithinTheInterval_IsToldOnce()
    {
        var entry = new MemoryEntry(Digest.Of(Some(1)), Some(1));
        var now = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

        Assert.True(entry.ShouldTouch(now));
        Assert.False(entry.ShouldTouch(now + RecentTouches.Interval - TimeSpan.FromTicks(1)));
        Assert.True(entry.ShouldTouch(now + RecentTouches.Interval));
        Assert.True(entry.ShouldTouch(now));   // the clock was set back
    }

    [Fact]
    public void ShouldTouchBlob_WithinAQuarterOfASecond_IsToldOnceWhateverItIsAsAManifest()
    {
        var entry = new MemoryEntry(Digest.Of(Some(1)), Some(1));
        var now = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

        Assert.True(entry.ShouldTouchBlob(now));
        Assert.False(entry.ShouldTouchBlob(now.AddMilliseconds(249)));
        Assert.True(entry.ShouldTouchBlob(now.AddMilliseconds(250)));
        Assert.True(entry.ShouldTouch(now.AddMilliseconds(250)));
    }

    [Fact]
    public void AsToldBy_SameMediaType_IsMadeOnce()
    {
        var entry = new MemoryEntry(Digest.Of(Some(1)), Some(1));
        var told = entry.AsToldBy("a/b");

        Assert.Equal((entry.Digest, "a/b", (long)Size, 0, null), (told.Digest, told.MediaType, told.Size, told.Bytes.Length, told.StoredAt));
        Assert.Same(told, entry.AsToldBy("a/b"));
        Assert.Equal("a/c", entry.AsToldBy("a/c").MediaType);
    }

    private static byte[] Some(int seed)
    {
        var bytes = new byte[Size];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private void Keep(int seed) => _cache.Add(Digest.Of(Some(seed)), Some(seed));

    private MemoryEntry? Find(int seed) => _cache.Find(Digest.Of(Some(seed)));
}
