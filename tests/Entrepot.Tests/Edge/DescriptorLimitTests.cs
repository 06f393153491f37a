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
    [InlineData(10_000, 10_999, true)]
    [InlineData(10_000, 11_000, false)]
    [InlineData(100, 1024, true)]
    public void IsTooLowFor_Connections_LeavesRoomForFilesToo(int connections, long limit, bool isTooLow) => Assert.Equal(isTooLow, DescriptorLimit.IsTooLowFor(connections, limit));
}
