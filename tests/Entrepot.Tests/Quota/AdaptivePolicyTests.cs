using Entrepot.Oci;
using Entrepot.Pull;
using Xunit.Abstractions;

namespace Entrepot.Tests.Quotas;

public sealed class AdaptivePolicyTests(ITestOutputHelper output)
{
    private const long Size = 1 << 20;
    private const long Small = 4096;

    private static readonly Digest[] Names = Digests.Some(5_000);

    private readonly AdaptivePolicy _policy = new();

    [Fact]
    public void TryEvict_NobodyWasUsedAgain_IsTheOrderOfArrival()
    {
        for (var i = 0; i < 20; i++) _policy.Insert(Names[i], Size);

        Assert.Equal(Names[..20], EvictAll());
    }

    [Fact]
    public void TryEvict_UsedAgain_LeavesAfterThoseThatCameLaterAndWereNot()
    {
        for (var i = 0; i < 10; i++) _policy.Insert(Names[i], Size);
        _policy.Touch(Names[0]);
        for (var i = 10; i < 15; i++) _policy.Insert(Names[i], Size);

        var order = EvictAll();

        Assert.InRange(order.IndexOf(Names[0]), order.IndexOf(Names[10]), order.Count);
    }

    [Fact]
    public void Touch_AtTheMomentOfArrival_IsPartOfIt()
    {
        for (var i = 0; i < 4; i++) _policy.Insert(Names[i], Size);
        for (var i = 0; i < 3; i++) _policy.Touch(Names[3]);
        for (var i = 4; i < 8; i++) _policy.Insert(Names[i], Size);

        Assert.Equal(Names[..8], EvictAll());
    }

    [Fact]
    public void TryEvict_UsedOftenButLongAgo_LeavesBeforeWhatCameOfLate()
    {
        for (var i = 0; i < 4; i++) _policy.Insert(Names[i], Size);
        for (var i = 0; i < 4; i++) _policy.Touch(Names[i]);

        for (var i = 4; i < 200; i++)
        {
            _policy.Insert(Names[i], Size);
            Evict();
        }

        Assert.All(Names[..4], name => Assert.False(_policy.TryFind(name, out _)));
    }

    [Fact]
    public void TryEvict_WhatWasUsedOnceComesBack_GivesItMoreTime()
    {
        var patient = Survivals(comesBack: true);
        var hasty = Survivals(comesBack: false);

        Assert.True(patient < hasty, $"{patient} and {hasty}");
    }

    [Fact]
    public void TryEvict_SmallOnes_AreSparedForA64thOfTheBytes()
    {
        for (var i = 0; i < 100; i++) _policy.Insert(Names[i], Small);
        for (var i = 100; i < 300; i++) _policy.Insert(Names[i], Size);

        for (var i = 0; i < 20; i++) Assert.Equal(Names[100 + i], Evict());

        Assert.All(Names[..100], name => Assert.True(_policy.TryFind(name, out _)));
    }

    [Fact]
    public void TryEvict_MoreSmallOnesThanThat_AreLetGoInTheirOrder()
    {
        for (var i = 0; i < 3_000; i++) _policy.Insert(Names[i], Small);
        for (var i = 3_000; i < 3_100; i++) _policy.Insert(Names[i], Size);

        var evicted = Enumerable.Range(0, 1_000).Select(_ => Evict()).ToList();

        Assert.Equal(Names[..1_000], evicted);
    }

    [Fact]
    public void Insert_Many_AllocatesAtMost100BytesEach_AndEvictingThemAllNoMoreThan40()
    {
        const int Count = 200_000;
        var digests = Digests.Some(Count);
        var policy = new AdaptivePolicy();
        var before = GC.GetAllocatedBytesForCurrentThread();

        foreach (var digest in digests) policy.Insert(digest, 100_000);
        var inserted = (GC.GetAllocatedBytesForCurrentThread() - before) / (double)Count;
        for (var i = 0; i < Count / 2; i++) policy.TryEvict(out _, out _);

        var evicted = (GC.GetAllocatedBytesForCurrentThread() - before) / (double)Count - inserted;
        output.WriteLine($"{inserted:0.0} bytes a blob, {evicted:0.0} for what is remembered of those that left, what growing threw away included");
        Assert.InRange(inserted, 1, 100);
        Assert.InRange(evicted, 0, 40);
    }

    // How many steps of a stream of new blobs those survive that were used often, after a time in which what was used once came back, or what was used often.
    private int Survivals(bool comesBack)
    {
        var policy = new AdaptivePolicy();
        var next = 0;
        for (var i = 0; i < 100; i++) policy.Insert(Names[next++], Size);
        for (var round = 0; round < 300; round++)
        {
            policy.TryEvict(out var gone, out _);
            policy.Insert(comesBack && round % 2 == 0 ? gone : Names[next++], Size);
        }

        var favourite = Names[next++];
        policy.Insert(favourite, Size);
        policy.Insert(Names[next++], Size);
        policy.Touch(favourite);
        var steps = 0;
        while (policy.TryFind(favourite, out _) && steps < 2_000)
        {
            policy.Insert(Names[next++], Size);
            policy.TryEvict(out _, out _);
            steps++;
        }

        return steps;
    }

    private Digest Evict()
    {
        Assert.True(_policy.TryEvict(out var digest, out _));
        return digest;
    }

    private List<Digest> EvictAll()
    {
        var evicted = new List<Digest>();
        while (_policy.TryEvict(out var digest, out _)) evicted.Add(digest);
        return evicted;
    }
}
