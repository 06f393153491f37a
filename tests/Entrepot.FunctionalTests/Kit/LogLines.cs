using System.Collections.Concurrent;
using System.Globalization;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Formatting.Display;

namespace Entrepot.FunctionalTests.Kit;

/// <summary>What an <see cref="Appliance"/> logs, as text. Safe for concurrent use.</summary>
internal sealed class LogLines : ILogEventSink
{
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly MessageTemplateTextFormatter _format = new("{Level}: {Message:lj}", CultureInfo.InvariantCulture);

    public LogLines() => Log = new LoggerConfiguration().MinimumLevel.Information().WriteTo.Sink(this).CreateLogger();

    public Logger Log { get; }

    /// <summary>Lines so far, each as "Level: message".</summary>
    public IReadOnlyList<string> All => [.. _lines];

    public void Emit(LogEvent logEvent)
    {
        var line = new StringWriter();
        _format.Format(logEvent, line);
        _lines.Enqueue(line.ToString());
    }
}
