using Entrepot.Server.Options;
using Entrepot.Server.Telemetry;
using Entrepot.Server.ZeroCopy;
using Entrepot.Storage;
using Entrepot.Upstream;

namespace Entrepot.FunctionalTests.Kit;

/// <summary>How an <see cref="Appliance"/> differs from the usual.</summary>
internal sealed record Setup
{
    /// <summary>Waits that no honest test reaches, with short pauses between tries.</summary>
    public static TestTimes Patient { get; } = new()
    {
        Headers = TimeSpan.FromSeconds(10),
        Total = TimeSpan.FromSeconds(15),
        Pause = TimeSpan.FromMilliseconds(5),
        Break = TimeSpan.FromMilliseconds(500),
        Stall = TimeSpan.FromSeconds(10),
    };

    /// <summary>For upstreams that hang.</summary>
    public static TestTimes Impatient { get; } = Patient with
    {
        Headers = TimeSpan.FromMilliseconds(300),
        Total = TimeSpan.FromSeconds(2),
        Stall = TimeSpan.FromMilliseconds(300),
    };

    public TimeSpan TagTtl { get; init; } = TimeSpan.FromMinutes(1);

    public TestTimes Times { get; init; } = Patient;

    public TimeProvider Clock { get; init; } = TimeProvider.System;

    public Serilog.ILogger Log { get; init; } = Serilog.Core.Logger.None;

    /// <summary>What waits of <see cref="Log"/>.</summary>
    public LogQueue LogQueue { get; init; } = new();

    /// <summary>What output to clients is made of.</summary>
    public SocketCalls Calls { get; init; } = new();

    /// <summary>What files of the store are opened, read and written by.</summary>
    public FileCalls Files { get; init; } = new();

    /// <summary>Changes the first upstream.</summary>
    public Func<UpstreamOptions, UpstreamOptions> Upstream { get; init; } = options => options;

    /// <summary>Upstreams besides <c>docker.io</c>.</summary>
    public IReadOnlyList<UpstreamOptions> More { get; init; } = [];

    /// <summary>Changes anything else.</summary>
    public Func<EntrepotOptions, EntrepotOptions> Options { get; init; } = options => options;
}
