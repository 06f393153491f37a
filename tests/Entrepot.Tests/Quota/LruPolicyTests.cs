using CsCheck;
using Entrepot.Oci;
using Entrepot.Pull;
using Xunit.Abstractions;

namespace Entrepot.Tests.Quotas;

public sealed class LruPolicyTests(ITestOutputHelper output)
{
    private static readonly Digest A = Digest.Of("a"u8), B = Digest.Of("b"u8), C = Digest.Of("c"u8);

    private readonly LruPolicy _policy = new();

    [Fact]
    public void TryEvict_Empty_IsNobody()
    {
        Assert.False(_policy.TryEvict(out var digest, out var size));
        Assert.Equal((default, 0L), (digest, size));
        Assert.Equal(0, _policy.Count);
    }

    [Fact]
    public void TryEvict_Several_TakesTheFirstInserted()
    {
        InsertAll();
        Assert.Equal([(A, 1), (B, 2), (C, 3)], _policy.InOrder());

        Assert.True(_policy.TryEvict(out var digest, out var size));

        Assert.Equal((A, 1L), (digest, size));
        Assert.Equal([(B, 2), (C, 3)], _policy.InOrder());
    }

    [Theory]
    [InlineData(0, new[] { 1, 2, 0 })]
    [InlineData(1, new[] { 0, 2, 1 })]
    [InlineData(2, new[] { 0, 1, 2 })]
    public void Touch_AnyPlace_MovesItToTheEndAndNobodyElse(int touched, int[] order)
    {
        InsertAll();

        _policy.Touch(new[] { A, B, C }[touched]);

        Assert.Equal(order.Select(i => new[] { A, B, C }[i]), _policy.InOrder().Select(entry => entry.Digest));
    }

    [Fact]
    public void Touch_Unknown_ChangesNothing()
    {
        _policy.Insert(A, 1);

        _policy.Touch(B);

        Assert.Equal([(A, 1)], _policy.InOrder());
        Assert.False(_policy.TryFind(B, out _));
    }

    [Fact]
    public void Insert_KnownDigest_TakesTheNewSizeAndCountsAsUsed()
    {
        InsertAll();

        _policy.Insert(A, 9);

        Assert.Equal([(B, 2), (C, 3), (A, 9)], _policy.InOrder());
        Assert.Equal(3, _policy.Count);
    }

    [Theory]
    [InlineData(0, new[] { 1, 2 })]
    [InlineData(1, new[] { 0, 2 })]
    [InlineData(2, new[] { 0, 1 })]
    public void Remove_AnyPlace_LeavesTheOthersInOrder(int removed, int[] order)
    {
        InsertAll();

        Assert.True(_policy.Remove(new[] { A, B, C }[removed], out var size));

        Assert.Equal(removed + 1, size);
        Assert.Equal(order.Select(i => new[] { A, B, C }[i]), _policy.InOrder().Select(entry => entry.Digest));
        Assert.False(_policy.Remove(new[] { A, B, C }[removed], out size));
        Assert.Equal(0, size);
    }

    [Fact]
    public void Remove_Unknown_IsTold()
    {
        Assert.False(_policy.Remove(A, out var size));
        Assert.Equal(0, size);
    }

    [Fact]
    public void TryFind_Known_IsTheSizeAndNoUse()
    {
        InsertAll();

        Assert.True(_policy.TryFind(A, out var size));

        Assert.Equal(1, size);
        Assert.Equal(A, _policy.InOrder().First().Digest);
    }

    [Fact]
    public void Insert_LongDigests_AreToldApartByTheirSecondHalf()
    {
        var one = new byte[64];
        var other = new byte[64];
        other[63] = 1;

        _policy.Insert(Digest.FromHash(one), 1);
        _policy.Insert(Digest.FromHash(other), 2);

        Assert.Equal(2, _policy.Count);
        Assert.True(_policy.TryFind(Digest.FromHash(other), out var size));
        Assert.Equal(2, size);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void AnySequence_AgreesWithAPlainList(int seed)
    {
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var digests = Digests.Some(3_000);
        var model = new Dictionary<Digest, long>();
        var order = new LinkedList<Digest>();
        for (var step = 0; step < 10_000; step++)
        {
            // Digests come in waves, so that the table grows over several blocks, empties and uses its entries again.
            var digest = digests[random.Next(1 + step % 5_000 * 3 / 5)];
            Assert.Equal(model.TryGetValue(digest, out var expected), _policy.TryFind(digest, out var size));
            Assert.Equal(expected, size);

            Step(random.Next(step % 5_000 < 4_000 ? 6 : 20), digest, random.Next(100), model, order);

            Assert.Equal(model.Count, _policy.Count);
            Assert.Equal(order.First is { } first ? (first.Value, model[first.Value]) : default, _policy.InOrder().FirstOrDefault());
            if (step % 100 == 0) AssertSame(model, order);
        }

        AssertSame(model, order);
    }

    [Fact]
    public void AnySequence_OfFewDigests_KeepsTheWholeOrder() =>
        Gen.Select(Gen.Int[0, 3], Gen.Int[0, 7], Gen.Long[0, 100]).Array[0, 60].Sample(steps =>
        {
            var policy = new LruPolicy();
            var digests = Digests.Some(8);
            var model = new List<(Digest Digest, long Size)>();
            foreach (var (kind, which, size) in steps)
            {
                var at = model.FindIndex(entry => entry.Digest == digests[which]);
                var known = at < 0 ? (digests[which], size) : model[at];
                if (at >= 0 && kind < 3) model.RemoveAt(at);
                if (kind == 0) model.Add((digests[which], size));
                if (kind == 1 && at >= 0) model.Add(known);

                if (kind == 0) policy.Insert(digests[which], size);
                if (kind == 1) policy.Touch(digests[which]);
                if (kind == 2) policy.Remove(digests[which], out _);
                if (kind == 3) policy.TryFind(digests[which], out _);
                Assert.Equal(model, policy.InOrder());
            }
        });

    // All that was ever allocated, garbage of growth included: an upper bound of what is held, and no other test can disturb it.
    [Theory]
    [InlineData(200_000)]
    [InlineData((1 << 16) + 1)]   // the buckets have just doubled
    public void Insert_Many_AllocatesAtMost100BytesEach(int count)
    {
        var digests = Digests.Some(count);
        var before = GC.GetAllocatedBytesForCurrentThread();

        foreach (var digest in digests) _policy.Insert(digest, 4096);

        var perBlob = (GC.GetAllocatedBytesForCurrentThread() - before) / (double)count;
        output.WriteLine($"{perBlob:0.0} bytes a blob");
        Assert.Equal(count, _policy.Count);
        Assert.InRange(perBlob, 1, 100);
    }

    [Fact]
    public void EachOperation_WithoutGrowth_AllocatesNothing()
    {
        var digests = Digests.Some(2_000);
        Replay(digests);   // grows, and compiles

        var before = GC.GetAllocatedBytesForCurrentThread();
        Replay(digests);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private void Replay(Digest[] digests)
    {
        foreach (var digest in digests) _policy.Insert(digest, 1);
        foreach (var digest in digests) _policy.Touch(digest);
        foreach (var digest in digests) _policy.TryFind(digest, out _);
        foreach (var digest in digests.AsSpan(0, 1_000)) _policy.Remove(digest, out _);
        while (_policy.TryEvict(out _, out _))
        {
        }
    }

    private void InsertAll()
    {
        _policy.Insert(A, 1);
        _policy.Insert(B, 2);
        _policy.Insert(C, 3);
    }

    private void Step(int kind, Digest digest, long size, Dictionary<Digest, long> model, LinkedList<Digest> order)
    {
        switch (kind)
        {
            case 0 or 1 or 2:
                if (!model.TryAdd(digest, size)) order.Remove(digest);
                model[digest] = size;
                order.AddLast(digest);
                _policy.Insert(digest, size);
                break;
            case 3 or 4:
                if (order.Remove(digest)) order.AddLast(digest);
                _policy.Touch(digest);
                break;
            case 5:
                Assert.Equal(model.Remove(digest, out var expected), _policy.Remove(digest, out var removed));
                Assert.Equal(expected, removed);
                order.Remove(digest);
                break;
            default:
                Assert.Equal(order.First is not null, _policy.TryEvict(out var coldest, out var evicted));
                if (order.First is null) return;
                Assert.Equal((order.First.Value, model[coldest]), (coldest, evicted));
                model.Remove(coldest);
                order.RemoveFirst();
                break;
        }
    }

    private void AssertSame(Dictionary<Digest, long> model, LinkedList<Digest> order)
    {
        Assert.Equal(order.Select(digest => (digest, model[digest])), _policy.InOrder());
        Assert.All(order, digest => Assert.True(_policy.TryFind(digest, out var size) && size == model[digest]));
    }
}
