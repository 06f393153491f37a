using System.CommandLine;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary>The flags that set options, and <c>--config</c>: what <c>serve</c> and <c>config check</c> have in common.</summary>
internal sealed class OptionFlags
{
    private readonly Surroundings _around;
    private readonly Option<string> _config;
    private readonly Dictionary<OptionSpec, Option> _flags = [];

    public OptionFlags(Surroundings around)
    {
        _around = around;
        _config = new("--config")
        {
            HelpName = "path",
            Description = $"The options' YAML file. Default: {around.DefaultConfig} if it exists.",
        };
        foreach (var spec in OptionTable.All.Where(spec => spec.Entry.Count == 0)) _flags.Add(spec, Flag(spec));
    }

    /// <summary>Gives a command these flags.</summary>
    public void AddTo(Command command)
    {
        command.Options.Add(_config);
        foreach (var flag in _flags.Values) command.Options.Add(flag);
    }

    /// <summary>Where the options come from, as the command line says; the default file is looked for each time.</summary>
    public OptionSources Sources(ParseResult parsed)
    {
        var config = parsed.GetValue(_config) ?? (File.Exists(_around.DefaultConfig) ? _around.DefaultConfig : null);
        var flags = _flags
            .Where(flag => parsed.GetResult(flag.Value) is { Implicit: false })
            .ToDictionary(flag => flag.Key.Path, flag => Values(parsed, flag.Value));
        return new OptionSources(config, _around.Environment, flags);
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
}
