using Entrepot.Server.Options;
using Entrepot.Server.Telemetry;
using Serilog.Events;

namespace Entrepot.Server.Cli;

/// <summary>How to serve, apart from the options.</summary>
/// <param name="Sources">Says where the options come from, at the time of asking.</param>
/// <param name="Format">How log lines look.</param>
/// <param name="Level">The least important line that is logged.</param>
internal sealed record ServeArguments(Func<OptionSources> Sources, LogFormat Format, LogEventLevel Level);

/// <summary>Runs the appliance until the process is asked to end.</summary>
internal static class ServeCommand
{
    /// <summary>Reads the options, starts, says so, and waits.</summary>
    /// <returns>0 if it ended because it was asked to; 1 if it could not start, with the reasons on the error output.</returns>
    public static async Task<int> RunAsync(ServeArguments arguments, Surroundings around)
    {
        // Before the options are read and until all has ended: a signal that nobody listens to would end the process.
        using var hangUps = new HangUps(arguments.Sources);
        hangUps.Register();
        var read = OptionsReader.Read(arguments.Sources());
        if (read.Problems.Count > 0)
        {
            foreach (var line in read.Problems.Select(problem => problem.ToString()).Concat(read.Warnings))
                await around.Error.WriteLineAsync($"entrepot: {line}");
            return ExitStatus.Failed;
        }

        var queue = new LogQueue();
        await using var log = Logging.Create(arguments.Format, arguments.Level, read.Options.LogLines, around.Out, queue);
        foreach (var warning in read.Warnings) log.Warning("{Warning:l}", warning);
        try
        {
            await ServeAsync(read.Options, arguments.Format, hangUps, new HostParts { Log = log, LogQueue = queue }, around);
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

    private static async Task ServeAsync(EntrepotOptions options, LogFormat format, HangUps hangUps, HostParts parts, Surroundings around)
    {
        var log = parts.Log;
        await using var host = await around.Start(options, parts, around.Stop);
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
        hangUps.Serve(host.Reload, log);
        using (around.Stop.Register(stopped.SetResult)) await stopped.Task;

        // Bounded within the host by shutdownTimeout; the second signal is the way out before that.
        await host.StopAsync(CancellationToken.None);
    }
}
