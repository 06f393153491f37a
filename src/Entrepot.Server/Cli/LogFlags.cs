using System.CommandLine;
using Entrepot.Server.Telemetry;
using Serilog.Events;

namespace Entrepot.Server.Cli;

/// <summary>The flags of <c>serve</c> that are no options: what is logged, and how.</summary>
internal static class LogFlags
{
    /// <summary><c>--log-format</c>.</summary>
    /// <param name="description">What help says of it.</param>
    public static Option<LogFormat> Format(string description) => Choice.Of(
        "--log-format", description, ("text", LogFormat.Text), ("json", LogFormat.Json));

    /// <summary><c>--log-level</c>.</summary>
    /// <param name="description">What help says of it.</param>
    public static Option<LogEventLevel> Level(string description) => Choice.Of(
        "--log-level", description,
        ("debug", LogEventLevel.Debug), ("information", LogEventLevel.Information),
        ("warning", LogEventLevel.Warning), ("error", LogEventLevel.Error));
}
