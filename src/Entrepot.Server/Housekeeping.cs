using Entrepot.Pull;
using Entrepot.Server.Admin;
using Entrepot.Storage;

namespace Entrepot.Server;

/// <summary>What goes on beside all requests: measuring, comparing, making room, probing, scrubbing. Runs once; what fails is tried again, for as long as it takes.</summary>
internal sealed class Housekeeping
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(10);

    /// <summary>What is pinned.</summary>
    public required Images Images { get; init; }

    /// <summary>The room under the root.</summary>
    public required DiskSpace Space { get; init; }

    /// <summary>The blobs.</summary>
    public required DiskBlobStore Store { get; init; }

    /// <summary>What compares the index with the directory.</summary>
    public required Reconciler Reconciler { get; init; }

    /// <summary>What knows whether the store fails.</summary>
    public required StoreHealth Health { get; init; }

    /// <summary>What hashes the store again.</summary>
    public required RegularScrub Scrub { get; init; }

    /// <summary>What is imported.</summary>
    public required BundleImports Imports { get; init; }

    /// <summary>How long what rests of a blob is kept.</summary>
    public required TimeSpan PartialTtl { get; init; }

    /// <summary>The time.</summary>
    public required TimeProvider Clock { get; init; }

    /// <summary>Where what cannot be done is told.</summary>
    public required ILogger Log { get; init; }

    /// <summary>Keeps house.</summary>
    /// <param name="cancel">Ends it; it completes when nothing of it is at the disk any more.</param>
    public async Task RunAsync(CancellationToken cancel)
    {
        var all = Task.WhenAll(Health.RunAsync(cancel), KeepRoomAsync(cancel));
        try
        {
            await all;
        }
        catch (OperationCanceledException)
        {
        }
    }

    // Finds out what is there, then how much the rest takes, again and again: it grows slowly and is of no blob.
    private async Task KeepRoomAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(Every, Clock);
        for (var isTold = false; !await TryMeasureAsync(isTold, cancel); isTold = true) await timer.WaitForNextTickAsync(cancel);

        var beside = Task.WhenAll(ReconcileAsync(cancel), Scrub.RunAsync(cancel));
        try
        {
            while (await timer.WaitForNextTickAsync(cancel)) await KeepRoomOnceAsync(cancel);
        }
        finally
        {
            await beside;
        }
    }

    private async Task<bool> TryMeasureAsync(bool isTold, CancellationToken cancel)
    {
        try
        {
            // First what must not leave: nothing does before all is measured.
            await Images.LoadPinsAsync(cancel);
            await Space.MeasureAsync(cancel);
            return true;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Health.Report(fault);
            if (!isTold) Telemetry.Log.StoreUnmeasured(Log, fault);
            return false;
        }
    }

    private async Task KeepRoomOnceAsync(CancellationToken cancel)
    {
        try
        {
            await Imports.DropAbandonedAsync(cancel);
            Store.RemoveExpired(Clock.GetUtcNow() - PartialTtl);
            Space.MeasureOverhead();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            if (Health.Now is null) Telemetry.Log.OverheadUnmeasured(Log, fault);   // once, and not every time while it lasts
            Health.Report(fault);
        }
    }

    // Beside everything else: nothing waits for it.
    private async Task ReconcileAsync(CancellationToken cancel)
    {
        for (var isTold = false; ; isTold = true)
        {
            try
            {
                await Images.Sets.FinishAsync(cancel);
                await Reconciler.RunAsync(cancel);
                return;
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                Health.Report(fault);
                if (!isTold) Telemetry.Log.Unreconciled(Log, fault);
            }

            await Task.Delay(Every, Clock, cancel);
        }
    }
}
