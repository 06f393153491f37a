using Entrepot.Pull;

namespace Entrepot.Tests.Quotas;

/// <summary>Pinned blobs: counted, and never victims.</summary>
public sealed class QuotaPinTests : QuotaFixture
{
    [Fact]
    public void TryReserve_ColdestIsPinned_EvictsTheNext()
    {
        AdoptAll("30,30,30");
        Quota.Pin(A);

        Assert.True(Quota.TryReserve(20, Victims));

        Assert.Equal("B", Names(Victims));
        Assert.Equal((60, 30, 20), (Quota.Used, Quota.Pinned, Quota.Reserved));
    }

    [Theory]
    [InlineData(70, true)]
    [InlineData(71, false)]
    public void TryReserve_BesidesThePinned_FitsUpToWhatTheyLeave(long size, bool fits)
    {
        AdoptAll("30,30,30");
        Quota.Pin(A);

        Assert.Equal(fits, Quota.TryReserve(size, Victims));

        Assert.Equal(fits ? "BC" : "", Names(Victims));
    }

    [Fact]
    public void TryReserve_FileSystemFullOfPinned_RefusesAndEvictsNobody()
    {
        AdoptAll("30,30,30");
        Quota.Pin(A);
        Quota.Pin(B);
        Quota.SetFree(0, 0);

        Assert.False(Quota.TryReserve(31, Victims));
        Assert.True(Quota.TryReserve(30, Victims));

        Assert.Equal("C", Names(Victims));
    }

    [Fact]
    public void SetLimit_BelowThePinned_EvictsAllOthersAndNoneOfThem()
    {
        AdoptAll("30,30,30");
        Quota.Pin(B);

        Quota.SetLimit(10, Victims);

        Assert.Equal("AC", Names(Victims));
        Assert.Equal((30, 1), (Quota.Used, Quota.Count));
        Assert.False(Quota.TryReserve(0, Victims));
    }

    [Fact]
    public void Shrink_MinFreeBeyondWhatCanLeave_EvictsNobody()
    {
        AdoptAll("30,30,30");
        Quota.Pin(A);
        Quota.SetFree(0, 0);
        Quota.MinFree = 61;

        Quota.Shrink(Victims);
        Assert.Empty(Victims);

        Quota.MinFree = 60;
        Quota.Shrink(Victims);
        Assert.Equal("BC", Names(Victims));
    }

    [Fact]
    public void Pin_BeforeItArrives_HoldsOnArrival()
    {
        Quota.Pin(A);
        Reserve(30);
        Quota.Admit(A, 30, 30);
        Adopt(Quota, (B, 30));

        Assert.True(Quota.TryReserve(50, Victims));

        Assert.Equal("B", Names(Victims));
        Assert.True(Quota.IsConsistent());
    }

    [Fact]
    public void Unpin_Resident_LeavesAsOneThatWasJustUsed()
    {
        AdoptAll("30,30,30");
        Quota.Pin(A);
        Quota.Pin(A);

        Quota.Unpin(A);
        Quota.Unpin(A);

        Assert.Equal((90, 0), (Quota.Used, Quota.Pinned));
        Assert.True(Quota.TryReserve(100, Victims));
        Assert.Equal("BCA", Names(Victims));
    }

    [Fact]
    public void Remove_Pinned_GoesAndIsPinnedAgainWhenItComesBack()
    {
        AdoptAll("30,30,30");
        Quota.Pin(A);

        Assert.True(Quota.Remove(A, out var size));

        Assert.Equal((30, 60, 0, 2, false), (size, Quota.Used, Quota.Pinned, Quota.Count, Quota.Contains(A)));
        Adopt(Quota, (A, 20));
        Assert.Equal((80, 20), (Quota.Used, Quota.Pinned));
    }
}
