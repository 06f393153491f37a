using System.CommandLine;
using Entrepot.Server.Admin;

namespace Entrepot.Server.Cli;

/// <summary><c>verify</c>: everything that is stored is hashed again.</summary>
internal static class VerifyCommand
{
    /// <summary>The command.</summary>
    public static Command Create(ServerFlags server) => server.Command(
        new Command("verify", "Hashes everything that is stored again and removes what is wrong; the next pull fetches it anew."),
        (_, session) => RunAsync(session));

    private static async Task<int> RunAsync(Session session)
    {
        var display = new VerifyDisplay(session.Around);
        VerifyProgress? last = null;
        try
        {
            var answer = session.Server.StreamAsync(HttpMethod.Post, "/api/v1/verify", AdminJson.Default.VerifyProgress, session.Stop);
            await foreach (var (text, progress) in answer)
            {
                last = progress;
                if (session.IsJson) await session.Around.Out.WriteLineAsync(text);
                else await display.ShowAsync(progress);
            }
        }
        catch (Exception end) when (end is AdminException or OperationCanceledException)
        {
            await display.ClearAsync();
            if (end is AdminException || !session.Stop.IsCancellationRequested) throw;
            var done = last is null ? "" : "; what was wrong up to there has been removed";
            await session.ComplainAsync($"interrupted {VerifyDisplay.HowFar(last)}{done}");
            return ExitStatus.Failed;
        }

        if (last is not { Done: true })
        {
            await display.ClearAsync();
            throw new AdminException($"the server ended it {VerifyDisplay.HowFar(last)}; see its log, and run it again");
        }

        return last is { Wrong.Count: 0, Unreadable: 0 } ? ExitStatus.Fine : ExitStatus.Failed;
    }
}
