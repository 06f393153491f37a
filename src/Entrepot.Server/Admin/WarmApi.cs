using System.Text.Json;
using Entrepot.Oci;
using Entrepot.Warm;
using Microsoft.AspNetCore.Http.Features;

namespace Entrepot.Server.Admin;

/// <summary><c>POST /api/v1/warm</c>: has images in the store before anybody pulls them. Safe for concurrent use.</summary>
/// <param name="warmup">The use case.</param>
/// <param name="routes">The configured upstreams, as they are now.</param>
/// <param name="clock">The time.</param>
internal sealed class WarmApi(Warmup warmup, Func<UpstreamRoutes> routes, TimeProvider clock)
{
    /// <summary>Most images of one request.</summary>
    public const int MostImages = 100_000;

    private const int MostBytes = 32 << 20;
    private const string What = "the body has to be JSON such as {\"images\":[{\"reference\":\"alpine:3.20\",\"platforms\":[\"linux/amd64\"]}]}";

    // A few lines a second: enough for a progress bar.
    private static readonly TimeSpan LineEvery = TimeSpan.FromMilliseconds(300);

    /// <summary>Handles one request. It runs as long as its client listens: when that leaves, what runs for it alone ends.</summary>
    public async Task HandleAsync(HttpContext context, AdminReply reply, CancellationToken cancel)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = MostBytes;
        var (request, objection) = await ReadAsync(context, cancel);
        if (request is null)
        {
            await reply.WriteAsync(objection!);
            return;
        }

        if (TryRead(request, out var images, out var refused, out var rules, out objection)) await reply.WriteLinesAsync(() => RunAsync(images, refused, rules, reply, cancel));
        else await reply.WriteAsync(objection!);
    }

    private static async Task<(WarmRequest? Request, Objection? Objection)> ReadAsync(HttpContext context, CancellationToken cancel)
    {
        try
        {
            var request = await JsonSerializer.DeserializeAsync(context.Request.Body, AdminJson.Default.WarmRequest, cancel);
            return request is { Images.Count: > 0 } ? (request, null) : (null, new(StatusCodes.Status400BadRequest, What + ", with at least one image"));
        }
        catch (JsonException fault)
        {
            return (null, new(StatusCodes.Status400BadRequest, $"{What}: {fault.Message.ReplaceLineEndings(" ")}"));
        }
        catch (BadHttpRequestException fault)
        {
            return (null, new(fault.StatusCode, $"{fault.Message.TrimEnd('.')}; at most {MostBytes} bytes are allowed"));
        }
    }

    private bool TryRead(WarmRequest request, out IReadOnlyList<WarmImage> images, out List<WarmEntry> refused, out WarmRules rules, out Objection? objection)
    {
        (images, refused, rules) = ([], [], new WarmRules());
        if (!TryReadPlatforms(request.Platforms, out var platforms, out objection)) return false;
        var parallel = request.Parallel ?? rules.Parallel;
        if (parallel is < 1 or > WarmRules.MostParallel)
        {
            objection = new(StatusCodes.Status400BadRequest, $"parallel is {parallel}; allowed: 1 to {WarmRules.MostParallel}");
            return false;
        }

        if (request.Images.Count > MostImages)
        {
            objection = new(StatusCodes.Status400BadRequest, $"there are {request.Images.Count} images; allowed: 1 to {MostImages}");
            return false;
        }

        var wanted = new List<WarmImage>();
        foreach (var image in request.Images)
        {
            if (!TryReadPlatforms(image?.Platforms, out var own, out objection)) return false;
            var text = image?.Reference ?? "";
            var problem = ReferencePattern.Parse(text, routes(), [], out var pattern);
            if (problem is null && pattern.Exact is { } exact) wanted.Add(new WarmImage(exact, own.Count > 0 ? own : platforms));
            else refused.Add(new WarmEntry(text, "failed", null, 0, 0, 0, problem?.Message ?? "a pattern means what is stored already; an image is needed"));
        }

        images = WarmImage.Merge(wanted);
        rules = new WarmRules
        {
            Parallel = parallel,
            Pin = request.Pin,
            WithReferrers = request.Referrers,
            MissingOnly = request.MissingOnly,
            DryRun = request.DryRun,
        };
        return true;
    }

    private static bool TryReadPlatforms(IReadOnlyList<string>? texts, out List<Platform> platforms, out Objection? objection)
    {
        (platforms, objection) = ([], null);
        foreach (var text in texts ?? [])
        {
            if (text is not null && Platform.TryParse(text, out var platform))
            {
                platforms.Add(platform);
                continue;
            }

            objection = new(StatusCodes.Status400BadRequest, $"'{text}' is not a platform: an operating system, an architecture and maybe a variant, such as linux/amd64 or linux/arm/v7, are");
            return false;
        }

        return true;
    }

    private async Task RunAsync(IReadOnlyList<WarmImage> images, List<WarmEntry> refused, WarmRules rules, AdminReply reply, CancellationToken cancel)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var run = warmup.Start(images, rules, ending.Token);
        var told = 0;
        IReadOnlyList<WarmEntry> first = refused;
        try
        {
            using var lines = new PeriodicTimer(LineEvery, clock);
            while (true)
            {
                var line = lines.WaitForNextTickAsync(CancellationToken.None).AsTask();
                if (await Task.WhenAny(run.Ended, line) == run.Ended) break;
                await TellAsync(isDone: false);
            }
        }
        finally
        {
            // Also if its client cannot be told any more: it uses store and index until it has ended.
            if (!run.Ended.IsCompleted) await ending.CancelAsync();
            await run.Ended;
        }

        await TellAsync(isDone: true);

        async Task TellAsync(bool isDone)
        {
            var ended = run.Done(told);
            told += ended.Count;
            var progress = run.Progress;
            await reply.WriteLineAsync(
                new WarmLine(
                    progress.Images + refused.Count, progress.TotalImages + refused.Count, progress.Planned + refused.Count, progress.Bytes, progress.TotalBytes,
                    [.. run.Running.Select(one => new WarmRunning(one.Reference.ToString(), one.Bytes, one.TotalBytes))], [.. first, .. ended.Select(EntryOf)], isDone),
                AdminJson.Default.WarmLine);
            first = [];
        }
    }

    private static WarmEntry EntryOf(WarmedImage image) => new(
        image.Reference.ToString(), image.Status.ToString().ToLowerInvariant(), image.Digest?.ToString(), image.Bytes, image.Size, image.Requests, image.Error);
}
