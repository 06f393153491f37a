using System.Globalization;
using System.Net;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Upstream;

/// <summary>A registry over HTTP, as one configured upstream.</summary>
/// <remarks>
/// Safe for concurrent use. Disposal closes its connections, each as soon as no answer is read from it any longer. What holds a disposed upstream may go
/// on to use it: answers that have begun go on to their end, and each further request has a connection of its own that is closed after it. So a fetch that began
/// before the options were read again ends with the upstream that it began with, and nobody has to count who uses it.
/// </remarks>
public sealed class RegistryUpstream : IUpstream, IDisposable
{
    private static readonly string[] Json = ["application/json"];

    private readonly UpstreamOptions _options;
    private readonly BodyLimit _manifestLimit;
    private readonly BodyLimit _tagsLimit;
    private readonly RegistryTransport _transport;
    private readonly ReferrerSource _referrers;

    /// <summary>An upstream; nothing is asked of it yet.</summary>
    /// <param name="options">Where it is and who asks; checked by whoever read them.</param>
    /// <param name="times">How long it is left alone between two tries.</param>
    /// <param name="limits">How much is taken from it.</param>
    /// <param name="counters">Where its answers are counted.</param>
    /// <param name="clock">What every wait is measured with, but for connecting.</param>
    public RegistryUpstream(UpstreamOptions options, UpstreamTimes times, UpstreamLimits limits, UpstreamCounters counters, TimeProvider clock)
        : this(options, new Allowance(options, clock), times, limits, counters, clock, proxy: null)
    {
    }

    internal RegistryUpstream(
        UpstreamOptions options, Allowance allowance, UpstreamTimes times, UpstreamLimits limits, UpstreamCounters counters, TimeProvider clock, IWebProxy? proxy)
    {
        _options = options;
        _manifestLimit = new BodyLimit(limits.ManifestBytes, "limits.manifest");
        _tagsLimit = new BodyLimit(limits.TagListBytes, "limits.tagList");
        _transport = new RegistryTransport(options, allowance, times, limits.Waiting, counters, clock, proxy);
        _referrers = new ReferrerSource(_transport, _manifestLimit);
    }

    /// <summary>Where it is and who asks.</summary>
    public UpstreamOptions Options => _options;

    /// <inheritdoc/>
    public string Name => _options.Name;

    /// <inheritdoc/>
    public FreshnessRules Freshness => _options.Freshness;

    /// <inheritdoc/>
    public FetchRules Fetching => _options.Fetching;

    /// <inheritdoc/>
    public bool IsDown => _transport.IsDown;

    /// <inheritdoc/>
    public bool IsShort => _transport.IsShort;

    /// <summary>Whether it was out of reach when it was last asked. Unlike <see cref="IsDown"/>, that stays true while nobody asks.</summary>
    public bool WasDead => _transport.WasDead;

    /// <summary>How the circuit to each of its addresses stands; one that is not closed is not asked.</summary>
    public IEnumerable<Circuit> Circuits => _transport.Circuits;

    /// <summary>Requests that wait for a place among its connections.</summary>
    public int Waiting => _transport.Waiting;

    /// <inheritdoc/>
    public async Task<Answer<ManifestInfo>> HeadManifestAsync(Reference reference, CancellationToken cancel)
    {
        var sent = await _transport.SendAsync(Manifest(HttpMethod.Head, reference), cancel);
        if (!sent.Has(out var response, out var error)) return error;

        using (response)
        {
            return response.Status switch
            {
                HttpStatusCode.OK when response.IsPage => response.Unusable(response.Page),
                HttpStatusCode.OK => new ManifestInfo(response.Digest, response.MediaType, response.IsEncoded ? null : response.Content.ContentLength)
                {
                    Relay = response.Relay,
                },
                // A registry without HEAD: the caller learns by GET.
                HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented => new ManifestInfo(null, null, null),
                _ => await response.RefusalAsync(RegistryError.ManifestUnknown, cancel),
            };
        }
    }

    /// <inheritdoc/>
    public async Task<Answer<ReceivedManifest>> GetManifestAsync(Reference reference, CancellationToken cancel)
    {
        var brokeOff = false;
        var distrusted = new HashSet<string>();
        while (true)
        {
            var sent = await _transport.SendAsync(Manifest(HttpMethod.Get, reference) with { Distrusted = distrusted }, cancel);
            if (!sent.Has(out var response, out var error)) return error;
            if (response.Status != HttpStatusCode.OK) return await response.RefusalAsync(RegistryError.ManifestUnknown, cancel);

            var (mediaType, digest, relay, origin) = (response.MediaType, response.Digest, response.Relay, response.Origin);
            var read = await response.ReadAsync(_manifestLimit, cancel);
            if (read.Has(out var content, out error))
            {
                // Wrong bytes of one address say nothing of the others'.
                if (!reference.IsTag && origin is not null && !reference.Digest.Matches(content) && distrusted.Add(origin)) continue;
                return new ReceivedManifest(content, mediaType, digest) { Relay = relay };
            }

            // A body that broke off is small enough to be asked for once more.
            if (error.Status != 503 || brokeOff) return error;
            brokeOff = true;
        }
    }

    /// <inheritdoc/>
    public async Task<Answer<BlobInfo>> HeadBlobAsync(Reference reference, CancellationToken cancel)
    {
        var sent = await _transport.SendAsync(Blob(HttpMethod.Head, reference), cancel);
        if (!sent.Has(out var response, out var error)) return error;

        using (response)
        {
            var isSilent = response.Status is HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented;
            if (response.IsPage) return response.Unusable(response.Page);
            if (!isSilent && response.Status != HttpStatusCode.OK) return await response.RefusalAsync(RegistryError.BlobUnknown, cancel);
            if (!isSilent && !response.IsEncoded && response.Content.ContentLength is { } size) return new BlobInfo(size) { Relay = response.Relay };
        }

        // HEAD did not tell; the answer to a GET of one byte does.
        var opened = await OpenBlobAsync(reference, new BlobPart(0, 1), cancel);
        if (!opened.Has(out var blob, out error)) return error;
        await using var disposed = blob;
        return blob.Size is { } known ? new BlobInfo(known) { Relay = blob.Relay } : RegistryError.BadGateway($"{Name}: it does not tell a blob's size");
    }

    /// <inheritdoc/>
    public async Task<Answer<UpstreamBlob>> OpenBlobAsync(Reference reference, BlobPart part, CancellationToken cancel)
    {
        var request = Blob(HttpMethod.Get, reference) with { Demand = part.Demand, Distrusted = part.Distrusted };
        if (part.From > 0 || part.To is not null)
            request = request with { Range = new ByteRange(part.From, part.To), Validator = part.Validator?.StartsWith('"') == true ? part.Validator : null };

        while (true)
        {
            var sent = await _transport.SendAsync(request, cancel);
            if (!sent.Has(out var response, out var error)) return error;

            if (response.IsPage)
            {
                using (response) return response.Unusable(response.Page);
            }

            if (response.Status == HttpStatusCode.OK) return await OpenWholeAsync(response, cancel);
            if (request.Range is not { } range || response.Status is not (HttpStatusCode.PartialContent or HttpStatusCode.RequestedRangeNotSatisfiable))
                return await response.RefusalAsync(RegistryError.BlobUnknown, cancel);

            if (response.Status == HttpStatusCode.PartialContent && !response.IsEncoded && range.Carried(response.Content) is { } carried)
                return await OpenAsync(response, carried.From!.Value, carried.Length, isPart: true, cancel);

            // It does not do ranges in a way that can be trusted: from the beginning, then, and only once.
            response.Dispose();
            request = request with { Range = null, Validator = null };
        }
    }

    /// <inheritdoc/>
    public async Task<Answer<TagPage>> ListTagsAsync(string repository, int? count, string? last, CancellationToken cancel)
    {
        var query = new List<string>();
        if (count is { } most) query.Add("n=" + most.ToString(CultureInfo.InvariantCulture));
        if (last is not null) query.Add("last=" + Uri.EscapeDataString(last));
        var path = $"/v2/{repository}/tags/list{(query.Count > 0 ? "?" : "")}{string.Join('&', query)}";

        var sent = await _transport.SendAsync(new RegistryRequest("tags", HttpMethod.Get, path, repository) { Accept = Json }, cancel);
        if (!sent.Has(out var response, out var error)) return error;
        if (response.Status != HttpStatusCode.OK) return await response.RefusalAsync(RegistryError.NameUnknown, cancel);

        var (hasNext, relay) = (LinkHeader.Next(response.Header("Link")) is not null, response.Relay);
        var read = await response.ReadAsync(_tagsLimit, cancel);
        if (!read.Has(out var content, out error)) return error;
        return TagList.Read(content) is { } tags ? TagList.Page(tags, count, last, hasNext) with { Relay = relay } : response.Unusable("something else than a list of tags");
    }

    /// <inheritdoc/>
    public Task<Answer<ReferrerList>> ListReferrersAsync(Reference subject, string? artifactType, FindManifest stored, CancellationToken cancel) =>
        _referrers.ListAsync(subject, artifactType, stored, cancel);

    /// <inheritdoc/>
    public void Dispose() => _transport.Dispose();

    internal static RegistryRequest Manifest(HttpMethod method, Reference reference) =>
        new("manifest", method, $"/v2/{reference.Repository}/manifests/{reference.Target}", reference.Repository) { Accept = MediaTypes.Accepted };

    private static RegistryRequest Blob(HttpMethod method, Reference reference) =>
        new(RegistryTransport.BlobKind, method, $"/v2/{reference.Repository}/blobs/{reference.Digest}", reference.Repository);

    private static Task<Answer<UpstreamBlob>> OpenWholeAsync(RegistryResponse response, CancellationToken cancel) =>
        OpenAsync(response, 0, response.IsEncoded ? null : response.Content.ContentLength, isPart: false, cancel);

    private static async Task<Answer<UpstreamBlob>> OpenAsync(RegistryResponse response, long offset, long? size, bool isPart, CancellationToken cancel)
    {
        RegistryResponse? unowned = response;
        try
        {
            var opened = await response.OpenAsync(cancel);
            if (!opened.Has(out var body, out var error)) return error;

            unowned = null;
            return new UpstreamBlob { Content = body, Offset = offset, Size = size, IsPart = isPart, Validator = response.StrongTag, Relay = response.Relay, Origin = response.Origin };
        }
        finally
        {
            unowned?.Dispose();
        }
    }
}
