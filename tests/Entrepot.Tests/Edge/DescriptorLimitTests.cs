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
    [InlineData(11_000, 10_000)]
    [InlineData(2000, 1000)]
    [InlineData(1024, 512)]
    [InlineData(1, 1)]
    public void RoomIn_LeavesDescriptorsForFilesToo(long limit, long room) => Assert.Equal(room, DescriptorLimit.RoomIn(limit));
}
