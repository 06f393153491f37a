using System.CommandLine;
using Entrepot.Server.Admin;

namespace Entrepot.Server.Cli;

/// <summary><c>status</c>: how the server is.</summary>
internal static class StatusCommand
{
    /// <summary>The command.</summary>
    public static Command Create(ServerFlags server) => server.Command(
        new Command("status", "Tells how a running server is: what is wrong, how full it is, how often it spares an upstream."),
        (_, session) => RunAsync(session));

    private static async Task<int> RunAsync(Session session)
    {
        var (text, report) = await session.Server.GetAsync("/api/v1/status", AdminJson.Default.StatusReport, session.Stop);
        await session.Around.Out.WriteAsync(session.IsJson ? text + '\n' : StatusText.Of(report));
        return ExitStatus.Fine;
    }
}
