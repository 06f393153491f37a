using System.Collections;
using Entrepot.Server.Cli;

using var signals = new StopSignals(endNow: () => Environment.Exit(ExitStatus.Failed));
signals.Register();

var environment = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
    .ToDictionary(pair => (string)pair.Key, pair => (string)pair.Value!);
return await EntrepotCommand.RunAsync(args, new Surroundings
{
    Out = Console.Out,
    Error = Console.Error,
    Environment = environment,
    Stop = signals.Asked,
    IsTerminal = !Console.IsOutputRedirected,
});
