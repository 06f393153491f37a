using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Pull;

public sealed class FreshnessTests
{
    private static readonly DateTimeOffset Then = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(60, 59, true)]
    [InlineData(60, 60, false)]
    [InlineData(0, 0, false)]
    public void IsFresh_Age_IsComparedWithTheTtl(int ttl, int age, bool fresh)
    {
        var record = new TagRecord(Digest.Of("m"u8), MediaTypes.OciManifest, 1, Then);

        Assert.Equal(fresh, Freshness.IsFresh(record, TimeSpan.FromSeconds(ttl), Then.AddSeconds(age)));
        Assert.True(Freshness.IsFresh(record, Timeout.InfiniteTimeSpan, Then.AddYears(100)));
    }

    [Theory]
    [InlineData(429, "rate-limited")]
    [InlineData(502, "bad-answer")]
    [InlineData(503, "unreachable")]
    [InlineData(504, "timeout")]
    public void WhyStale_Outage_IsNamed(int status, string why) => Assert.Equal(why, Freshness.WhyStale(new RegistryError(status, "", "")));
}
