using CsCheck;
using Entrepot.Bench;
using Entrepot.Oci;
using Entrepot.Pull;
using Xunit.Abstractions;

namespace Entrepot.Tests.Quotas;

/// <summary>What every order of eviction keeps to, whoever it prefers: those of the product and those that the trace replay compares them with.</summary>
public sealed class EvictionPolicyContract(ITestOutputHelper output)
{
    private static readonly Dictionary<string, Func<EvictionPolicy>> Policies = new()
    {
        ["lru"] = () => new LruPolicy(),
        ["adaptive"] = () => new AdaptivePolicy(),
        ["arc"] = () => new ArcPolicy(),
        ["sieve"] = () => new SievePolicy(),
        ["s3-fifo"] = () => new S3FifoPolicy(),
        ["gdsf"] = () => new GdsfPolicy(exponent: 1),
        ["tinylfu"] = () => new TinyLfuPolicy(),
    };

    public static TheoryData<string> Names => [.. Policies.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void AnySequence_HoldsWhatWasInserted_AndEvictsNobodyElse(string name)
    {
        output.WriteLine(name);
        var random = new Random(7);
        var steps = Enumerable.Range(0, 20_000).Select(_ => (random.Next(10), random.Next(400), (long)random.Next(300_000))).ToArray();

        Run(Policies[name](), steps);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void AnyShortSequence_HoldsWhatWasInserted_AndEvictsNobodyElse(string name) =>
        Gen.Select(Gen.Int[0, 9], Gen.Int[0, 5], Gen.Long[0, 200_000]).Array[0, 40].Sample(steps => Run(Policies[name](), steps), iter: 300);

    [Theory]
    [MemberData(nameof(Names))]
    public void TryEvict_UntilNobodyIsLeft_TakesEachOnce(string name)
    {
        var policy = Policies[name]();
        var digests = Digests.Some(3_000);
        for (var i = 0; i < digests.Length; i++) policy.Insert(digests[i], i * 100L);
        foreach (var digest in digests.Where((_, i) => i % 3 == 0)) policy.Touch(digest);

        var evicted = new HashSet<Digest>();
        while (policy.TryEvict(out var digest, out _)) Assert.True(evicted.Add(digest));

        Assert.Equal(digests.Length, evicted.Count);
        Assert.Equal(0, policy.Count);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Quota_WithPinnedBlobs_NeverHandsThemOut(string name)
    {
        var quota = new Quota(Policies[name](), 2_000_000);
        var digests = Digests.Some(500);
        for (var i = 0; i < 10; i++) quota.Pin(digests[i]);
        var random = new Random(3);
        var victims = new List<Victim>();
        for (var step = 0; step < 5_000; step++)
        {
            var (digest, size) = (digests[random.Next(step % 2 == 0 ? 50 : digests.Length)], random.Next(1, 60_000));
            quota.Touch(digest);
            if (quota.Contains(digest) || !quota.TryReserve(size, victims)) continue;
            quota.Admit(digest, size, size);
            Assert.True(quota.IsConsistent());
        }

        Assert.True(victims.Count > 500);
        Assert.DoesNotContain(victims, victim => quota.IsPinned(victim.Digest));
        Assert.All(digests[..10], pinned => Assert.True(quota.Contains(pinned)));
    }

    private static void Run(EvictionPolicy policy, (int Kind, int Which, long Size)[] steps)
    {
        var digests = Digests.Some(400);
        var model = new Dictionary<Digest, long>();
        foreach (var (kind, which, size) in steps)
        {
            var digest = digests[which];
            switch (kind)
            {
                case < 4:
                    policy.Insert(digest, size);
                    model[digest] = size;
                    break;
                case < 7:
                    policy.Touch(digest);
                    break;
                case < 8:
                    Assert.Equal(model.Remove(digest, out var expected), policy.Remove(digest, out var removed));
                    Assert.Equal(expected, removed);
                    break;
                default:
                    Assert.Equal(model.Count > 0, policy.TryEvict(out var victim, out var evicted));
                    Assert.Equal(model.Remove(victim, out expected), evicted == expected && model.Count == policy.Count && !victim.Equals(default));
                    break;
            }

            Assert.Equal(model.Count, policy.Count);
            Assert.Equal(model.TryGetValue(digest, out var known), policy.TryFind(digest, out var found));
            Assert.Equal(known, found);
        }

        Assert.Equal(model.OrderBy(one => one.Key.ToString()).Select(one => (one.Key, one.Value)), policy.InOrder().OrderBy(one => one.Digest.ToString()));
    }
}
