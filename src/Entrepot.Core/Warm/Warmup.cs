using Entrepot.Pull;

namespace Entrepot.Warm;

/// <summary>The use case: images are in the store before anybody pulls them. Safe for concurrent use.</summary>
/// <remarks>
/// What is stored is not fetched again, so one that was interrupted goes on when it is run again. Tags and manifests are remembered as pulls do it, and count as
/// pulled. Fetches are shared with whoever pulls the same meanwhile.
/// </remarks>
public sealed class Warmup
{
    private readonly WarmParts _parts;

    internal Warmup(WarmParts parts) => _parts = parts;

    /// <summary>Begins.</summary>
    /// <param name="images">What is wanted, each image once: see <see cref="WarmImage.Merge"/>.</param>
    /// <param name="rules">How.</param>
    /// <param name="cancel">Ends it early: what runs for it alone ends, and rests for the next time; what others follow goes on.</param>
    public WarmRun Start(IReadOnlyList<WarmImage> images, WarmRules rules, CancellationToken cancel)
    {
        var run = new WarmRun(images.Count);
        run.Ended = Task.Run(() => RunAsync(run, images, rules, cancel), CancellationToken.None);
        return run;
    }

    private async Task RunAsync(WarmRun run, IReadOnlyList<WarmImage> images, WarmRules rules, CancellationToken cancel)
    {
        using var places = new SemaphoreSlim(rules.Parallel);
        await Parallel.ForEachAsync(images, new ParallelOptions { MaxDegreeOfParallelism = rules.Parallel, CancellationToken = cancel }, async (image, stop) =>
        {
            run.Begin(image.Reference);
            var warming = new ImageWarming(_parts, image, rules, run, places, stop);
            var ended = await warming.RunAsync();
            run.End(ended, warming.IsPlanned);
        });
    }
}

/// <summary>What a warming works with; all of it belongs to others.</summary>
internal sealed record WarmParts(
    IBlobStore Store, ICacheIndex Index, FetchTable Fetches, ManifestPull Manifests, ReferrerLists Referrers, Recency Recency, Pins Pins, Func<string, IUpstream?> Upstream,
    TimeProvider Clock);
