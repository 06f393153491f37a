using System.CommandLine;
using System.CommandLine.Parsing;
using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary>What a command that talks to a server is given.</summary>
/// <param name="Server">The server.</param>
/// <param name="Output">How its answer is to look.</param>
/// <param name="Around">The process.</param>
internal sealed record Session(AdminClient Server, OutputFormat Output, Surroundings Around)
{
    /// <summary>Cancelled when the process is asked to end.</summary>
    public CancellationToken Stop => Around.Stop;

    /// <summary>Whether programs read the answer.</summary>
    public bool IsJson => Output == OutputFormat.Json;

    /// <summary>Says what is wrong.</summary>
    public Task ComplainAsync(string what) => Around.Error.WriteLineAsync($"entrepot: {what}");
}

/// <summary>The flags of every command that talks to a server: which one, and how its answer is to look.</summary>
internal sealed class ServerFlags
{
    /// <summary>The port of the admin API unless the option <c>admin</c> says otherwise.</summary>
    public const int DefaultPort = 5001;

    /// <summary>Where the server is unless anybody says otherwise.</summary>
    public const string Default = "http://127.0.0.1:5001";

    /// <summary>The environment variable that says where the server is.</summary>
    public const string Variable = EnvironmentReader.ServerVariable;

    /// <summary>The flag that says where the server is.</summary>
    public const string Flag = "--server";

    /// <summary>Why a command that asks no server refuses <see cref="Flag"/>.</summary>
    public const string AsksNone = Flag + " is for the commands that ask a running server, such as 'entrepot status'";

    private const string Allowed = "http:// or https://, a host and an optional port, e.g. " + Default;

    private readonly Surroundings _around;
    private readonly Option<string> _server;
    private readonly Option<OutputFormat> _output = Choice.Output();

    public ServerFlags(Surroundings around)
    {
        _around = around;
        _server = new(Flag)
        {
            HelpName = "url",
            Description = $"Of commands that ask a running server, before or after their names: its admin address; a host alone has port {DefaultPort}. "
                + $"Default: {Variable} in the environment, otherwise {Default}.",
        };
    }

    /// <summary>Lets the flag stand between a command of commands and the one that is meant.</summary>
    public void AllowBehind(Command command) => command.Options.Add(_server);

    /// <summary>Has commands refuse the flag where it stands before their names.</summary>
    public void RefuseBefore(params IEnumerable<Command> commands)
    {
        foreach (var command in commands)
        {
            command.Validators.Add(result =>
            {
                if (result.GetResult(_server) is not null) result.AddError(AsksNone);
            });
        }
    }

    /// <summary>Makes a command of it.</summary>
    /// <param name="command">Its name, what it is for, and its arguments.</param>
    /// <param name="run">What it does; returns the exit status.</param>
    public Command Command(Command command, Func<ParseResult, Session, Task<int>> run)
    {
        command.Options.Add(_server);
        command.Options.Add(_output);
        command.Validators.Add(Validate);
        command.SetAction((parsed, _) => RunAsync(parsed, run));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, Func<ParseResult, Session, Task<int>> run)
    {
        var (_, text) = Where(parsed.GetResult(_server));
        _ = TryParse(text, out var server);
        using var client = new AdminClient(server, _around.Patience);
        var session = new Session(client, parsed.GetValue(_output), _around);
        try
        {
            return await run(parsed, session);
        }
        catch (AdminException refused)
        {
            await session.ComplainAsync(refused.Message);
            return ExitStatus.Failed;
        }
        catch (OperationCanceledException) when (_around.Stop.IsCancellationRequested)
        {
            await session.ComplainAsync("interrupted; what is printed was done, the rest may not have been");
            return ExitStatus.Failed;
        }
    }

    private void Validate(CommandResult result)
    {
        var (origin, text) = Where(result.GetResult(_server));
        if (!TryParse(text, out _)) result.AddError($"{origin} {Problem.Quote(text)} is not allowed; allowed: {Allowed}");
        if (UsageError.FlagAmongArguments(result) is { } flag) result.AddError(flag);   // told as what it was meant as
    }

    // An empty variable counts as not set, as for options.
    private (string Origin, string Text) Where(OptionResult? flag)
    {
        if (flag is { Tokens: [var token, ..] }) return (_server.Name, token.Value);
        return _around.Environment.TryGetValue(Variable, out var text) && text.Length > 0 ? (Variable, text) : ("default", Default);
    }

    // Who leaves http:// out means it, and who leaves the port out as well means that of the admin API.
    private static bool TryParse(string text, out Uri server)
    {
        if (text.Contains("://", StringComparison.Ordinal)) return Parsers.TryParseUrl(text, out server);
        if (!Parsers.TryParseUrl($"http://{text}", out server)) return false;
        var afterAddress = text[(text.LastIndexOf(']') + 1)..];   // the colons of an IPv6 address are in brackets
        if (!afterAddress.Contains(':', StringComparison.Ordinal)) server = new UriBuilder(server) { Port = DefaultPort }.Uri;
        return true;
    }
}
