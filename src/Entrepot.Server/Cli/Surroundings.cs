using Entrepot.Server.Options;

namespace Entrepot.Server.Cli;

/// <summary>Starts the appliance: <see cref="EntrepotHost.StartAsync"/>, or what stands for it.</summary>
internal delegate Task<EntrepotHost> StartHost(EntrepotOptions options, HostParts parts, CancellationToken cancel);

/// <summary>What the command line takes from the process it runs in, and tests give it instead.</summary>
internal sealed record Surroundings
{
    /// <summary>Where answers, the start message and the log go.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Where errors go, each a line that begins <c>entrepot: </c>.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Standard input.</summary>
    public TextReader In { get; init; } = TextReader.Null;

    /// <summary>The environment variables.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Cancelled when the process is asked to end.</summary>
    public required CancellationToken Stop { get; init; }

    /// <summary>Whether a person reads <see cref="Out"/>.</summary>
    public bool IsTerminal { get; init; }

    /// <summary>The options' file that is read if it exists and no other is named.</summary>
    public string DefaultConfig { get; init; } = "/etc/entrepot/entrepot.yaml";

    /// <summary>The time.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>How long a server is waited for that has not begun to answer, or is silent in the middle of it.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How the appliance is started.</summary>
    public StartHost Start { get; init; } = EntrepotHost.StartAsync;
}
