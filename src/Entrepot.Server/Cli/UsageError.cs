using System.CommandLine;
using System.CommandLine.Parsing;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary>Says in one line why a command line cannot be understood. Pure.</summary>
internal static class UsageError
{
    /// <summary>The first thing that is wrong; what follows it is mostly its consequence.</summary>
    public static string Of(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        var commands = command.Subcommands.Where(one => !one.Hidden).Select(one => one.Name).ToList();
        if (FlagAmongArguments(parsed.CommandResult) is { } taken) return UnknownFlag(command, taken);
        if (parsed.UnmatchedTokens is not [var unknown, ..])
        {
            if (command.Action is null) return $"'{command.Name}' needs a command: {string.Join(", ", commands)}";
            if (command.Arguments is [{ Arity.MinimumNumberOfValues: > 0 } argument] && parsed.GetResult(argument) is null or { Tokens.Count: 0 })
                return $"'{command.Name}' needs at least one {argument.Name}, e.g. {(argument.Name == "file" ? "site.tar" : "alpine:3.20 or 'ghcr.io/org/*'")}";
            return parsed.Errors[0].Message.ReplaceLineEndings(" ");
        }

        if (!unknown.StartsWith('-'))
        {
            var what = commands.Count > 0 ? "unknown command" : "unexpected argument";
            return $"{what} {Problem.Quote(unknown)}{NearMiss.Hint(unknown, commands)}";
        }

        return UnknownFlag(command, unknown);
    }

    /// <summary>An argument that must have been meant as a flag: no reference begins like one. The parser takes whatever it does not know for an argument.</summary>
    public static string? FlagAmongArguments(CommandResult command) =>
        command.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens).Select(token => token.Value).FirstOrDefault(value => value.StartsWith('-'));

    // Only the name: what follows the equals sign may be a secret.
    private static string UnknownFlag(Command command, string text)
    {
        var flag = text.Split('=')[0];
        if (flag == ServerFlags.Flag && command.Options.All(option => option.Name != flag)) return ServerFlags.AsksNone;
        return $"unknown flag {Problem.Quote(flag)}{NearMiss.Hint(flag, command.Options.Select(option => option.Name))}";
    }

    /// <summary>The command line that explains the command that was meant.</summary>
    public static string Help(ParseResult parsed)
    {
        var names = new Stack<string>(["--help"]);
        for (var result = parsed.CommandResult; result?.Parent is not null; result = result.Parent as CommandResult)
            names.Push(result.Command.Name);
        return $"entrepot {string.Join(' ', names)}";
    }
}
