using System.Text.Json;
using Entrepot.Bundles;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.Edge;
using Entrepot.Server.Telemetry;
using Microsoft.AspNetCore.Http.Features;

namespace Entrepot.Server.Admin;

/// <summary><c>/api/v1/bundles</c>: what a bundle of stored images has, and its bytes, which stay while it is written. Safe for concurrent use.</summary>
/// <param name="export">What goes into bundles.</param>
/// <param name="images">What is cached.</param>
/// <param name="routes">The configured upstreams, as they are now.</param>
/// <param name="log">Where faults go.</param>
internal sealed class BundleEndpoint(BundleExport export, Images images, Func<UpstreamRoutes> routes, ILogger log)
{
    // 400,000 blobs.
    private const long MaxHold = 32 << 20;

    private const string NoBlobs = "what is to be held has to be {\"blobs\":[digest, ...]}";

    private const string NoRef =
        "the parameter ref is missing: an image such as docker.io/library/alpine:3.20, or a pattern such as docker.io/library/*; or blob, a digest whose bytes are wanted";

    /// <summary>Tells what a bundle would have, with <c>ref</c>, or gives the bytes of a blob, with <c>blob</c>.</summary>
    public Task GetAsync(HttpContext context, AdminReply reply, CancellationToken cancel) =>
        context.Request.Query["blob"].FirstOrDefault() is { } blob ? SendAsync(blob, context, reply, cancel) : OfferAsync(context.Request.Query, reply, cancel);

    /// <summary>Keeps blobs from being evicted for as long as the client listens to the answer.</summary>
    public Task HoldAsync(HttpContext context, AdminReply reply, CancellationToken cancel)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = MaxHold;
        return reply.WriteLinesAsync(async () =>
        {
            if (await ReadAsync(context.Request.Body, cancel) is not { } blobs)
            {
                await reply.RefuseAsync(StatusCodes.Status400BadRequest, NoBlobs);
                return;
            }

            var (hold, missing) = export.Hold(blobs);
            using (hold)
            {
                await reply.WriteLineAsync(new HoldBegun(blobs.Count, [.. missing.Select(blob => blob.ToString())]), AdminJson.Default.HoldBegun);
                await new TaskCompletionSource().Task.WaitAsync(cancel);
            }
        });
    }

    private static async Task<HashSet<Digest>?> ReadAsync(Stream body, CancellationToken cancel)
    {
        try
        {
            var asked = await JsonSerializer.DeserializeAsync(body, AdminJson.Default.HoldRequest, cancel);
            return asked?.Blobs is null || asked.Blobs.Any(text => !Digest.TryParse(text, out _)) ? null : [.. asked.Blobs.Select(Digest.Parse)];
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private async Task OfferAsync(IQueryCollection query, AdminReply reply, CancellationToken cancel)
    {
        var patterns = new List<ReferencePattern>();
        foreach (var text in query["ref"].OfType<string>())
        {
            if (ReferencePattern.Parse(text, routes(), images.Upstreams(), out var pattern) is { } objection)
            {
                await reply.WriteAsync(objection);
                return;
            }

            patterns.Add(pattern);
        }

        if (patterns.Count == 0)
        {
            await reply.RefuseAsync(StatusCodes.Status400BadRequest, NoRef);
            return;
        }

        var platforms = new List<Platform>();
        foreach (var text in query["platform"].OfType<string>().SelectMany(text => text.Split(',', StringSplitOptions.RemoveEmptyEntries)))
        {
            if (!Platform.TryParse(text, out var platform))
            {
                await reply.RefuseAsync(StatusCodes.Status400BadRequest, $"'{text}' is not a platform, such as linux/amd64 or linux/arm/v7");
                return;
            }

            platforms.Add(platform);
        }

        var stock = await export.FindAsync(patterns, platforms, withReferrers: query["referrers"].FirstOrDefault() != "false", cancel);
        var offer = new BundleOffer(
            [.. stock.Images.Select(image => new OfferedImage(image.Reference.ToString(), image.Digest.ToString(), image.MediaType, image.Size, image.Platforms, image.ArtifactType))],
            [.. stock.Blobs.Select(blob => new OfferedBlob(blob.Digest.ToString(), blob.Size, stock.Manifests.Contains(blob.Digest)))],
            [.. stock.Missing.Select(lack => new MissingImage(lack.Reference, lack.What, lack.IsOffline))],
            [.. stock.Unasked.Select(name => name.ToString())]);
        await reply.WriteAsync(StatusCodes.Status200OK, offer, AdminJson.Default.BundleOffer);
    }

    private async Task SendAsync(string text, HttpContext context, AdminReply reply, CancellationToken cancel)
    {
        if (!Digest.TryParse(text, out var digest))
        {
            await reply.RefuseAsync(StatusCodes.Status400BadRequest, "the parameter blob is not a digest: sha256: and 64, or sha512: and 128, lower-case hex digits are");
            return;
        }

        if (await export.OpenAsync(digest, cancel) is not { } blob)
        {
            await reply.RefuseAsync(StatusCodes.Status404NotFound, $"{digest} is not stored, or not any more");
            return;
        }

        await using (blob)
        {
            var span = new ByteSpan(0, blob.Size);
            var isPart = RangeRequest.TryParse(context.Request.Headers.Range.ToString(), out var range);
            if (isPart && !range.TryResolve(blob.Size, out span))
            {
                context.Response.Headers.ContentRange = $"bytes */{blob.Size}";
                await reply.RefuseAsync(StatusCodes.Status416RangeNotSatisfiable, $"the range asked for is not in {digest}, which has {blob.Size} bytes");
                return;
            }

            await SendAsync(blob, span, isPart, context, cancel);
        }
    }

    private async Task SendAsync(Blob blob, ByteSpan span, bool isPart, HttpContext context, CancellationToken cancel)
    {
        var response = context.Response;
        response.StatusCode = isPart ? StatusCodes.Status206PartialContent : StatusCodes.Status200OK;
        response.ContentType = MediaTypes.Bytes;
        response.ContentLength = span.Length;
        response.Headers.AcceptRanges = "bytes";
        if (isPart) response.Headers.ContentRange = $"bytes {span.From}-{span.To - 1}/{blob.Size}";
        if (HttpMethods.IsHead(context.Request.Method)) return;
        try
        {
            await new BodyOutput(context, () => { }).WriteAsync(blob, span, cancel);
        }
        catch (Exception fault) when (response.HasStarted && fault is IOException or OperationCanceledException)
        {
            // Too late for words: a short body is never ended cleanly.
            if (fault is IOException) Log.AdminFault(log, fault, context.Request.Method, context.Request.Path);
            context.Abort();
        }
    }
}
