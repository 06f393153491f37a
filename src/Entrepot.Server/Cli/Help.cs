using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Entrepot.Server.Cli;

/// <summary>The usual help, and after it the examples of the command it is asked about.</summary>
/// <param name="help">The usual help.</param>
/// <param name="examples">What follows it, by the command's name; a command without has only the usual help.</param>
internal sealed class HelpWithExamples(HelpAction help, IReadOnlyDictionary<string, string> examples) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        help.Invoke(parseResult);
        if (examples.TryGetValue(parseResult.CommandResult.Command.Name, out var text))
            parseResult.InvocationConfiguration.Output.Write($"Examples:\n{text.TrimEnd('\n')}\n\n");
        return ExitStatus.Fine;
    }
}

/// <summary>Prints the program's name and version.</summary>
internal sealed class PrintVersion : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        parseResult.InvocationConfiguration.Output.WriteLine($"entrepot {Product.Version}");
        return ExitStatus.Fine;
    }
}
