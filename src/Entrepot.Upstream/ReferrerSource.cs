using System.Net;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Upstream;

/// <summary>
/// Lists what refers to a manifest (OCI distribution specification 1.1, "Listing Referrers"): from the API with its pages or, where a registry
/// has none, from the tag that clients keep for it. Safe for concurrent use.
/// </summary>
internal sealed class ReferrerSource(RegistryTransport transport, BodyLimit pageLimit)
{
    private const string Kind = "referrers";

    // A manifest with more referrers than this has them of somebody who means no good: each page costs a request.
    private const int MostPages = 50;
    private const long MostBytes = 32 << 20;

    private static readonly string[] Accept = [MediaTypes.OciIndex];

    public async Task<Answer<ReferrerList>> ListAsync(Reference subject, string? artifactType, FindManifest stored, CancellationToken cancel)
    {
        using var index = new ReferrerIndex(artifactType);
        var query = artifactType is null ? "" : "?artifactType=" + Uri.EscapeDataString(artifactType);
        var path = $"/v2/{subject.Repository}/referrers/{subject.Digest}{query}";
        var bytes = 0L;

        for (var page = 0; ; page++)
        {
            var sent = await transport.SendAsync(new RegistryRequest(Kind, HttpMethod.Get, path, subject.Repository) { Accept = Accept }, cancel);
            if (!sent.Has(out var response, out var error)) return error;
            if (page == 0 && HasNoApi(response))
            {
                using (response)
                {
                    // A page may be how a registry without the API says so, or be from somebody else on the way, who knows nothing of referrers.
                    var unsaid = response.Status == HttpStatusCode.OK ? response.Unusable("a page for people instead of a list of referrers") : null;
                    return await FromTagAsync(subject, index, artifactType, unsaid, stored, cancel);
                }
            }
            if (response.Status != HttpStatusCode.OK) return await response.RefusalAsync(RegistryError.ManifestUnknown, cancel);

            var isFiltered = IsFiltered(response);
            var next = LinkHeader.Next(response.Header("Link"));
            var read = await response.ReadAsync(pageLimit, cancel);
            if (!read.Has(out var content, out error)) return error;

            bytes += content.Length;
            if (!index.TryAdd(content, isFiltered)) return response.Unusable("something else than a list of referrers");
            if (next is null) return Finish(index, artifactType);
            if (page + 1 == MostPages || bytes > MostBytes) return response.Unusable($"more than {MostPages} pages or {MostBytes} bytes of referrers");
            if (!TryFollow(response.Address, next, out path)) return response.Unusable("a next page of referrers that is elsewhere");
        }
    }

    private async Task<Answer<ReferrerList>> FromTagAsync(
        Reference subject, ReferrerIndex index, string? artifactType, RegistryError? unsaid, FindManifest stored, CancellationToken cancel)
    {
        var reference = ReferrerIndex.TagOf(subject);

        // Asked by HEAD first: most images have no such tag, or the one that is stored, and any GET of a manifest counts at Docker Hub.
        var probed = await transport.SendAsync(RegistryUpstream.Manifest(HttpMethod.Head, reference) with { Kind = Kind }, cancel);
        if (!probed.Has(out var probe, out var error)) return error;
        using (probe)
        {
            if (probe.IsPage) return probe.Unusable(probe.Page);
            if (probe.Status == HttpStatusCode.NotFound) return unsaid is null ? Finish(index, artifactType) : unsaid;
            if (probe is { Status: HttpStatusCode.OK, Digest: { } digest } && await stored(digest, cancel) is { } known && index.TryAdd(known, isFiltered: false))
                return Finish(index, artifactType);
        }

        var sent = await transport.SendAsync(RegistryUpstream.Manifest(HttpMethod.Get, reference) with { Kind = Kind }, cancel);
        if (!sent.Has(out var response, out error)) return error;
        if (response is { Status: HttpStatusCode.NotFound, IsPage: false })
        {
            response.Dispose();
            return unsaid is null ? Finish(index, artifactType) : unsaid;
        }
        if (response.Status != HttpStatusCode.OK) return await response.RefusalAsync(RegistryError.ManifestUnknown, cancel);

        var read = await response.ReadAsync(pageLimit, cancel);
        if (!read.Has(out var content, out error)) return error;
        return index.TryAdd(content, isFiltered: false) ? Finish(index, artifactType) : response.Unusable("something else than a list of referrers");
    }

    private static ReferrerList Finish(ReferrerIndex index, string? artifactType) => new(index.Finish(), Filtered: artifactType is not null);

    // Besides 404, which the specification names: refusals of the path as such, and pages made for people.
    private static bool HasNoApi(RegistryResponse response) =>
        response.Status is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented or HttpStatusCode.BadRequest
        || (response.Status == HttpStatusCode.OK && response.MediaType?.StartsWith("text/", StringComparison.OrdinalIgnoreCase) == true);

    private static bool IsFiltered(RegistryResponse response) =>
        response.Header("OCI-Filters-Applied")
            .SelectMany(line => line.Split(',', StringSplitOptions.TrimEntries))
            .Contains("artifactType", StringComparer.OrdinalIgnoreCase);

    private static bool TryFollow(Uri page, string next, out string path)
    {
        path = "";
        if (!Uri.TryCreate(page, next, out var address) || address.Authority != page.Authority || address.Scheme != page.Scheme) return false;
        path = address.PathAndQuery;
        return path.StartsWith("/v2/", StringComparison.Ordinal);
    }
}
