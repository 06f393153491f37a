using System.CommandLine;
using System.Text.Json;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary><c>config check</c>: what the options are, where each comes from, and what is wrong with them. It starts and contacts nothing.</summary>
internal static class ConfigCheckCommand
{
    private const string Ignored = "Ignored: it is allowed so that the flags of 'serve' can be checked as they stand.";

    /// <summary>The command.</summary>
    public static Command Create(OptionFlags options, Surroundings around)
    {
        var output = Choice.Output();
        var command = new Command("check", "Shows every option with where its value comes from, or all that is wrong with them.");
        options.AddTo(command);
        command.Options.Add(LogFlags.Format(Ignored));
        command.Options.Add(LogFlags.Level(Ignored));
        command.Options.Add(output);
        command.SetAction((parsed, _) => RunAsync(options.Sources(parsed), parsed.GetValue(output), around));
        return command;
    }

    private static async Task<int> RunAsync(OptionSources sources, OutputFormat output, Surroundings around)
    {
        var read = OptionsReader.Read(sources);
        // With problems nothing is in force: the server would not start.
        var options = read.Problems.Count == 0 ? EffectiveOptions.Of(read) : [];
        if (output == OutputFormat.Json)
        {
            var report = new ConfigReport(sources.File, options, read.Problems, read.Warnings);
            await around.Out.WriteLineAsync(JsonSerializer.Serialize(report, ConfigJson.Default.ConfigReport));
        }
        else
        {
            foreach (var line in read.Problems.Select(problem => problem.ToString()).Concat(read.Warnings))
                await around.Error.WriteLineAsync($"entrepot: {line}");
            var file = sources.File ?? $"no file ({around.DefaultConfig} is not there)";
            if (read.Problems.Count == 0) await around.Out.WriteAsync(Text(options, file));
        }

        return read.Problems.Count == 0 ? ExitStatus.Fine : ExitStatus.Failed;
    }

    private static string Text(IReadOnlyList<EffectiveOption> options, string file)
    {
        var rows = options.Select(option =>
            (string[])[option.Path, option.Values.Count == 0 ? "-" : string.Join(", ", option.Values), option.Origin]);
        var set = options.Count(option => option.Origin != EffectiveOption.Default);
        return Columns.Text([["OPTION", "VALUE", "FROM"], .. rows])
            + $"no problems; {file}; {Words.Count(set, "option")} set, the rest are defaults\n";
    }
}
