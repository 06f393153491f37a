using Entrepot.Server.Edge;

namespace Entrepot.Tests.Edge;

public sealed class DescriptorLimitTests
{
    [Theory]
    [InlineData("Max open files            1024                 524288               files     ", 1024L)]
    [InlineData("Max open files            unlimited            unlimited            files     ", null)]
    [InlineData("Max file locks            7                    7                    locks     ", null)]
    public void Parse_LinesOfLimits_IsWhatHoldsNow(string line, long? limit) => Assert.Equal(limit, DescriptorLimit.Parse(["Limit  Soft Limit  Hard Limit  Units", line]));

    [Fact]
    public void Find_OnLinux_IsTold() => Assert.Equal(OperatingSystem.IsLinux(), DescriptorLimit.Find() > 0);

    [Theory]
    [InlineData(20_000, 10_555, 625)]
    [InlineData(8192, 3995, 256)]
    [InlineData(1024, 213, 32)]
    [InlineData(512, 106, 16)]
    [InlineData(1, 1, 1)]
    public void RoomIn_LeavesDescriptorsForFilesToo(long limit, long room, long fetches) =>
        Assert.Equal((room, fetches), (DescriptorLimit.RoomIn(limit), DescriptorLimit.FetchesIn(limit)));
}
