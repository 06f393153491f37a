using Entrepot.Server.Cli;
using Entrepot.Server.Options;
using Entrepot.Tests.Kit;
using Serilog.Core;

namespace Entrepot.Tests.Cli;

public sealed class HangUpsTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-hangups-");
    private readonly List<int> _taken = [];

    private string Default => Path.Combine(_directory.FullName, "default.yaml");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void Received_BeforeAnybodyServes_IsMadeUpForOnce()
    {
        Write(5);
        using var hangUps = New();

        hangUps.Received();
        hangUps.Received();
        Assert.Empty(_taken);
        hangUps.Serve(options => _taken.Add(options.Connections), Logger.None);

        Assert.Equal([5], _taken);
    }

    [Fact]
    public void Serve_NoSignalYet_TakesNothingOver()
    {
        Write(5);
        using var hangUps = New();

        hangUps.Serve(options => _taken.Add(options.Connections), Logger.None);

        Assert.Empty(_taken);
    }

    [Fact]
    public void Received_MistakeInTheOptions_ChangesNothing()
    {
        File.WriteAllText(Default, "limits: { connections: none }");
        using var hangUps = New();
        hangUps.Serve(options => _taken.Add(options.Connections), Logger.None);

        hangUps.Received();
        Write(6);
        hangUps.Received();

        Assert.Equal([6], _taken);
    }

    [Fact]
    public async Task Received_WhileOneIsTakenOver_IsReadAfterwards()
    {
        using var entered = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        using var hangUps = New();
        Write(1);
        hangUps.Serve(
            options =>
            {
                entered.Set();
                leave.Wait();
                _taken.Add(options.Connections);
            },
            Logger.None);
        var first = Task.Run(hangUps.Received);
        entered.Wait();
        var second = Task.Run(hangUps.Received);

        Write(2);
        leave.Set();
        await Task.WhenAll(first, second).Soon();

        Assert.Equal([1, 2], _taken);
    }

    // As the command line has it: the file is there or not at the time of asking.
    private HangUps New() => new(() => new OptionSources(
        File.Exists(Default) ? Default : null, new Dictionary<string, string>(), new Dictionary<string, IReadOnlyList<string>>()));

    private void Write(int connections) => File.WriteAllText(Default, $"limits: {{ connections: {connections} }}");
}
