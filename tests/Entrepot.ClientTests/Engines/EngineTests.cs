using System.Net;
using Entrepot.ClientTests.Kit;
using Gate = Entrepot.FunctionalTests.Registry.Gate;
using Misbehave = Entrepot.FunctionalTests.Registry.Misbehave;
using ReceivedRequest = Entrepot.FunctionalTests.Registry.ReceivedRequest;
using TestRegistry = Entrepot.FunctionalTests.Registry.TestRegistry;

namespace Entrepot.ClientTests.Engines;

/// <summary>Every engine in every situation. What each does goes into the table in <c>docs/clients.md</c>.</summary>
public sealed class EngineTests
{
    // Of what is waited for by itself, a tenth.
    private static readonly Dictionary<string, string> ShortWaits = new()
    {
        ["ENTREPOT_UPSTREAMS__0__HEADERTIMEOUT"] = "1s",
        ["ENTREPOT_UPSTREAMS__0__REQUESTTIMEOUT"] = "2s",
    };

    [ProgramTheory, Engines, MissingEngines]
    public async Task Image_ColdAgainAndUpstreamStopped_IsRight(string engine)
    {
        await using var stage = await Stage.StartAsync(engine);

        await stage.Engine.PullAsync(Stage.Image);
        await stage.RecordAsync("cold", Outcome.Right);
        Assert.All(stage.BlobGets.GroupBy(request => request.Path), AssertOnce);
        var asked = stage.BlobGets.Count;

        await PullAgainAsync(stage);
        await stage.RecordAsync("hit", Outcome.Right);

        await stage.Upstream.DisposeAsync();
        await PullAgainAsync(stage);
        await stage.RecordAsync("upstream stopped, known", Outcome.Right);
        Assert.Equal(asked, stage.BlobGets.Count);
    }

    [ProgramTheory, Engines(ChoosePlatform = true), MissingEngines]
    public async Task Image_OfAnotherPlatform_IsRight(string engine)
    {
        await using var stage = await Stage.StartAsync(engine);

        await stage.Engine.PullAsync(Stage.Image, "s390x");

        await stage.RecordAsync("another platform", Outcome.Right);
    }

    [ProgramTheory, Engines, MissingEngines]
    public async Task KnownImage_UpstreamLimitsOrFails_IsRight(string engine)
    {
        await using var stage = await Stage.StartAsync(engine);
        await stage.Engine.PullAsync(Stage.Image);
        var asked = stage.BlobGets.Count;

        foreach (var status in new[] { 429, 503 })
        {
            foreach (var failure in new[] { Misbehave.Status(status), Misbehave.Status(status, "Retry-After", "1") })
            {
                stage.Upstream.Behave();
                stage.Upstream.On(_ => true, failure, TestRegistry.Always);
                await PullAgainAsync(stage);
            }

            await stage.RecordAsync($"{status}, known", Outcome.Right);
        }

        Assert.Equal(asked, stage.BlobGets.Count);
    }

    [ProgramTheory, Engines, MissingEngines]
    public async Task UnknownImage_UpstreamLimitsFailsHangsOrStopped_IsNotWaitedFor(string engine)
    {
        await using var limited = await Stage.StartAsync(engine, "429");
        await using var limitedShortly = await Stage.StartAsync(engine, "429 with Retry-After");
        await using var failing = await Stage.StartAsync(engine, "503");
        await using var failingShortly = await Stage.StartAsync(engine, "503 with Retry-After");
        await using var alone = await Stage.StartAsync(engine, "stopped");
        await using var waiting = await Stage.StartAsync(engine, "silent", ShortWaits);
        await limited.OpenDockerHubAsync();

        limited.Upstream.On(_ => true, Misbehave.Status(429), TestRegistry.Always);
        limitedShortly.Upstream.On(_ => true, Misbehave.Status(429, "Retry-After", "1"), TestRegistry.Always);
        failing.Upstream.On(_ => true, Misbehave.Status(503), TestRegistry.Always);
        failingShortly.Upstream.On(_ => true, Misbehave.Status(503, "Retry-After", "1"), TestRegistry.Always);
        waiting.Upstream.On(_ => true, Misbehave.HangBeforeHeaders(), TestRegistry.Always);
        await alone.Upstream.DisposeAsync();

        // Side by side, since most of it is waiting.
        await Task.WhenAll(
            PullUnknownAsync(limited, HttpStatusCode.TooManyRequests, "429, unknown"),
            PullUnknownAsync(limitedShortly, HttpStatusCode.TooManyRequests, "429 with Retry-After"),
            PullUnknownAsync(failing, HttpStatusCode.ServiceUnavailable, "503, unknown"),
            PullUnknownAsync(failingShortly, HttpStatusCode.ServiceUnavailable, "503 with Retry-After"),
            PullUnknownAsync(waiting, HttpStatusCode.GatewayTimeout, "silent, unknown"),
            PullUnknownAsync(alone, HttpStatusCode.ServiceUnavailable, "upstream stopped, unknown"));
    }

    [ProgramTheory, Engines, MissingEngines]
    public async Task Blob_CutInTheMiddle_IsResumedUnnoticed(string engine)
    {
        await using var stage = await Stage.StartAsync(engine);
        stage.Upstream.On(Stage.IsLayer, Misbehave.Cut(300_000));

        await stage.Engine.PullAsync(Stage.Image);

        await stage.RecordAsync("cut", Outcome.Right);
        var asked = stage.BlobGets.Where(Stage.IsLayer).ToList();
        Assert.Equal((0, 300_000), (asked[0].Offset, asked[0].Sent));

        // Where a client reads pieces, the rest may come by pieces, too.
        Assert.Equal(300_000, asked.Skip(1).Min(request => request.Offset));
        AssertOnce(asked);
    }

    [ProgramTheory, Engines, MissingEngines]
    public async Task Blob_ThatStaysCut_IsNeverTakenForWhole(string engine)
    {
        await using var stage = await Stage.StartAsync(engine);
        await stage.OpenDockerHubAsync();
        stage.Upstream.On(Stage.IsLayer, Misbehave.Cut(300_000)).On(Stage.IsLayer, Misbehave.Cut(0), TestRegistry.Always);

        await stage.RecordAsync("stays cut", await stage.PullUnservedAsync());
    }

    [ProgramTheory, Engines, MissingEngines]
    public async Task Image_EntrepotStopped_IsNotWaitedFor(string engine)
    {
        await using var stage = await Stage.StartAsync(engine);
        await stage.OpenDockerHubAsync();
        await stage.Entrepot.StopAsync();

        await stage.RecordAsync("stopped", await stage.PullUnservedAsync());
    }

    [ProgramTheory, Engines, MissingEngines]
    public async Task RunningPull_EntrepotDrains_EndsAndNoResponseIsBrokenOff(string engine)
    {
        await using var stage = await Stage.StartAsync(engine);
        await stage.OpenDockerHubAsync();
        var gate = new Gate(300_000);
        stage.Upstream.On(Stage.IsLayer, Misbehave.Hold(gate));

        var pull = stage.PullUnservedAsync();
        await gate.ReachedAsync();
        var stopped = await stage.Entrepot.BeginStopAsync();
        gate.Open();
        await stopped;

        // Which of the two comes of it depends on how much the engine had asked for by then, so that it is no column of the table.
        var outcome = await pull;
        Assert.DoesNotContain(stage.Entrepot.Lines, line => line.Contains("the response was aborted", StringComparison.Ordinal));
        Assert.Contains(stage.Entrepot.Lines, line => line.Contains("Stopping", StringComparison.Ordinal));

        await stage.CloseDockerHubAsync();
        await stage.Entrepot.StartAsync();
        if (outcome == Outcome.DockerHub) await stage.Engine.RemoveAsync(Stage.Image);
        await stage.Engine.PullAsync(Stage.Image);
        await stage.RecordAsync("after draining", Outcome.Right);
    }

    private static async Task PullAgainAsync(Stage stage)
    {
        const string Hits = "entrepot_requests_total{kind=\"blob\",upstream=\"docker.io\",source=\"hit\"}";
        var before = await stage.Entrepot.CountAsync(Hits);

        await stage.Engine.RemoveAsync(Stage.Image);
        await stage.Engine.PullAsync(Stage.Image);

        // Otherwise the engine had the blobs still, and nothing was shown.
        await Eventually.TrueAsync(async () => await stage.Entrepot.CountAsync(Hits) - before >= Stage.Image.Native.Blobs.Count());
    }

    private static async Task PullUnknownAsync(Stage stage, HttpStatusCode status, string situation)
    {
        Assert.Equal(status, await stage.AskForManifestAsync());
        await stage.RecordAsync(situation, await stage.PullUnservedAsync());
    }

    // A blob takes one request, or one for each of the places where a client that reads pieces waited.
    // What was on its way when a run's rest became another one's is sent twice; no byte is asked for twice for another reason.
    private static void AssertOnce(IEnumerable<ReceivedRequest> gets)
    {
        var last = gets.Max(request => request.Offset + request.Sent);
        var sent = gets.Sum(request => request.Sent);
        Assert.True(sent <= last * 5 / 4, $"{sent} bytes were sent of {last}");
    }
}
