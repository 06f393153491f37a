using Entrepot.Server.Options;
using Entrepot.Upstream;

namespace Entrepot.Server;

/// <summary>What the host is given from outside: the clock, the patience, the log.</summary>
public sealed record HostParts
{
    /// <summary>The time.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>How long upstreams are waited for.</summary>
    public UpstreamTimes Times { get; init; } = new();

    /// <summary>Where log lines go.</summary>
    public Serilog.ILogger Log { get; init; } = Serilog.Core.Logger.None;
}

/// <summary>How full the store is.</summary>
/// <param name="Root">The directory, absolute.</param>
/// <param name="Blobs">Whole blobs in it.</param>
/// <param name="Bytes">Bytes of those blobs.</param>
/// <param name="FreeBytes">Bytes free on the file system.</param>
/// <param name="TotalBytes">Bytes of the file system.</param>
public sealed record StoreUsage(string Root, int Blobs, long Bytes, long FreeBytes, long TotalBytes);

/// <summary>The appliance could not start; the message is the one line for whoever started it.</summary>
public sealed class StartupException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The running appliance.</summary>
public sealed class EntrepotHost : IAsyncDisposable
{
    private EntrepotHost(EntrepotOptions options)
    {
        Registry = [.. options.Listen.Select(listen => new Uri($"http://{listen}"))];
        Admin = new Uri($"http://{options.Admin}");
        Store = new StoreUsage(Path.GetFullPath(options.StorageRoot), 0, 0, 0, 0);
    }

    /// <summary>Where the registry API answers.</summary>
    public IReadOnlyList<Uri> Registry { get; }

    /// <summary>Where health and metrics answer.</summary>
    public Uri Admin { get; }

    /// <summary>How full the store was at start.</summary>
    public StoreUsage Store { get; }

    /// <summary>Starts the appliance.</summary>
    public static Task<EntrepotHost> StartAsync(EntrepotOptions options, HostParts parts, CancellationToken cancel)
    {
        parts.Log.Debug("Started");
        cancel.ThrowIfCancellationRequested();
        return Task.FromResult(new EntrepotHost(options));
    }

    /// <summary>Ends it in order.</summary>
    public Task StopAsync(CancellationToken cancel) => Task.CompletedTask;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
