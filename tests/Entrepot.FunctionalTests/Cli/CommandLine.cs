using Entrepot.Server.Cli;

namespace Entrepot.FunctionalTests.Cli;

/// <summary>What a command has said and how it ended.</summary>
internal sealed record Ran(int Status, string Out, string Error)
{
    public string[] Lines => Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Asserts that it did what it was asked, without a complaint.</summary>
    public Ran IsFine()
    {
        Assert.True(Status == 0 && Error.Length == 0, ToString());
        return this;
    }

    /// <summary>Asserts that it failed with exactly these complaints, a line each.</summary>
    public Ran IsFailure(params string[] complaints)
    {
        Assert.Equal(string.Concat(complaints.Select(complaint => $"entrepot: {complaint}\n")), Error);
        Assert.Equal(1, Status);
        return this;
    }

    public override string ToString() => $"status {Status}\n{Out}\n{Error}";
}

/// <summary>The program's command line in this process, as a script would use it.</summary>
internal sealed class CommandLine : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _stop = new();

    /// <summary>The environment variables.</summary>
    public Dictionary<string, string> Environment { get; } = [];

    /// <summary>Standard input.</summary>
    public string Input { get; init; } = "";

    /// <summary>How long a server is waited for that has its answer at hand.</summary>
    public TimeSpan ServerPatience { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Whether a person reads the answer.</summary>
    public bool IsTerminal { get; init; }

    /// <summary>Called after each line of the answer, and each part that was written without one.</summary>
    public Action<string> Wrote { get; init; } = _ => { };

    /// <summary>The options' file that is looked for when none is named.</summary>
    public string DefaultConfig { get; init; } = "/nonexistent/entrepot.yaml";

    /// <summary>Runs a command that talks to a server, to its end.</summary>
    public static async Task<Ran> RunAsync(Uri server, params string[] arguments)
    {
        using var line = new CommandLine();
        return await line.RunAsync([.. arguments, "--server", server.GetLeftPart(UriPartial.Authority)]);
    }

    /// <summary>Runs a command to its end.</summary>
    public async Task<Ran> RunAsync(params string[] arguments)
    {
        await using var output = new Lines(Wrote);
        await using var error = new Lines(_ => { });
        var status = await EntrepotCommand.RunAsync(arguments, new Surroundings
        {
            Out = output,
            Error = error,
            In = new StringReader(Input),
            Environment = Environment,
            Stop = _stop.Token,
            IsTerminal = IsTerminal,
            DefaultConfig = DefaultConfig,
            Patience = ServerPatience,
            Start = (_, _, _) => throw new InvalidOperationException("must not be started"),
        }).WaitAsync(Patience);
        return new Ran(status, output.ToString(), error.ToString());
    }

    /// <summary>What Ctrl-C does.</summary>
    public void Interrupt() => _stop.Cancel();

    public void Dispose() => _stop.Dispose();

    private sealed class Lines(Action<string> wrote) : StringWriter
    {
        public override async Task WriteAsync(string? value)
        {
            await base.WriteAsync(value);
            wrote(value ?? "");
        }

        public override async Task WriteLineAsync(string? value)
        {
            await base.WriteLineAsync(value);
            wrote(value ?? "");
        }
    }
}
