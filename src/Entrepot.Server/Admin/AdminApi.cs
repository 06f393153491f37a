using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.Edge;
using Entrepot.Server.Telemetry;

namespace Entrepot.Server.Admin;

/// <summary>The admin API: what operators ask a running appliance.</summary>
/// <remarks>Safe for concurrent use. Its owner disposes it after <see cref="EndAsync"/> has ended, when no request uses store or index any more.</remarks>
/// <param name="images">What is cached.</param>
/// <param name="warm">What has images in the store before they are pulled.</param>
/// <param name="scrub">What hashes it again.</param>
/// <param name="imports">What is being imported.</param>
/// <param name="routes">The configured upstreams, as they are now.</param>
/// <param name="bundles">What goes into bundles.</param>
/// <param name="status">How the appliance is now.</param>
/// <param name="measured">Ends when it is known what is stored: nothing is pinned or removed before that; with <see langword="false"/> if it never will be.</param>
/// <param name="clock">The time.</param>
/// <param name="log">Where faults go.</param>
internal sealed class AdminApi(
    Images images, WarmApi warm, Scrub scrub, ImportApi imports, Func<UpstreamRoutes> routes, BundleEndpoint bundles, Func<Task<StatusReport>> status, Func<Task<bool>> measured,
    TimeProvider clock, ILogger log)
    : IDisposable
{
    /// <summary>What every path of it begins with.</summary>
    public const string Prefix = "/api/";

    private const string Stopping = "the server is stopping; what is told was done, the rest was not: ask again when it is back";
    private const string NoRef = "the parameter ref is missing: an image such as docker.io/library/alpine:3.20, or a pattern such as docker.io/library/*";

    // A few lines a second: enough for a progress bar.
    private static readonly TimeSpan LineEvery = TimeSpan.FromMilliseconds(300);

    private readonly RunningRequests _looks = new();   // those that change nothing and take no time
    private readonly RunningRequests _works = new();

    /// <summary>From now on nothing is begun that changes or verifies anything, and what runs of it is to end: durably, as far as it has come.</summary>
    /// <returns>Ends when it has.</returns>
    public Task DrainAsync() => _works.StopAsync();

    /// <summary>From now on nothing is begun at all.</summary>
    /// <returns>Ends when nothing runs any more.</returns>
    public Task EndAsync() => Task.WhenAll(_works.StopAsync(), _looks.StopAsync());

    /// <inheritdoc/>
    public void Dispose()
    {
        _works.Dispose();
        _looks.Dispose();
    }

    /// <summary>Handles one request.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        using var reply = new AdminReply(context, clock);
        var requests = RequestForm.IsRead(context.Request.Method) ? _looks : _works;
        if (!requests.TryBegin())
        {
            await reply.RefuseAsync(StatusCodes.Status503ServiceUnavailable, Stopping);
            return;
        }

        try
        {
            await HandleAsync(context, reply, requests.Stop);
        }
        finally
        {
            requests.End();
        }
    }

    private async Task HandleAsync(HttpContext context, AdminReply reply, CancellationToken stop)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stop);
        try
        {
            // Elsewhere: the store is read, and this is a socket's continuation.
            await Task.Run(() => AnswerAsync(context, reply, ending.Token), ending.Token);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client has left; nobody is to be told.
        }
        catch (OperationCanceledException)
        {
            await reply.RefuseAsync(StatusCodes.Status503ServiceUnavailable, Stopping);
        }
        catch (BadHttpRequestException fault)   // an IOException, and its client's doing: nothing is wrong with the store
        {
            await reply.RefuseAsync(fault.StatusCode, $"the request cannot be read: {fault.Message}");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Log.AdminFault(log, fault, context.Request.Method, context.Request.Path);
            await reply.RefuseAsync(StatusCodes.Status500InternalServerError, $"the store failed: {fault.Message}");
        }
    }

    private async Task AnswerAsync(HttpContext context, AdminReply reply, CancellationToken cancel)
    {
        if (!IsOwnOrigin(context))
        {
            await reply.RefuseAsync(StatusCodes.Status403Forbidden, "requests of web pages from elsewhere are refused: their Origin is not this server");
            return;
        }

        if (!IsOwnHost(context))
        {
            await reply.RefuseAsync(StatusCodes.Status403Forbidden, "requests over loopback have to name this server by its address or as localhost, not by another name");
            return;
        }

        var method = RequestForm.IsHead(context.Request.Method) ? HttpMethods.Get : context.Request.Method;
        var operations = OperationsOf(context.Request.Path.Value ?? "");
        if (operations.Count == 0)
        {
            await reply.RefuseAsync(StatusCodes.Status404NotFound, "no such endpoint; there are status, images, pins, refresh, verify, warm and bundles under /api/v1/");
            return;
        }

        if (!operations.TryGetValue(method, out var operation))
        {
            var allowed = string.Join(", ", operations.Keys);
            context.Response.Headers.Allow = allowed;
            await reply.RefuseAsync(StatusCodes.Status405MethodNotAllowed, $"{context.Request.Method} is not allowed here; {allowed} is");
            return;
        }

        await operation(context, reply, cancel);
    }

    private Dictionary<string, Func<HttpContext, AdminReply, CancellationToken, Task>> OperationsOf(string path) => path switch
    {
        "/api/v1/status" => new() { ["GET"] = async (_, reply, _) => await reply.WriteAsync(StatusCodes.Status200OK, await status(), AdminJson.Default.StatusReport) },
        "/api/v1/images" => new() { ["GET"] = ListAsync, ["DELETE"] = RemoveAsync },
        "/api/v1/pins" => new() { ["POST"] = Changing(images.PinAsync), ["DELETE"] = Changing(images.UnpinAsync) },
        "/api/v1/refresh" => new() { ["POST"] = Changing(images.RefreshAsync) },
        "/api/v1/warm" => new() { ["POST"] = WarmAsync },
        "/api/v1/verify" => new() { ["POST"] = VerifyAsync },
        "/api/v1/bundles" => new()
        {
            ["GET"] = bundles.GetAsync,
            ["POST"] = (context, reply, cancel) => context.Request.Query.ContainsKey("hold") ? bundles.HoldAsync(context, reply, cancel) : imports.PostAsync(context, reply, cancel, _works.Stop),
            ["DELETE"] = imports.DropAsync,
        },
        _ => [],
    };

    private Task RemoveAsync(HttpContext context, AdminReply reply, CancellationToken cancel)
    {
        if (context.Request.Query["set"].FirstOrDefault() is not { Length: > 0 } set)
            return Changing((which, told, end) => images.RemoveAsync(which, told, end, _works.Stop))(context, reply, cancel);

        return reply.WriteLinesAsync(async () =>
        {
            var objection = await UnmeasuredAsync(cancel)
                ?? await images.Sets.RemoveAsync(set, done => reply.WriteLineAsync(OutcomeOf(done), AdminJson.Default.ImageOutcome), cancel, _works.Stop);
            if (objection is not null) await reply.WriteAsync(objection);
        });
    }

    private async Task ListAsync(HttpContext context, AdminReply reply, CancellationToken cancel)
    {
        var only = default(ReferencePattern?);
        if (context.Request.Query["ref"].FirstOrDefault() is { Length: > 0 } text)
        {
            if (ReferencePattern.Parse(text, routes(), images.Upstreams(), out var pattern) is { } objection)
            {
                await reply.WriteAsync(objection);
                return;
            }

            only = pattern;
        }

        await reply.WriteListAsync("images", EntriesOf(images.List(only, cancel)), AdminJson.Default.ImageEntry);
    }

    private Func<HttpContext, AdminReply, CancellationToken, Task> Changing(
        Func<ReferencePattern, Func<ImageChange, Task>, CancellationToken, Task<Objection?>> change) => async (context, reply, cancel) =>
    {
        var text = context.Request.Query["ref"].FirstOrDefault() ?? "";
        var pattern = default(ReferencePattern);
        var objection = text.Length == 0 ? new Objection(StatusCodes.Status400BadRequest, NoRef) : ReferencePattern.Parse(text, routes(), images.Upstreams(), out pattern);
        await reply.WriteLinesAsync(async () =>
        {
            objection ??= await UnmeasuredAsync(cancel);
            objection ??= await change(pattern, done => reply.WriteLineAsync(OutcomeOf(done), AdminJson.Default.ImageOutcome), cancel);
            if (objection is not null) await reply.WriteAsync(objection);
        });
    };

    private async Task<Objection?> UnmeasuredAsync(CancellationToken cancel) =>
        await measured().WaitAsync(cancel) ? null : new Objection(StatusCodes.Status503ServiceUnavailable, "the store could not be measured yet, so nothing can be changed: see status");

    private async Task WarmAsync(HttpContext context, AdminReply reply, CancellationToken cancel)
    {
        if (await UnmeasuredAsync(cancel) is { } objection) await reply.WriteAsync(objection);
        else await warm.HandleAsync(context, reply, cancel);
    }

    private async Task VerifyAsync(HttpContext context, AdminReply reply, CancellationToken cancel)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        if (scrub.TryStart(ending.Token) is not { } run)
        {
            await reply.RefuseAsync(StatusCodes.Status409Conflict, "a verification is running already; one at a time is what the disk can bear");
            return;
        }

        try
        {
            var told = 0;
            using var lines = new PeriodicTimer(LineEvery, clock);
            while (true)
            {
                var line = lines.WaitForNextTickAsync(CancellationToken.None).AsTask();
                if (await Task.WhenAny(run.Ended, line) == run.Ended) break;
                var wrong = run.Wrong(told);
                told += wrong.Count;
                await reply.WriteLineAsync(ProgressOf(run, wrong, isDone: false), AdminJson.Default.VerifyProgress);
            }
        }
        finally
        {
            // Also if its client cannot be told any more: it uses store and index until it has ended.
            if (!run.Ended.IsCompleted) await ending.CancelAsync();
            await run.Ended;
        }

        await reply.WriteLineAsync(ProgressOf(run, run.Wrong(0), isDone: true), AdminJson.Default.VerifyProgress);
    }

    // A browser says where a page comes from. Names are not believed, since whoever owns one can make it mean this machine.
    private static bool IsOwnOrigin(HttpContext context)
    {
        var origins = context.Request.Headers.Origin;
        if (origins.Count == 0) return true;
        if (!Uri.TryCreate(origins.ToString(), UriKind.Absolute, out var origin) || origin.PathAndQuery != "/") return false;

        var (address, port) = (context.Connection.LocalIpAddress!, context.Connection.LocalPort);
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        var isThisHost = System.Net.IPAddress.TryParse(origin.DnsSafeHost, out var said)
            ? said.Equals(address)
            : origin.Host == "localhost" && System.Net.IPAddress.IsLoopback(address);
        return isThisHost && origin.Scheme == context.Request.Scheme && origin.Port == port;
    }

    // A page whose own name has come to mean this machine reads without an Origin, and is known only by that name. Elsewhere a name may be right.
    private static bool IsOwnHost(HttpContext context)
    {
        var address = context.Connection.LocalIpAddress!;
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (!System.Net.IPAddress.IsLoopback(address)) return true;

        var host = context.Request.Host.Host;
        return host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || System.Net.IPAddress.TryParse(host, out _);
    }

    private static async IAsyncEnumerable<ImageEntry> EntriesOf(IAsyncEnumerable<CachedImage> found)
    {
        await foreach (var image in found) yield return EntryOf(image);
    }

    private static ImageEntry EntryOf(CachedImage image) => new(
        image.Reference.Upstream, image.Reference.Repository, image.Tags, image.Reference.Digest.ToString(), image.MediaType, image.Size, image.IsComplete,
        image.IsPinned, image.Sets is [var set, ..] ? set : null, image.LastUse, [.. image.Blobs.Select(blob => blob.ToString())],
        image.Sets);

    private static ImageOutcome OutcomeOf(ImageChange change) => new(
        change.Reference.ToString(), change.Fate.ToString().ToLowerInvariant(), change.Digest?.ToString(), change.Previous?.ToString(), change.Bytes, change.Error);

    private static VerifyProgress ProgressOf(ScrubRun run, IReadOnlyList<Digest> wrong, bool isDone)
    {
        var progress = run.Progress;
        return new(
            progress.Blobs, progress.TotalBlobs, progress.Bytes, progress.TotalBytes, progress.Unreadable, [.. wrong.Select(digest => digest.ToString())], isDone);
    }
}
