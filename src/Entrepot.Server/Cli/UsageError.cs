using System.CommandLine;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary>Says in one line why a command line cannot be understood. Pure.</summary>
internal static class UsageError
{
    /// <summary>The first thing that is wrong; what follows it is mostly its consequence.</summary>
    public static string Of(ParseResult parsed)
    {
        if (parsed.UnmatchedTokens is not [var unknown, ..]) return parsed.Errors[0].Message.ReplaceLineEndings(" ");
        if (!unknown.StartsWith('-')) return $"unknown command {Problem.Quote(unknown)}";

        // Only the name: what follows the equals sign may be a secret.
        var flag = unknown.Split('=')[0];
        var known = parsed.CommandResult.Command.Options.Select(option => option.Name);
        return $"unknown flag {Problem.Quote(flag)}{NearMiss.Hint(flag, known)}";
    }
}
