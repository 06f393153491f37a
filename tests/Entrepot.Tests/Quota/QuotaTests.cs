using Entrepot.Pull;

namespace Entrepot.Tests.Quotas;

public sealed class QuotaTests : QuotaFixture
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 4096)]
    [InlineData(4095, 4096)]
    [InlineData(4096, 4096)]
    [InlineData(4097, 8192)]
    [InlineData(40_000_000, 40_001_536)]
    public void OnDisk_AnySize_IsWholeBlocks(long size, long expected) => Assert.Equal(expected, Quota.OnDisk(size));

    // Sizes are what an upstream claims.
    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(long.MaxValue - 4095)]
    [InlineData((1L << 60) + 1)]
    [InlineData(1L << 60)]
    public void TryReserve_AbsurdSize_IsRefusedUnderAnyLimit(long size)
    {
        var quota = new Quota(new LruPolicy(), long.MaxValue) { MinFree = long.MaxValue };
        Adopt(quota, (A, 10));
        Assert.True(quota.TryReserve(4096, Victims));
        quota.SetFree(long.MaxValue, 0);

        Assert.False(quota.TryReserve(Quota.OnDisk(size), Victims));
        quota.SetLimit(long.MaxValue, Victims);
        Assert.False(quota.TryReserve(Quota.OnDisk(size), Victims));

        Assert.Empty(Victims);
        Assert.Equal((10, 4096), (quota.Used, quota.Reserved));
    }

    // Limit 100. A, B and C are resident, A was used longest ago.
    [Theory]
    [InlineData("10,10,10", 0, 0, 70, true, "")]
    [InlineData("10,10,10", 0, 0, 71, true, "A")]
    [InlineData("10,10,10", 0, 0, 80, true, "A")]
    [InlineData("10,10,10", 0, 0, 81, true, "AB")]
    [InlineData("10,10,10", 0, 0, 100, true, "ABC")]
    [InlineData("10,10,10", 0, 0, 101, false, "")]
    [InlineData("10,10,10", 0, 0, 0, true, "")]
    [InlineData("10,10,10", 40, 0, 30, true, "")]
    [InlineData("10,10,10", 40, 0, 31, true, "A")]
    [InlineData("10,10,10", 40, 0, 60, true, "ABC")]
    [InlineData("10,10,10", 40, 0, 61, false, "")]
    [InlineData("10,10,10", 40, 20, 40, true, "ABC")]
    [InlineData("10,10,10", 40, 20, 41, false, "")]
    [InlineData("10,10,10", 0, 70, 1, true, "A")]
    [InlineData("0,0,10", 0, 0, 91, true, "ABC")]
    [InlineData("90,5,5", 0, 0, 1, true, "A")]
    [InlineData("0,0,0", 0, 0, 100, true, "")]
    public void TryReserve_UnderTheLimit_EvictsJustEnoughOrNobody(
        string residents, long reserved, long overhead, long size, bool granted, string victims)
    {
        AdoptAll(residents);
        Reserve(reserved);
        Quota.SetOverhead(overhead, []);
        var (used, before) = (Quota.Used, Quota.Count);

        Assert.Equal(granted, Quota.TryReserve(size, Victims));

        Assert.Equal(victims, Names(Victims));
        Assert.All(Victims, victim => Assert.Equal(EvictionReason.Quota, victim.Reason));
        Assert.Equal(used - Victims.Sum(victim => victim.Size), Quota.Used);
        Assert.Equal(before - Victims.Count, Quota.Count);
        Assert.Equal(granted ? reserved + size : reserved, Quota.Reserved);
        Assert.True(Quota.IsConsistent());
    }

    // Limit 100. A, B and C of 10 are resident; so many bytes are free, and so many are to stay free.
    [Theory]
    [InlineData(20, 0, 20, true, "")]
    [InlineData(20, 0, 21, true, "A")]
    [InlineData(20, 0, 50, true, "ABC")]
    [InlineData(20, 0, 51, false, "")]
    [InlineData(20, 10, 10, true, "")]
    [InlineData(20, 10, 11, true, "A")]
    [InlineData(20, 10, 30, true, "AB")]
    [InlineData(20, 10, 40, true, "ABC")]
    [InlineData(20, 10, 41, false, "")]
    [InlineData(0, 30, 0, true, "ABC")]
    [InlineData(0, 31, 0, false, "")]
    [InlineData(0, 1000, 1, false, "")]
    [InlineData(1000, 900, 70, true, "")]
    [InlineData(1000, 900, 100, true, "ABC")]
    [InlineData(1000, 900, 101, false, "")]
    public void TryReserve_OnAFileSystem_KeepsItsRoomOrEvictsNobody(long free, long minFree, long size, bool granted, string victims)
    {
        AdoptAll("10,10,10");
        Quota.MinFree = minFree;
        Quota.SetFree(free, 0);

        Assert.Equal(granted, Quota.TryReserve(size, Victims));

        Assert.Equal(victims, Names(Victims));
        Assert.Equal(30 - 10 * victims.Length, Quota.Used);
        Assert.Equal(granted ? size : 0, Quota.Reserved);
        Assert.Equal(free + 10 * victims.Length - (granted ? size : 0), Quota.Free);
    }

    [Fact]
    public void TryReserve_BothRunShort_SaysForEachVictimWhichItWas()
    {
        AdoptAll("10,10,10");
        Quota.MinFree = 10;
        Quota.SetFree(70, 0);

        Assert.True(Quota.TryReserve(80, Victims));   // 10 over the limit, 20 short of space

        Assert.Equal([new Victim(A, 10, EvictionReason.Quota), new Victim(B, 10, EvictionReason.Space)], Victims);
    }

    [Fact]
    public void TryReserve_FreeUnknown_GoesByTheLimitAlone()
    {
        Quota.MinFree = 1_000_000;

        Assert.True(Quota.TryReserve(100, Victims));

        Assert.Null(Quota.Free);
    }

    [Fact]
    public void TryReserve_ManyAtOnce_NeverOverrunTogether()
    {
        AdoptAll("30,30,30");

        var granted = Enumerable.Range(0, 12).Count(_ => Quota.TryReserve(40, Victims));

        Assert.Equal(2, granted);
        Assert.Equal((0, 80), (Quota.Used, Quota.Reserved));
        Assert.Equal("ABC", Names(Victims));
    }

    [Fact]
    public void TryReserve_AgainForTheSameBlob_AddsUp()
    {
        Assert.True(Quota.TryReserve(60, Victims));
        Assert.True(Quota.TryReserve(40, Victims));
        Assert.False(Quota.TryReserve(1, Victims));

        Quota.Admit(A, 95, reserved: 100);

        Assert.Equal((95, 0), (Quota.Used, Quota.Reserved));
    }

    [Fact]
    public void TryReserve_TouchedBlob_OutlivesTheOthers()
    {
        AdoptAll("30,30,30");
        Quota.Touch(A);

        Assert.True(Quota.TryReserve(70, Victims));

        Assert.Equal("BC", Names(Victims));
        Assert.True(Quota.Contains(A));
        Assert.False(Quota.Contains(B));
    }

    [Fact]
    public void TryReserve_AfterAdoptionBeyondTheLimit_EvictsTheExcessToo()
    {
        AdoptAll("80,80,80");

        Assert.True(Quota.TryReserve(10, Victims));

        Assert.Equal("AB", Names(Victims));
        Assert.Equal(80, Quota.Used);
    }

    [Fact]
    public void Admit_LessThanReserved_ReleasesTheRest()
    {
        Quota.SetFree(1_000, 0);
        Reserve(50);

        Quota.Admit(A, 20, reserved: 50);

        Assert.Equal((20, 0, 980), (Quota.Used, Quota.Reserved, Quota.Free));
        Assert.True(Quota.Contains(A));
    }

    [Fact]
    public void Admit_OthersReserve_KeepsTheirs()
    {
        Reserve(50);
        Reserve(30);

        Quota.Admit(A, 50, reserved: 50);

        Assert.Equal((50, 30), (Quota.Used, Quota.Reserved));
    }

    [Fact]
    public void Admit_ResidentOfTheSameName_ReplacesItAsTheNewest()
    {
        AdoptAll("10,10,10");
        Quota.SetFree(1_000, 0);
        Reserve(20);

        Quota.Admit(A, 20, reserved: 20);

        Assert.Equal((40, 0, 990, 3), (Quota.Used, Quota.Reserved, Quota.Free, Quota.Count));
        Assert.True(Quota.TryReserve(61, Victims));
        Assert.Equal("B", Names(Victims));
    }

    [Fact]
    public void Adopt_Found_TakesNoRoomThatTheFileSystemStillHas()
    {
        Quota.SetFree(1_000, 0);

        Adopt(Quota, (A, 10), (A, 30));

        Assert.Equal((30, 1, 1_000), (Quota.Used, Quota.Count, Quota.Free));
    }

    [Fact]
    public void Release_Part_GivesThatBack()
    {
        Quota.SetFree(1_000, 0);
        Reserve(50);

        Quota.Release(20);

        Assert.Equal((30, 970), (Quota.Reserved, Quota.Free));
    }

    [Fact]
    public void Remove_Resident_GivesItsRoomBackOnce()
    {
        AdoptAll("10,10,10");
        Quota.SetFree(1_000, 0);

        Assert.True(Quota.Remove(B));
        Assert.False(Quota.Remove(B));

        Assert.Equal((20, 2, 1_010), (Quota.Used, Quota.Count, Quota.Free));
        Assert.True(Quota.TryReserve(100, Victims));
        Assert.Equal("AC", Names(Victims));
    }

    [Fact]
    public void Touch_AnyResident_AllocatesNothing()
    {
        var digests = Digests.Some(1_000);
        foreach (var digest in digests) Quota.Adopt(digest, 0);
        Quota.Touch(digests[0]);

        var before = GC.GetAllocatedBytesForCurrentThread();
        foreach (var digest in digests) Quota.Touch(digest);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
