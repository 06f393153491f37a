using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Formatting;
using Serilog.Formatting.Compact;
using Serilog.Formatting.Display;
using Serilog.Sinks.Async;

namespace Entrepot.Server.Telemetry;

/// <summary>How log lines are written.</summary>
internal enum LogFormat
{
    /// <summary>For people: time, level, sentence.</summary>
    Text,

    /// <summary>For machines: one compact JSON object a line.</summary>
    Json,
}

/// <summary>The lines of the log that wait to be written. Safe for concurrent use.</summary>
internal sealed class LogQueue : IAsyncLogEventSinkMonitor
{
    private volatile IAsyncLogEventSinkInspector? _lines;

    /// <summary>Lines that were dropped since the start, since too many others waited.</summary>
    public long Dropped => _lines?.DroppedMessagesCount ?? 0;

    /// <inheritdoc/>
    public void StartMonitoring(IAsyncLogEventSinkInspector inspector) => _lines = inspector;

    /// <inheritdoc/>
    /// <remarks>What was dropped stays counted.</remarks>
    public void StopMonitoring(IAsyncLogEventSinkInspector inspector)
    {
    }
}

/// <summary>Sets up the log.</summary>
internal static class Logging
{
    private const string Line = "{Timestamp:yyyy-MM-dd HH:mm:ss.fff} {Level:u3} {Message:lj}{NewLine}{Exception}";

    /// <summary>A log that writes to <paramref name="output"/>; the caller disposes the log and keeps the output.</summary>
    /// <param name="format">How lines look.</param>
    /// <param name="level">The least important line that is written.</param>
    /// <param name="mostWaiting">Most lines that wait to be written; further ones are dropped.</param>
    /// <param name="output">Where they are written.</param>
    /// <param name="queue">Learns how many lines are dropped.</param>
    /// <remarks>Safe for concurrent use. Each event is one write, so that it does not mix with what others write there.</remarks>
    public static Logger Create(LogFormat format, LogEventLevel level, int mostWaiting, TextWriter output, LogQueue? queue = null)
    {
        ITextFormatter formatter = format == LogFormat.Json
            ? new RenderedCompactJsonFormatter()
            : new MessageTemplateTextFormatter(Line, System.Globalization.CultureInfo.InvariantCulture);

        return new LoggerConfiguration()
            .MinimumLevel.Is(level)
            // Kestrel and the hosting say at Information what our own lines say better.
            .MinimumLevel.Override("Microsoft", level > LogEventLevel.Warning ? level : LogEventLevel.Warning)
            // It says nothing but that a request began and ended; while it may, it makes an activity and a scope for each: 0.8 µs of CPU.
            .MinimumLevel.Override("Microsoft.AspNetCore.Hosting.Diagnostics", LevelAlias.Off)
            // It shows what it could not read, which may be a line with a password or a token in it.
            .MinimumLevel.Override("Microsoft.AspNetCore.Server.Kestrel.BadRequests", LevelAlias.Off)
            // A host that cannot start is told in one line by whoever asked it to.
            .MinimumLevel.Override("Microsoft.Extensions.Hosting", LogEventLevel.Fatal)
            // A reader of the log that stops reading costs lines, never responses.
            .WriteTo.Async(sink => sink.Sink(new WriterSink(formatter, output)), bufferSize: mostWaiting, blockWhenFull: false, monitor: queue)
            .CreateLogger();
    }

    private sealed class WriterSink(ITextFormatter formatter, TextWriter output) : ILogEventSink
    {
        private readonly Lock _gate = new();

        public void Emit(LogEvent logEvent)
        {
            var line = new StringWriter();
            formatter.Format(logEvent, line);
            lock (_gate)
            {
                output.Write(line.ToString());
                output.Flush();
            }
        }
    }
}
