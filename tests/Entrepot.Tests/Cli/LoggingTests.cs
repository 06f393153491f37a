using System.Text.Json;
using Entrepot.Server.Telemetry;
using Serilog.Core;
using Serilog.Events;

namespace Entrepot.Tests.Cli;

public sealed class LoggingTests : IDisposable
{
    private readonly StringWriter _out = new();

    public void Dispose() => _out.Dispose();

    [Fact]
    public void Create_Text_IsOneReadableLine()
    {
        using (var log = Logging.Create(LogFormat.Text, LogEventLevel.Information, 100, _out)) log.Warning("Disk {Name} is full", "sda");

        Assert.Matches(@"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} WRN Disk sda is full\n$", _out.ToString());
    }

    [Fact]
    public void Create_Json_IsOneObjectWithTheSentenceAndItsParts()
    {
        using (var log = Logging.Create(LogFormat.Json, LogEventLevel.Information, 100, _out)) log.Warning("Disk {Name} is full", "sda");

        using var line = JsonDocument.Parse(_out.ToString());
        Assert.Equal("Warning", line.RootElement.GetProperty("@l").GetString());
        Assert.Equal("sda", line.RootElement.GetProperty("Name").GetString());
        Assert.Equal(1, _out.ToString().Count(c => c == '\n'));
    }

    [Theory]
    [InlineData(LogEventLevel.Debug, "Entrepot.Pull", LogEventLevel.Debug, true)]
    [InlineData(LogEventLevel.Information, "Entrepot.Pull", LogEventLevel.Debug, false)]
    [InlineData(LogEventLevel.Information, "Entrepot.Pull", LogEventLevel.Information, true)]
    [InlineData(LogEventLevel.Debug, "Microsoft.AspNetCore.Server.Kestrel", LogEventLevel.Information, false)]
    [InlineData(LogEventLevel.Debug, "Microsoft.AspNetCore.Server.Kestrel", LogEventLevel.Warning, true)]
    [InlineData(LogEventLevel.Error, "Microsoft.AspNetCore.Server.Kestrel", LogEventLevel.Warning, false)]
    public void Create_Level_DecidesWhatIsWritten(LogEventLevel level, string source, LogEventLevel message, bool written)
    {
        using (var log = Logging.Create(LogFormat.Text, level, 100, _out)) log.ForContext(Constants.SourceContextPropertyName, source).Write(message, "x");

        Assert.Equal(written, _out.ToString().Length > 0);
    }
}
