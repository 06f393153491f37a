using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Quotas;

public sealed class QuotaTests
{
    private static readonly Digest A = Digest.Of("a"u8), B = Digest.Of("b"u8), C = Digest.Of("c"u8);

    private readonly Quota _quota = new(new LruPolicy(), 100);
    private readonly List<Victim> _victims = [];

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
        Assert.True(quota.TryReserve(4096, _victims));
        quota.SetFree(long.MaxValue, 0);

        Assert.False(quota.TryReserve(Quota.OnDisk(size), _victims));

        Assert.Empty(_victims);
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
    public void TryReserve_UnderTheLimit_EvictsJustEnoughOrNobody(string residents, long reserved, long overhead, long size, bool granted, string victims)
    {
        AdoptAll(residents);
        Reserve(reserved);
        _quota.SetOverhead(overhead, []);
        var (used, before) = (_quota.Used, _quota.Count);

        Assert.Equal(granted, _quota.TryReserve(size, _victims));

        Assert.Equal(victims, Names(_victims));
        Assert.All(_victims, victim => Assert.Equal(EvictionReason.Quota, victim.Reason));
        Assert.Equal(used - _victims.Sum(victim => victim.Size), _quota.Used);
        Assert.Equal(before - _victims.Count, _quota.Count);
        Assert.Equal(granted ? reserved + size : reserved, _quota.Reserved);
        Assert.True(_quota.IsConsistent());
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
        _quota.MinFree = minFree;
        _quota.SetFree(free, 0);

        Assert.Equal(granted, _quota.TryReserve(size, _victims));

        Assert.Equal(victims, Names(_victims));
        Assert.Equal(30 - 10 * victims.Length, _quota.Used);
        Assert.Equal(granted ? size : 0, _quota.Reserved);
        Assert.Equal(free + 10 * victims.Length - (granted ? size : 0), _quota.Free);
    }

    [Fact]
    public void TryReserve_BothRunShort_SaysForEachVictimWhichItWas()
    {
        AdoptAll("10,10,10");
        _quota.MinFree = 10;
        _quota.SetFree(70, 0);

        Assert.True(_quota.TryReserve(80, _victims));   // 10 over the limit, 20 short of space

        Assert.Equal([new Victim(A, 10, EvictionReason.Quota), new Victim(B, 10, EvictionReason.Space)], _victims);
    }

    [Fact]
    public void TryReserve_FreeUnknown_GoesByTheLimitAlone()
    {
        _quota.MinFree = 1_000_000;

        Assert.True(_quota.TryReserve(100, _victims));

        Assert.Null(_quota.Free);
    }

    [Fact]
    public void TryReserve_ManyAtOnce_NeverOverrunTogether()
    {
        AdoptAll("30,30,30");

        var granted = Enumerable.Range(0, 12).Count(_ => _quota.TryReserve(40, _victims));

        Assert.Equal(2, granted);
        Assert.Equal((0, 80), (_quota.Used, _quota.Reserved));
        Assert.Equal("ABC", Names(_victims));
    }

    [Fact]
    public void TryReserve_AgainForTheSameBlob_AddsUp()
    {
        Assert.True(_quota.TryReserve(60, _victims));
        Assert.True(_quota.TryReserve(40, _victims));
        Assert.False(_quota.TryReserve(1, _victims));

        _quota.Admit(A, 95, reserved: 100);

        Assert.Equal((95, 0), (_quota.Used, _quota.Reserved));
    }

    [Fact]
    public void TryReserve_TouchedBlob_OutlivesTheOthers()
    {
        AdoptAll("30,30,30");
        _quota.Touch(A);

        Assert.True(_quota.TryReserve(70, _victims));

        Assert.Equal("BC", Names(_victims));
        Assert.True(_quota.Contains(A));
        Assert.False(_quota.Contains(B));
    }

    [Fact]
    public void TryReserve_AfterAdoptionBeyondTheLimit_EvictsTheExcessToo()
    {
        AdoptAll("80,80,80");

        Assert.True(_quota.TryReserve(10, _victims));

        Assert.Equal("AB", Names(_victims));
        Assert.Equal(80, _quota.Used);
    }

    [Fact]
    public void Admit_LessThanReserved_ReleasesTheRest()
    {
        _quota.SetFree(1_000, 0);
        Reserve(50);

        _quota.Admit(A, 20, reserved: 50);

        Assert.Equal((20, 0, 980), (_quota.Used, _quota.Reserved, _quota.Free));
        Assert.True(_quota.Contains(A));
    }

    [Fact]
    public void Admit_OthersReserve_KeepsTheirs()
    {
        Reserve(50);
        Reserve(30);

        _quota.Admit(A, 50, reserved: 50);

        Assert.Equal((50, 30), (_quota.Used, _quota.Reserved));
    }

    [Fact]
    public void Admit_ResidentOfTheSameName_ReplacesItAsTheNewest()
    {
        AdoptAll("10,10,10");
        _quota.SetFree(1_000, 0);
        Reserve(20);

        _quota.Admit(A, 20, reserved: 20);

        Assert.Equal((40, 0, 990, 3), (_quota.Used, _quota.Reserved, _quota.Free, _quota.Count));
        Assert.True(_quota.TryReserve(61, _victims));
        Assert.Equal("B", Names(_victims));
    }

    [Fact]
    public void Adopt_Found_TakesNoRoomThatTheFileSystemStillHas()
    {
        _quota.SetFree(1_000, 0);

        Adopt(_quota, (A, 10), (A, 30));

        Assert.Equal((30, 1, 1_000), (_quota.Used, _quota.Count, _quota.Free));
    }

    [Fact]
    public void Release_Part_GivesThatBack()
    {
        _quota.SetFree(1_000, 0);
        Reserve(50);

        _quota.Release(20);

        Assert.Equal((30, 970), (_quota.Reserved, _quota.Free));
    }

    [Fact]
    public void Remove_Resident_GivesItsRoomBackOnce()
    {
        AdoptAll("10,10,10");
        _quota.SetFree(1_000, 0);

        Assert.True(_quota.Remove(B));
        Assert.False(_quota.Remove(B));

        Assert.Equal((20, 2, 1_010), (_quota.Used, _quota.Count, _quota.Free));
        Assert.True(_quota.TryReserve(100, _victims));
        Assert.Equal("AC", Names(_victims));
    }

    [Theory]
    [InlineData(30, "")]
    [InlineData(29, "A")]
    [InlineData(10, "AB")]
    [InlineData(0, "ABC")]
    public void SetLimit_Lower_EvictsDownToIt(long limit, string victims)
    {
        AdoptAll("10,10,10");

        _quota.SetLimit(limit, _victims);

        Assert.Equal(victims, Names(_victims));
        Assert.Equal(limit, _quota.Limit);
    }

    [Fact]
    public void SetLimit_BelowWhatIsReserved_EvictsAllAndIsKeptWhenTheReservationsEnd()
    {
        AdoptAll("10,10,10");
        Reserve(50);

        _quota.SetLimit(40, _victims);
        Assert.Equal("ABC", Names(_victims));
        Assert.False(_quota.TryReserve(0, _victims));

        _quota.Admit(A, 50, reserved: 50);
        _victims.Clear();
        _quota.Shrink(_victims);
        Assert.Equal("A", Names(_victims));
        Assert.True(_quota.TryReserve(40, _victims));
    }

    [Fact]
    public void SetLimit_Higher_LetsMoreIn()
    {
        _quota.SetLimit(200, _victims);

        Assert.True(_quota.TryReserve(200, _victims));
    }

    [Theory]
    [InlineData(70, "")]
    [InlineData(71, "A")]
    [InlineData(100, "ABC")]
    [InlineData(500, "ABC")]
    public void SetOverhead_Grown_EvictsForIt(long overhead, string victims)
    {
        AdoptAll("10,10,10");

        _quota.SetOverhead(overhead, _victims);

        Assert.Equal(victims, Names(_victims));
        Assert.Equal(overhead, _quota.Overhead);
    }

    [Theory]
    [InlineData(20, "")]
    [InlineData(19, "A")]
    [InlineData(0, "AB")]
    public void Shrink_FileSystemShort_EvictsForItsSake(long free, string victims)
    {
        AdoptAll("10,10,10");
        _quota.MinFree = 20;
        _quota.SetFree(free, 0);

        _quota.Shrink(_victims);

        Assert.Equal(victims, Names(_victims));
        Assert.All(_victims, victim => Assert.Equal(EvictionReason.Space, victim.Reason));
    }

    [Fact]
    public void Shrink_FileSystemFilledBeyondReach_EvictsNobody()
    {
        AdoptAll("10,10,10");
        _quota.MinFree = 31;
        _quota.SetFree(0, 0);

        _quota.Shrink(_victims);

        Assert.Empty(_victims);
    }

    [Fact]
    public void Shrink_FileSystemBeyondReach_StillKeepsTheLimit()
    {
        AdoptAll("80,80,80");
        _quota.MinFree = 1_000;
        _quota.SetFree(0, 0);

        _quota.Shrink(_victims);

        Assert.Equal("AB", Names(_victims));
        Assert.All(_victims, victim => Assert.Equal(EvictionReason.Quota, victim.Reason));
    }

    [Theory]
    [InlineData(0, 950)]
    [InlineData(30, 980)]
    [InlineData(50, 1_000)]
    [InlineData(60, 1_000)]   // more was written than rounding foresaw
    public void SetFree_WhileSomeIsArriving_CountsWhatIsStillToBeWritten(long written, long free)
    {
        Reserve(50);

        _quota.SetFree(1_000, written);

        Assert.Equal(free, _quota.Free);
    }

    [Fact]
    public void Touch_AnyResident_AllocatesNothing()
    {
        var digests = Digests.Some(1_000);
        foreach (var digest in digests) _quota.Adopt(digest, 0);
        _quota.Touch(digests[0]);

        var before = GC.GetAllocatedBytesForCurrentThread();
        foreach (var digest in digests) _quota.Touch(digest);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private void AdoptAll(string sizes)
    {
        var parts = sizes.Split(',').Select(size => long.Parse(size, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        Adopt(_quota, (A, parts[0]), (B, parts[1]), (C, parts[2]));
    }

    private static void Adopt(Quota quota, params (Digest Digest, long Size)[] residents)
    {
        foreach (var (digest, size) in residents) quota.Adopt(digest, size);
    }

    // Evicts nobody in these tests, so that what follows is what is tested.
    private void Reserve(long size)
    {
        var victims = new List<Victim>();
        Assert.True(_quota.TryReserve(size, victims));
        Assert.Empty(victims);
    }

    private static string Names(IEnumerable<Victim> victims) =>
        string.Concat(victims.Select(victim => victim.Digest == A ? "A" : victim.Digest == B ? "B" : victim.Digest == C ? "C" : "?"));
}
