using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Entrepot.Server.Options;
using Entrepot.Server.Telemetry;
using Serilog.Events;

namespace Entrepot.Server.Cli;

/// <summary>The command line: <c>serve</c>, which is the default, and what goes with it.</summary>
internal sealed class EntrepotCommand
{
    private const string Examples = """
        Examples:
          entrepot
              Serves on port 5000 and stores under ./data; nothing else is needed.
          entrepot serve --config /etc/entrepot/entrepot.yaml --storage.root /srv/entrepot
              Takes the options from a file, and one of them from the command line.

        Options can also be set in the environment: ENTREPOT_STORAGE__ROOT is --storage.root.

        """;

    private readonly Surroundings _around;
    private readonly Option<string> _config;
    private readonly Option<LogFormat> _format;
    private readonly Option<LogEventLevel> _level;
    private readonly Dictionary<OptionSpec, Option> _flags = [];

    private EntrepotCommand(Surroundings around)
    {
        _around = around;
        _config = new("--config")
        {
            HelpName = "path",
            Description = $"The options' YAML file. Default: {around.DefaultConfig} if it exists.",
        };
        _format = Choice<LogFormat>("--log-format", "How log lines look. Default: text on a terminal, JSON otherwise.",
            ("text", LogFormat.Text), ("json", LogFormat.Json));
        _level = Choice("--log-level", "The least important line that is logged. Default: information.",
            ("debug", LogEventLevel.Debug), ("information", LogEventLevel.Information),
            ("warning", LogEventLevel.Warning), ("error", LogEventLevel.Error));
        foreach (var spec in OptionTable.All.Where(spec => spec.Entry.Count == 0)) _flags.Add(spec, Flag(spec));
    }

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
            await around.Error.WriteLineAsync("entrepot: run 'entrepot --help' to see what is allowed");
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
        foreach (var option in root.Options)
        {
            if (option is HelpOption help) help.Action = new HelpWithExamples((HelpAction)help.Action!);
            if (option is VersionOption version) version.Action = new PrintVersion();
        }

        var serve = new Command("serve", "Serves the registry API until it is asked to end. This is the default.");
        foreach (var command in new[] { root, serve })
        {
            foreach (var option in _flags.Values.Prepend(_level).Prepend(_format).Prepend(_config)) command.Options.Add(option);
            command.SetAction((parsed, _) => ServeCommand.RunAsync(ServeArguments(parsed), _around));
        }

        root.Subcommands.Add(serve);
        root.Subcommands.Add(Reference("options", "Prints the reference of all options as Markdown.", OptionsReference.Markdown));
        root.Subcommands.Add(Reference("metrics-reference", "Prints the reference of all metrics as Markdown.", MetricsReference.Markdown));
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
        var config = parsed.GetValue(_config) ?? (File.Exists(_around.DefaultConfig) ? _around.DefaultConfig : null);
        var flags = _flags
            .Where(flag => parsed.GetResult(flag.Value) is { Implicit: false })
            .ToDictionary(flag => flag.Key.Path, flag => Values(parsed, flag.Value));
        var format = _around.IsTerminal ? LogFormat.Text : LogFormat.Json;
        return new ServeArguments(
            new OptionSources(config, _around.Environment, flags),
            parsed.GetResult(_format) is null ? format : parsed.GetValue(_format),
            parsed.GetResult(_level) is null ? LogEventLevel.Information : parsed.GetValue(_level));
    }

    private static IReadOnlyList<string> Values(ParseResult parsed, Option option) =>
        [.. parsed.GetResult(option)!.Tokens.Select(token => token.Value)];

    private static Option Flag(OptionSpec spec)
    {
        var description = $"{spec.Summary} Default: {spec.Default}.";
        return spec.IsList
            ? new Option<string[]>("--" + spec.Path) { HelpName = spec.Kind, Description = description, Arity = ArgumentArity.OneOrMore }
            : new Option<string>("--" + spec.Path) { HelpName = spec.Kind, Description = description };
    }

    private static Option<T> Choice<T>(string name, string description, params (string Name, T Value)[] choices)
    {
        var allowed = string.Join(", ", choices.Select(choice => choice.Name));
        var option = new Option<T>(name)
        {
            Description = description,
            HelpName = string.Join('|', choices.Select(choice => choice.Name)),
            CustomParser = result => choices.FirstOrDefault(choice => choice.Name == result.Tokens[0].Value).Value,
        };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && choices.All(choice => choice.Name != result.Tokens[0].Value))
                result.AddError($"{name} {Problem.Quote(result.Tokens[0].Value)} is not allowed; allowed: {allowed}");
        });
        return option;
    }

    private sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            help.Invoke(parseResult);
            parseResult.InvocationConfiguration.Output.Write(Examples);
            return ExitStatus.Fine;
        }
    }

    private sealed class PrintVersion : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine($"entrepot {Product.Version}");
            return ExitStatus.Fine;
        }
    }
}
