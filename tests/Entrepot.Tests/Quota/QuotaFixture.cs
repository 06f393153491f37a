using System.Globalization;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Quotas;

/// <summary>A quota of 100 bytes, and blobs by one letter.</summary>
public abstract class QuotaFixture
{
    protected static readonly Digest A = Digest.Of("a"u8), B = Digest.Of("b"u8), C = Digest.Of("c"u8);

    protected Quota Quota { get; } = new(new LruPolicy(), 100);

    protected List<Victim> Victims { get; } = [];

    protected void AdoptAll(string sizes)
    {
        var parts = sizes.Split(',').Select(size => long.Parse(size, CultureInfo.InvariantCulture)).ToArray();
        Adopt(Quota, (A, parts[0]), (B, parts[1]), (C, parts[2]));
    }

    protected static void Adopt(Quota quota, params (Digest Digest, long Size)[] residents)
    {
        foreach (var (digest, size) in residents) quota.Adopt(digest, size);
    }

    // Evicts nobody in these tests, so that what follows is what is tested.
    protected void Reserve(long size)
    {
        var victims = new List<Victim>();
        Assert.True(Quota.TryReserve(size, victims));
        Assert.Empty(victims);
    }

    protected static string Names(IEnumerable<Victim> victims) =>
        string.Concat(victims.Select(victim => victim.Digest == A ? "A" : victim.Digest == B ? "B" : victim.Digest == C ? "C" : "?"));
}
