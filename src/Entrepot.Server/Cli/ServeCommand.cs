using System.Runtime.InteropServices;
using Entrepot.Server.Options;
using Entrepot.Server.Telemetry;
using Serilog.Core;
using Serilog.Events;

namespace Entrepot.Server.Cli;

/// <summary>How to serve, apart from the options.</summary>
/// <param name="Sources">Where the options come from.</param>
/// <param name="Format">How log lines look.</param>
/// <param name="Level">The least important line that is logged.</param>
internal sealed record ServeArguments(OptionSources Sources, LogFormat Format, LogEventLevel Level);

/// <summary>Runs the appliance until the process is asked to end.</summary>
internal static class ServeCommand
{
    /// <summary>Reads the options, starts, says so, and waits.</summary>
    /// <returns>0 if it ended because it was asked to; 1 if it could not start, with the reasons on the error output.</returns>
    public static async Task<int> RunAsync(ServeArguments arguments, Surroundings around)
    {
        var read = OptionsReader.Read(arguments.Sources);
        if (read.Problems.Count > 0)
        {
            foreach (var line in read.Problems.Select(problem => problem.ToString()).Concat(read.Warnings))
                await around.Error.WriteLineAsync($"entrepot: {line}");
            return ExitStatus.Failed;
        }

        await using var log = Logging.Create(arguments.Format, arguments.Level, around.Out);
        foreach (var warning in read.Warnings) log.Warning("{Warning:l}", warning);
        try
        {
            await ServeAsync(read.Options, arguments, log, around);
            return ExitStatus.Fine;
        }
        catch (StartupException e)
        {
            await around.Error.WriteLineAsync($"entrepot: {e.Message}");
            return ExitStatus.Failed;
        }
        catch (OperationCanceledException) when (around.Stop.IsCancellationRequested)
        {
            return ExitStatus.Fine;
        }
    }

    // Options that cannot be used change nothing, and say why.
    private static void Reload(PosixSignalContext signal, EntrepotHost host, OptionSources sources, Logger log)
    {
        signal.Cancel = true;
        var read = OptionsReader.Read(sources);
        foreach (var problem in read.Problems) log.Error("Options are not read again: {Problem:l}", problem.ToString());
        if (read.Problems.Count > 0) return;
        try
        {
            host.Reload(read.Options);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)   // nothing may escape from a signal
        {
            log.Error(fault, "Options are not read again: the store cannot be measured");
        }
    }

    private static async Task ServeAsync(EntrepotOptions options, ServeArguments arguments, Logger log, Surroundings around)
    {
        var (sources, format, _) = arguments;
        await using var host = await around.Start(options, new HostParts { Log = log }, around.Stop);
        var upstreams = options.Upstreams.Select(upstream => upstream.Name).ToArray();
        if (format == LogFormat.Json)
        {
            log.Information(
                "Entrepot {Version} listens on {Registry}, admin on {Admin}; stored under {Root}: {Usage}; upstreams {Upstreams}",
                Product.Version, host.Registry, host.Admin, host.Store.Root, Banner.Usage(host.Store), upstreams);
            if (host.Metrics is { } metrics) log.Information("Metrics alone are on {Metrics}", metrics);
        }
        else
        {
            await around.Out.WriteAsync(Banner.Text(Product.Version, host.Registry, host.Admin, host.Store, upstreams, host.Metrics));
            await around.Out.FlushAsync(CancellationToken.None);
        }

        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using (PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal => Reload(signal, host, sources, log)))
        using (around.Stop.Register(stopped.SetResult)) await stopped.Task;

        // Bounded within the host by shutdownTimeout; the second signal is the way out before that.
        await host.StopAsync(CancellationToken.None);
    }
}
