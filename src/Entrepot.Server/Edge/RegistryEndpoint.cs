using System.Globalization;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.Telemetry;

namespace Entrepot.Server.Edge;

/// <summary>The registry API under <c>/v2/</c> (OCI distribution specification 1.1, its pull side). Safe for concurrent use.</summary>
internal sealed class RegistryEndpoint(PullThrough pulls, UpstreamRoutes routes, CacheMetrics metrics, ILogger log, TimeProvider clock)
{
    private const int CatalogPage = 1000;

    // What podman asks for at once, at most.
    private const int MostRanges = 1024;

    private static readonly RegistryError TooManyRanges = new(400, "SIZE_INVALID", "too many ranges", $"at most {MostRanges} ranges in one request");
    private static readonly RegistryError CountInvalid = new(400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested", "n is a number of 0 or more");

    private volatile UpstreamRoutes _routes = routes;

    /// <summary>What requests go by that are read from now on; their upstreams have to be there already.</summary>
    public UpstreamRoutes Routes { get => _routes; set => _routes = value; }

    /// <summary>Handles one request. The outermost handler: faults end here.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        var exchange = new Exchange(context, clock);
        exchange.Set("Docker-Distribution-API-Version", "registry/2.0");
        try
        {
            await AnswerAsync(exchange);
        }
        catch (Exception) when (exchange.ClientLeft)
        {
            if (exchange.IsTooSlow) Log.ClientTooSlow(log, exchange.Request.Path, exchange.Sent);
            else Log.ClientLeft(log, exchange.Request.Path, exchange.Sent);
        }
        catch (Exception ending) when (ending is OperationCanceledException or ObjectDisposedException)
        {
            // The process is ending.
            await FailAsync(exchange, RegistryError.Down("the cache is being stopped"));
        }
        catch (FetchFailedException failed)
        {
            Log.ResponseAborted(log, exchange.Request.Path, exchange.Sent, failed.Message);
            await FailAsync(exchange, failed.Error);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Log.StoreFault(log, fault, exchange.Request.Path);
            await FailAsync(exchange, RegistryError.StoreFault(fault.Message));
        }
        finally
        {
            metrics.Answered(exchange);
            Log.Answered(log, exchange);
        }
    }

    private static async Task FailAsync(Exchange exchange, RegistryError error)
    {
        exchange.Source = PullSource.Failed;
        if (exchange.CanChange) await exchange.WriteErrorAsync(error);
        else exchange.Abort();
    }

    private async Task AnswerAsync(Exchange exchange)
    {
        var request = exchange.Request;
        if (RequestForm.Objection(request, out var endsConnection) is { } objection)
        {
            if (endsConnection) exchange.Headers.Connection = "close";
            await exchange.WriteErrorAsync(objection);
            return;
        }

        var error = RequestTarget.Parse(request.Path.Value, request.QueryString.Value, request.Host.Value, _routes, out var target);
        if (error is not null)
        {
            await exchange.WriteErrorAsync(error);
            return;
        }

        (exchange.Kind, exchange.Upstream) = (target.Kind, target.Reference.Upstream);
        if (target.IsNamespaced) exchange.Set("OCI-Namespace", target.Reference.Upstream);
        if (TryAnswerAtOnce(exchange, target) is { } answering)
        {
            await answering;
            return;
        }

        // All else may wait for a disk or a lock, and this may be a socket's continuation (invariant 9).
        if (!Thread.CurrentThread.IsThreadPoolThread) await Task.Yield();
        await (target.Kind switch
        {
            TargetKind.Base => BaseAsync(exchange),
            TargetKind.Manifest => ManifestAsync(exchange, target.Reference),
            TargetKind.Blob => BlobAsync(exchange, target.Reference),
            TargetKind.Tags => TagsAsync(exchange, target.Reference),
            TargetKind.Referrers => ReferrersAsync(exchange, target.Reference),
            _ => CatalogAsync(exchange, target),
        });
    }

    private static Task BaseAsync(Exchange exchange)
    {
        exchange.Source = PullSource.Hit;
        return exchange.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteEndObject();
        });
    }

    // What is known without waiting; null if it is not. No label, no closure and no task is made on this way.
    private Task? TryAnswerAtOnce(Exchange exchange, in RequestTarget target)
    {
        switch (target.Kind)
        {
            case TargetKind.Manifest when pulls.TryGetManifest(target.Reference, exchange.IsHead, out var pulled):
                return WriteAsync(exchange, pulled);

            // Parts are rare, and for the ordinary way.
            case TargetKind.Blob when (exchange.IsHead || exchange.Request.Headers.Range.Count == 0) && pulls.TryGetBlob(target.Reference.Digest, exchange.IsHead, out var pulled):
                var blob = pulled.Content!;
                Describe(exchange, blob.Name, pulled);
                exchange.Headers.AcceptRanges = "bytes";
                if (!exchange.HasAlready(blob.Digest)) return exchange.WriteAsync(MediaTypes.Bytes, blob.Size, blob.Bytes);
                exchange.NotModified();
                return Task.CompletedTask;
            default:
                return null;
        }
    }

    private async Task ManifestAsync(Exchange exchange, Reference reference)
    {
        var pulled = await pulls.GetManifestAsync(reference, exchange.IsHead, exchange.Aborted);

        // A 401 or 403 is the upstream's word about this cache's account, with no challenge that a client could meet.
        await (pulled.Error is { } error ? exchange.WriteErrorAsync(error) : WriteAsync(exchange, pulled));
    }

    private Task WriteAsync(Exchange exchange, in Pulled<ManifestContent> pulled)
    {
        var manifest = pulled.Content!;
        Describe(exchange, manifest.Name, pulled);
        if (!exchange.HasAlready(manifest.Digest)) return exchange.WriteAsync(manifest.MediaType, manifest.Size, manifest.Bytes);
        exchange.NotModified();
        return Task.CompletedTask;
    }

    private async Task BlobAsync(Exchange exchange, Reference reference)
    {
        var request = exchange.Request;
        if (exchange.IsHead || exchange.HasAlready(reference.Digest))
        {
            await AnswerAsync(exchange, reference, await pulls.HeadBlobAsync(reference, exchange.Aborted));
            return;
        }

        var ranges = EntityTags.AllowsRange(request.Headers.IfRange, reference.Digest) ? RangeRequest.ParseAll(request.Headers.Range.ToString()) : [];
        if (ranges.Count > MostRanges)
        {
            await exchange.WriteErrorAsync(TooManyRanges);
            return;
        }

        var pulled = await pulls.GetBlobAsync(reference, ranges.Count > 0 ? ranges[0] : null, exchange.Aborted);
        if (ranges.Count > 1 && pulled.Content is { } content) await RangesAsync(exchange, reference, ranges, pulled, content);
        else await AnswerAsync(exchange, reference, pulled);
    }

    private async Task AnswerAsync(Exchange exchange, Reference reference, Pulled<BlobContent> pulled)
    {
        if (pulled.Content is not { } content)
        {
            await exchange.WriteErrorAsync(pulled.Error!);
            return;
        }

        await using (content)
        {
            Describe(exchange, reference.Digest.ToString(), pulled);
            exchange.Headers.AcceptRanges = "bytes";
            if (exchange.HasAlready(reference.Digest)) exchange.NotModified();
            else if (content.Span is { } span) await exchange.WriteAsync(content, span);
            else await UnsatisfiableAsync(exchange, content.Size);
        }
    }

    // Several ranges, of which some may not be in the blob. Those that ask for as much as the whole get that, whose last bytes wait for verification:
    // so nobody has all bytes of a blob before, however he cuts it, and none of them is sent twice.
    private async Task RangesAsync(
        Exchange exchange, Reference reference, IReadOnlyList<RangeRequest> ranges, Pulled<BlobContent> pulled, BlobContent content)
    {
        var spans = new List<ByteSpan>();
        foreach (var range in ranges)
            if (range.TryResolve(content.Size, out var span)) spans.Add(span);
        if (spans.Count > 1 && spans.Aggregate(0m, (sum, span) => sum + span.Length) < content.Size)
        {
            await using (content)
            {
                Describe(exchange, reference.Digest.ToString(), pulled);
                exchange.Headers.AcceptRanges = "bytes";
                await exchange.WriteAsync(content, spans, OpenAsync);
                return;
            }
        }

        await content.DisposeAsync();
        await AnswerAsync(exchange, reference, await pulls.GetBlobAsync(reference, spans.Count switch { 0 => ranges[0], 1 => Range(spans[0]), _ => null }, exchange.Aborted));

        async Task<BlobContent> OpenAsync(ByteSpan span)
        {
            var part = await pulls.GetBlobAsync(reference, Range(span), exchange.Aborted);
            return part.Content ?? throw new FetchFailedException(part.Error!);
        }

        static RangeRequest Range(ByteSpan span) => new(span.From, span.To - 1);
    }

    private static Task UnsatisfiableAsync(Exchange exchange, long size) => exchange.WriteErrorAsync(
        new RegistryError(416, "SIZE_INVALID", "the range asked for is not in the blob", $"the blob has {size} bytes"), $"bytes */{size}");

    private async Task TagsAsync(Exchange exchange, Reference repository)
    {
        if (!TryCount(exchange, out var count))
        {
            await exchange.WriteErrorAsync(CountInvalid);
            return;
        }

        var last = QueryValues.Find(exchange.Request.QueryString.Value, "last");
        var pulled = count == 0
            ? new Pulled<TagPage>(PullSource.Hit, new TagPage([], false))
            : await pulls.ListTagsAsync(repository, count, last, exchange.Aborted);
        if (pulled.Content is not { } page)
        {
            await exchange.WriteErrorAsync(pulled.Error!);
            return;
        }

        Describe(exchange, pulled);
        if (page is { HasMore: true, Tags.Count: > 0 }) LinkNext(exchange, count, page.Tags[^1]);
        await exchange.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteString("name", repository.Repository);
            WriteNames(json, "tags", page.Tags);
            json.WriteEndObject();
        });
    }

    private async Task ReferrersAsync(Exchange exchange, Reference subject)
    {
        var artifactType = QueryValues.Find(exchange.Request.QueryString.Value, "artifactType");
        var pulled = await pulls.ListReferrersAsync(subject, artifactType is "" ? null : artifactType, exchange.Aborted);
        if (pulled.Content is not { } list)
        {
            await exchange.WriteErrorAsync(pulled.Error!);
            return;
        }

        Describe(exchange, pulled);
        if (list.Filtered) exchange.Set("OCI-Filters-Applied", "artifactType");
        await exchange.WriteAsync(MediaTypes.OciIndex, list.Content.Length, list.Content);
    }

    private async Task CatalogAsync(Exchange exchange, RequestTarget target)
    {
        if (!TryCount(exchange, out var count))
        {
            await exchange.WriteErrorAsync(CountInvalid);
            return;
        }

        var last = QueryValues.Find(exchange.Request.QueryString.Value, "last") ?? "";
        var (names, hasMore) = pulls.ListRepositories(target.Reference.Upstream, target.IsNamespaced, Math.Min(count ?? CatalogPage, CatalogPage), last);
        Describe(exchange, new Pulled<object>(PullSource.Hit, names));
        if (hasMore && names.Count > 0) LinkNext(exchange, count, names[^1]);
        await exchange.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            WriteNames(json, "repositories", names);
            json.WriteEndObject();
        });
    }

    private void Describe<T>(Exchange exchange, string name, in Pulled<T> pulled) where T : class
    {
        Describe(exchange, pulled);
        exchange.Set("Docker-Content-Digest", name);
        exchange.Headers.ETag = EntityTags.Of(name);
    }

    private void Describe<T>(Exchange exchange, in Pulled<T> pulled) where T : class
    {
        (exchange.Source, exchange.Detail) = (pulled.Source, pulled.Detail);
        exchange.Set("Cache-Status", CacheStatus.Of(pulled));
        if (pulled.AsOf is null && pulled.Relay?.Age is null) return;

        var here = pulled.AsOf is { } since ? Math.Max(0, (long)(clock.GetUtcNow() - since).TotalSeconds) : 0;
        var before = (long)(pulled.Relay?.Age ?? default).TotalSeconds;
        exchange.Headers.Age = (before + here).ToString(CultureInfo.InvariantCulture);
    }

    private static bool TryCount(Exchange exchange, out int? count)
    {
        count = null;
        if (QueryValues.Find(exchange.Request.QueryString.Value, "n") is not { Length: > 0 } text) return true;
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return false;
        count = number;
        return true;
    }

    // The next page is asked for here, as this one was: by the same path and the same namespace.
    private static void LinkNext(Exchange exchange, int? count, string last)
    {
        var query = $"last={Uri.EscapeDataString(last)}";
        if (count is not null) query = $"n={count}&{query}";
        if (QueryValues.Find(exchange.Request.QueryString.Value, "ns") is { } ns) query += $"&ns={Uri.EscapeDataString(ns)}";
        exchange.Set("Link", $"<{exchange.Request.Path}?{query}>; rel=\"next\"");
    }

    private static void WriteNames(System.Text.Json.Utf8JsonWriter json, string property, IReadOnlyList<string> names)
    {
        json.WriteStartArray(property);
        foreach (var name in names) json.WriteStringValue(name);
        json.WriteEndArray();
    }
}
