using System.CommandLine;
using System.CommandLine.Help;
using Entrepot.Server.Cli.Bundles;
using Entrepot.Server.Options;
using Entrepot.Server.Telemetry;
using Serilog.Events;

namespace Entrepot.Server.Cli;

/// <summary>The command line: <c>serve</c>, which is the default, and the commands beside it.</summary>
internal sealed class EntrepotCommand
{
    private readonly Surroundings _around;
    private readonly OptionFlags _options;
    private readonly ServerFlags _server;
    private readonly Option<LogFormat> _format = LogFlags.Format("How log lines look. Default: text on a terminal, JSON otherwise.");
    private readonly Option<LogEventLevel> _level = LogFlags.Level("The least important line that is logged. Default: information.");

    private EntrepotCommand(Surroundings around) => (_around, _options, _server) = (around, new OptionFlags(around), new ServerFlags(around));

    /// <summary>Does what the arguments say.</summary>
    /// <returns>The exit status: see <see cref="ExitStatus"/>.</returns>
    public static async Task<int> RunAsync(string[] arguments, Surroundings around)
    {
        // Neither bundles like -abc nor @files: an argument means what it says.
        var parsing = new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null };
        var parsed = new EntrepotCommand(around).Root().Parse(arguments, parsing);
        if (parsed.Errors.Count > 0)
        {
            await around.Error.WriteLineAsync($"entrepot: {UsageError.Of(parsed)}");
            await around.Error.WriteLineAsync($"entrepot: run '{UsageError.Help(parsed)}' to see what is allowed");
            return ExitStatus.Usage;
        }

        // Signals are ours, and what nobody expected ends the process with its trace.
        return await parsed.InvokeAsync(
            new() { Output = around.Out, Error = around.Error, ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false },
            CancellationToken.None);
    }

    private RootCommand Root()
    {
        var root = new RootCommand("A pull-through cache for container registries.");
        var serve = new Command("serve", "Serves the registry API until it is asked to end. This is the default.");
        foreach (var command in new[] { root, serve })
        {
            _options.AddTo(command);
            command.Options.Add(_format);
            command.Options.Add(_level);
            command.SetAction((parsed, _) => ServeCommand.RunAsync(ServeArguments(parsed), _around));
        }

        _server.AllowBehind(root);
        root.Subcommands.Add(serve);
        root.Subcommands.Add(StatusCommand.Create(_server));
        root.Subcommands.Add(ListCommand.Create(_server));
        foreach (var command in ImageCommands.Create(_server)) root.Subcommands.Add(command);
        root.Subcommands.Add(WarmCommand.Create(_server));
        root.Subcommands.Add(VerifyCommand.Create(_server));
        root.Subcommands.Add(BundleCommand.Create(_server));
        var check = ConfigCheckCommand.Create(_options, _around);
        root.Subcommands.Add(new Command("config", "Looks at the options.") { check });
        var options = Reference("options", "Prints the reference of all options as Markdown.", OptionsReference.Markdown);
        var metrics = Reference("metrics-reference", "Prints the reference of all metrics as Markdown.", MetricsReference.Markdown);
        root.Subcommands.Add(options);
        root.Subcommands.Add(metrics);
        _server.RefuseBefore(root, serve, check, options, metrics);

        var examples = Examples.All.Append(new(root.Name, Examples.Root)).ToDictionary();
        foreach (var option in root.Options)
        {
            if (option is HelpOption help) help.Action = new HelpWithExamples((HelpAction)help.Action!, examples);
            if (option is VersionOption version) version.Action = new PrintVersion();
        }

        return root;
    }

    private Command Reference(string name, string description, Func<string> page)
    {
        var reference = new Command(name, description) { Hidden = true };
        reference.SetAction(_ => _around.Out.Write(page()));
        return reference;
    }

    private ServeArguments ServeArguments(ParseResult parsed)
    {
        var format = _around.IsTerminal ? LogFormat.Text : LogFormat.Json;
        return new ServeArguments(
            () => _options.Sources(parsed),
            parsed.GetResult(_format) is null ? format : parsed.GetValue(_format),
            parsed.GetResult(_level) is null ? LogEventLevel.Information : parsed.GetValue(_level));
    }
}
