using Entrepot.Server.Telemetry;
using Entrepot.Server.ZeroCopy;
using Entrepot.Storage;
using Entrepot.Upstream;

namespace Entrepot.Server;

/// <summary>What the host is given from outside: the clock, the pauses, the log.</summary>
public sealed record HostParts
{
    /// <summary>The time.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>How long upstreams are left alone between two tries.</summary>
    public UpstreamTimes Times { get; init; } = new();

    /// <summary>Where log lines go.</summary>
    public Serilog.ILogger Log { get; init; } = Serilog.Core.Logger.None;

    /// <summary>The lines of the log that wait to be written.</summary>
    internal LogQueue LogQueue { get; init; } = new();

    /// <summary>What files of the store are opened, read and written by.</summary>
    public FileCalls Files { get; init; } = new();

    /// <summary>What output to clients is made of.</summary>
    internal SocketCalls Calls { get; init; } = new();
}
