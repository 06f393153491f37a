using Entrepot.Pull;

namespace Entrepot.Tests.Quotas;

public sealed class QuotaLimitTests : QuotaFixture
{
    [Theory]
    [InlineData(30, "")]
    [InlineData(29, "A")]
    [InlineData(10, "AB")]
    [InlineData(0, "ABC")]
    public void SetLimit_Lower_EvictsDownToIt(long limit, string victims)
    {
        AdoptAll("10,10,10");

        Quota.SetLimit(limit, Victims);

        Assert.Equal(victims, Names(Victims));
        Assert.Equal(limit, Quota.Limit);
    }

    [Fact]
    public void SetLimit_BelowWhatIsReserved_EvictsAllAndIsKeptWhenTheReservationsEnd()
    {
        AdoptAll("10,10,10");
        Reserve(50);

        Quota.SetLimit(40, Victims);
        Assert.Equal("ABC", Names(Victims));
        Assert.False(Quota.TryReserve(0, Victims));

        Quota.Admit(A, 50, reserved: 50);
        Victims.Clear();
        Quota.Shrink(Victims);
        Assert.Equal("A", Names(Victims));
        Assert.True(Quota.TryReserve(40, Victims));
    }

    [Fact]
    public void SetLimit_MoreThanAnyFileSystemHolds_CountsAsOneExbibyteSoThatSumsHold()
    {
        AdoptAll("10,10,10");

        Quota.SetLimit(long.MaxValue, Victims);

        Assert.Equal(1L << 60, Quota.Limit);
        Assert.False(Quota.TryReserve((1L << 60) + 1, Victims));
    }

    [Fact]
    public void SetLimit_Higher_LetsMoreIn()
    {
        Quota.SetLimit(200, Victims);

        Assert.True(Quota.TryReserve(200, Victims));
    }

    [Theory]
    [InlineData(70, "")]
    [InlineData(71, "A")]
    [InlineData(100, "ABC")]
    [InlineData(500, "ABC")]
    public void SetOverhead_Grown_EvictsForIt(long overhead, string victims)
    {
        AdoptAll("10,10,10");

        Quota.SetOverhead(overhead, Victims);

        Assert.Equal(victims, Names(Victims));
        Assert.Equal(overhead, Quota.Overhead);
    }

    [Theory]
    [InlineData(20, "")]
    [InlineData(19, "A")]
    [InlineData(0, "AB")]
    public void Shrink_FileSystemShort_EvictsForItsSake(long free, string victims)
    {
        AdoptAll("10,10,10");
        Quota.MinFree = 20;
        Quota.SetFree(free, 0);

        Quota.Shrink(Victims);

        Assert.Equal(victims, Names(Victims));
        Assert.All(Victims, victim => Assert.Equal(EvictionReason.Space, victim.Reason));
    }

    [Fact]
    public void Shrink_FileSystemFilledBeyondReach_EvictsNobody()
    {
        AdoptAll("10,10,10");
        Quota.MinFree = 31;
        Quota.SetFree(0, 0);

        Quota.Shrink(Victims);

        Assert.Empty(Victims);
    }

    [Fact]
    public void Shrink_FileSystemBeyondReach_StillKeepsTheLimit()
    {
        AdoptAll("80,80,80");
        Quota.MinFree = 1_000;
        Quota.SetFree(0, 0);

        Quota.Shrink(Victims);

        Assert.Equal("AB", Names(Victims));
        Assert.All(Victims, victim => Assert.Equal(EvictionReason.Quota, victim.Reason));
    }

    [Theory]
    [InlineData(0, 950)]
    [InlineData(30, 980)]
    [InlineData(50, 1_000)]
    [InlineData(60, 1_000)]   // more was written than rounding foresaw
    public void SetFree_WhileSomeIsArriving_CountsWhatIsStillToBeWritten(long written, long free)
    {
        Reserve(50);

        Quota.SetFree(1_000, written);

        Assert.Equal(free, Quota.Free);
    }
}
