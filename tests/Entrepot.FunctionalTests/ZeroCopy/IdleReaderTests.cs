using Entrepot.FunctionalTests.Kit;

namespace Entrepot.FunctionalTests.ZeroCopy;

public sealed class IdleReaderTests : ZeroCopyTest
{
    internal override Setup Setup => base.Setup with { Options = options => options with { MinRate = 1_000_000 } };

    [Fact]
    public async Task Get_UnderMinRate_IsEnded()
    {
        using var client = await AskForLargeAsync();
        using var neighbour = await RawClient.ConnectAsync(Cache.Url);

        await Appliance.UntilAsync(
            () => Task.FromResult(Lines.All.Any(line => line.Contains("limits.minRate", StringComparison.Ordinal))),
            () => $"it is not ended; the log says {string.Join('\n', Lines.All)}");

        IsBrokenOff(await client.ReadRestAsync());
        await WorksAsync(neighbour);
    }
}
