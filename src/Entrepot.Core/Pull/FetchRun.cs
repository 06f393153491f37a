using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>One run of a <see cref="Fetch"/>: one upstream request, whose bytes go to the fetch's target.</summary>
/// <remarks>
/// Used once, by one task. Bytes are read from the upstream into an <see cref="Intake"/> of bounded size and written, hashed and announced by its other
/// end, so that neither waits for the other for long. Faults of the upstream are values; the store's are thrown.
/// </remarks>
internal sealed class FetchRun(Fetch fetch, Run run, FetchTarget target, IUpstream upstream)
{
    /// <summary>Asks the upstream and keeps what it brings, up to the end of the run's claim.</summary>
    /// <param name="compares">Whether it begins at the start, and all that is there is compared with what it brings.</param>
    /// <param name="cancel">Ends it; what has arrived stays.</param>
    public async Task<RunEnd> RunAsync(bool compares, CancellationToken cancel)
    {
        var asked = run.From;
        long? to = run.End == long.MaxValue || run.End == fetch.Size ? null : run.End;
        var part = new BlobPart(asked, to, asked == 0 ? null : target.Validator, run.Demand) { Distrusted = target.Distrusted };
        await target.MakeRoomAsync(cancel);
        if (!(await upstream.OpenBlobAsync(fetch.Leader, part, cancel)).Has(out var source, out var error)) return new RunEnd(RunOutcome.Refused, error);

        await using var _ = source;
        target.CameFrom(source.Origin);
        if (source.Offset == 0 && !source.IsPart && part is not { From: 0, To: null }) fetch.HasNoRanges(run);
        switch (compares && source.Offset == 0 ? Continuation.Compare : FetchPlan.Continue(asked, fetch.Size, target.Validator, source))
        {
            case Continuation.AskFromStart:
                return new RunEnd(RunOutcome.FromStart, RegistryError.BadGateway("the blob changed at the upstream while it was fetched"));
            case Continuation.Compare when fetch.IsPassing && fetch.Arrived > 0:
                return new RunEnd(RunOutcome.Refused, RegistryError.BadGateway("the upstream does not go on where its connection broke"));
            case Continuation.Compare when !fetch.TryCompare():
                return new RunEnd(source.IsPart ? RunOutcome.FromStart : RunOutcome.Done, null);   // others go on, and all is compared when they have ended
            case Continuation.Compare:
                compares = true;
                await target.DoubtAsync(source, cancel);
                break;
            case Continuation.Append when source.IsPart && (source.Size ?? fetch.Size) is null:
                return new RunEnd(RunOutcome.FromStart, null);   // a part of nobody knows how much
        }

        if (fetch.IsConfirmed) return await TakeAsync(source, compares, cancel);

        await target.ConfirmAsync(source.Size, source, cancel);
        var hasTurned = fetch.IsPassing && run.From > 0;   // what passes begins at the start
        return hasTurned ? new RunEnd(RunOutcome.Done, null) : await TakeAsync(source, compares, cancel);
    }

    private async Task<RunEnd> TakeAsync(UpstreamBlob source, bool compares, CancellationToken cancel)
    {
        var (fault, isFull) = await PumpAsync(source, compares, cancel);
        if (compares && !target.HasDoubts) target.Trust();

        // A comparison that was cut short confirms nothing behind the cut, so it begins again.
        var broke = target.HasDoubts ? RunOutcome.FromStart : RunOutcome.Broke;
        if (fault is not null) return new RunEnd(broke, RegistryError.Down($"the connection to the upstream broke: {fault.Message}"));
        if (fetch.Size is null && !target.HasDoubts) await target.ConfirmAsync(fetch.Arrived, source, cancel);
        return isFull || fetch.IsComplete
            ? new RunEnd(RunOutcome.Done, null)
            : new RunEnd(broke, RegistryError.BadGateway("the blob ended before its announced size"));
    }

    // Returns the upstream's fault, if any, and whether the claim's end was reached. The store's faults are thrown.
    private async Task<(Exception? Fault, bool IsFull)> PumpAsync(UpstreamBlob source, bool compares, CancellationToken cancel)
    {
        using var intake = new Intake(run, most => fetch.Claim(run, most));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var reading = intake.ReadAsync(source.Content, stop.Token);
        try
        {
            // Ends with the last byte, not with the body: that may bring more, or never end. A stop ends the reading; what has come by then is kept.
            while (fetch.Claim(run, 1) > 0 && await intake.WaitAsync())
            {
                if (!intake.TryTake(out var piece)) continue;
                if (fetch.Claim(run, piece.Count) is > 0 and var count) await target.KeepAsync(run, piece.Bytes[..count], compares, intake.HasMore, cancel);
                intake.Return(piece);
            }
        }
        finally
        {
            await stop.CancelAsync();
            await reading;   // after which nobody uses the intake's buffers
        }

        cancel.ThrowIfCancellationRequested();
        var isFull = fetch.Claim(run, 1) == 0;
        return (isFull ? null : await reading, isFull);
    }
}

/// <summary>How a run ended.</summary>
/// <param name="Outcome">What is to be decided about.</param>
/// <param name="Error">What went wrong; <see langword="null"/> if nothing did.</param>
internal readonly record struct RunEnd(RunOutcome Outcome, RegistryError? Error);

/// <summary>How a run can end.</summary>
internal enum RunOutcome
{
    /// <summary>It brought what it was begun for, or what was left of that.</summary>
    Done,

    /// <summary>Its connection broke, or ended too early.</summary>
    Broke,

    /// <summary>The upstream gave nothing.</summary>
    Refused,

    /// <summary>What it brought may be of another blob: all has to be compared from the start.</summary>
    FromStart,
}
