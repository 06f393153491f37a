using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Server.Options;
using Entrepot.Server.Sources;
using Entrepot.Warm;
using Log = Entrepot.Server.Telemetry.Log;

namespace Entrepot.Server.Admin;

/// <summary>Warms what files name, again and again, as the options say.</summary>
/// <remarks>
/// Safe for concurrent use. Each schedule runs by itself, one warming of it at a time. Its file is read anew each time: what is wrong with it, and images that fail, are
/// lines of the log and sentences of the status until the next time. <see cref="Replace"/> lets schedules that stay as they are go on. Disposal ends what runs; its
/// owner disposes it before anything that a warming uses.
/// </remarks>
/// <param name="warmup">The use case.</param>
/// <param name="routes">The configured upstreams, as they are now.</param>
/// <param name="measured">Ends when it is known what is stored; with <see langword="false"/> if that could not be found out, and then nothing is warmed before it is asked again.</param>
/// <param name="clock">The time.</param>
/// <param name="log">Where it is told what came of it.</param>
internal sealed class WarmSchedules(Warmup warmup, Func<UpstreamRoutes> routes, Func<Task<bool>> measured, TimeProvider clock, ILogger log) : IAsyncDisposable
{
    /// <summary>How long after the start, or after it was configured, a schedule runs first: clients that wait for the restart go before.</summary>
    public static readonly TimeSpan FirstAfter = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<WarmSchedule, (Task Run, CancellationTokenSource Stop)> _running = [];   // guarded by _gate
    private readonly List<Task> _ending = [];                                                             // guarded by _gate
    private readonly ConcurrentDictionary<WarmSchedule, string> _problems = new();
    private bool _isEnding;                                                                               // guarded by _gate

    /// <summary>What went wrong when each was last done, a sentence each.</summary>
    public IReadOnlyList<string> Problems => [.. _problems.Values.Order(StringComparer.Ordinal)];

    /// <summary>From now on these are done, and no others. Does nothing once the end has begun.</summary>
    /// <returns>Ends when those that are gone have ended; nobody has to wait for it.</returns>
    public Task Replace(IReadOnlyList<WarmSchedule> schedules)
    {
        lock (_gate)
        {
            if (_isEnding) return Task.CompletedTask;
            foreach (var gone in _running.Keys.Except(schedules).ToList()) EndLocked(gone);
            _ending.RemoveAll(run => run.IsCompleted);
            foreach (var schedule in schedules.Except(_running.Keys).ToList())
            {
                var stop = new CancellationTokenSource();
                _running.Add(schedule, (Task.Run(() => RunAsync(schedule, stop.Token), CancellationToken.None), stop));
            }

            return Task.WhenAll(_ending);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Task[] ending;
        lock (_gate)
        {
            _isEnding = true;
            foreach (var schedule in _running.Keys.ToList()) EndLocked(schedule);
            ending = [.. _ending];
        }

        await Task.WhenAll(ending);
    }

    private void EndLocked(WarmSchedule schedule)
    {
        _running.Remove(schedule, out var one);
        _ending.Add(EndAsync(schedule, one.Run, one.Stop));
    }

    private async Task EndAsync(WarmSchedule schedule, Task run, CancellationTokenSource stop)
    {
        await stop.CancelAsync();
        await run;
        stop.Dispose();
        _problems.TryRemove(schedule, out _);
    }

    private async Task RunAsync(WarmSchedule schedule, CancellationToken stop)
    {
        try
        {
            do await Task.Delay(FirstAfter, clock, stop);
            while (!await measured().WaitAsync(stop));
            using var timer = new PeriodicTimer(schedule.Every, clock);
            do await WarmAsync(schedule, stop);
            while (await timer.WaitForNextTickAsync(stop));
        }
        catch (OperationCanceledException)
        {
            // It is not wanted any more.
        }
    }

    private async Task WarmAsync(WarmSchedule schedule, CancellationToken stop)
    {
        var found = await SourceReader.ReadAsync(schedule.From, null, TextReader.Null, new Dictionary<string, string>(), stop);
        var problems = found.Problems.ToList();
        var images = new List<WarmImage>();
        foreach (var image in found.Images)
        {
            if (ReferencePattern.Parse(image.Reference, routes(), [], out var pattern) is { } objection) problems.Add($"{image.Reference}: {objection.Message}");
            else if (pattern.Exact is { } exact) images.Add(new WarmImage(exact, PlatformsOf(schedule, image)));
            else problems.Add($"{image.Reference}: a pattern means what is stored already; an image is needed");
        }

        var run = warmup.Start(WarmImage.Merge(images), new WarmRules { Pin = schedule.Pin }, stop);
        await run.Ended;

        var ended = run.Done(0);
        problems.AddRange(ended.Where(image => image.Status is WarmStatus.Failed).Select(image => $"{image.Reference}: {image.Error}"));
        if (problems.Count == 0) _problems.TryRemove(schedule, out _);
        else _problems[schedule] = $"Warming from {schedule.From} went wrong at {clock.GetUtcNow():yyyy-MM-dd HH:mm:ss}Z: {problems[0]}{(problems.Count > 1 ? $"; and {problems.Count - 1} more, see the log" : "")}";
        foreach (var problem in problems) Log.NotWarmed(log, schedule.From, problem);
        Log.Warmed(log, schedule.From, ended.Count, ended.Count(image => image.Status is WarmStatus.Fetched), problems.Count, ended.Sum(image => image.Bytes));
    }

    private static List<Platform> PlatformsOf(WarmSchedule schedule, FoundImage image)
    {
        var platforms = new List<Platform>();
        foreach (var text in schedule.Platforms.Length > 0 ? schedule.Platforms.Split(',') : image.Platforms)
            if (Platform.TryParse(text, out var platform)) platforms.Add(platform);
        return platforms;
    }
}
