using Entrepot.Server.Cli;

namespace Entrepot.Tests.Cli;

public sealed class StopSignalsTests
{
    [Fact]
    public void Received_First_AsksAndDoesNotEnd()
    {
        var ended = 0;
        using var signals = new StopSignals(() => ended++);
        Assert.False(signals.Asked.IsCancellationRequested);

        signals.Received();

        Assert.True(signals.Asked.IsCancellationRequested);
        Assert.Equal(0, ended);
    }

    [Fact]
    public void Received_Second_EndsAtOnce()
    {
        var ended = 0;
        using var signals = new StopSignals(() => ended++);

        signals.Received();
        signals.Received();

        Assert.Equal(1, ended);
    }
}
