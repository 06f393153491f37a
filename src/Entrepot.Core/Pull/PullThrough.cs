using Entrepot.Bundles;
using Entrepot.Oci;
using Entrepot.Warm;

namespace Entrepot.Pull;

/// <summary>The use case: what a client asks for, from the store or through it from an upstream.</summary>
/// <remarks>
/// Safe for concurrent use. A caller's cancellation ends its own wait and nothing else (invariant 6). Disposal ends what still runs for nobody
/// in particular, and waits for it: the index and the store may go afterwards. References are of configured upstreams. What asks an upstream stays with
/// the one that it found when it began, whatever <see cref="Replace"/> does meanwhile; who joins it gets what comes of that.
/// </remarks>
public sealed class PullThrough : IAsyncDisposable
{
    private static readonly FreshnessRules Removed = new() { Offline = true };

    private readonly CancellationTokenSource _stop = new();
    private volatile Dictionary<string, IUpstream> _upstreams;   // replaced as a whole, never changed
    private readonly IBlobStore _store;
    private readonly ICacheIndex _index;
    private readonly Pins _pins;
    private readonly ManifestPull _manifests;
    private readonly BlobPull _blobs;
    private readonly ReferrerLists _referrers;
    private readonly MemoryPull _memory;
    private readonly Recency _recency;
    private readonly Restoring _restoring;

    /// <summary>Joins the parts. The fetches and the upstreams stay their owner's to dispose.</summary>
    /// <param name="store">Bytes at rest.</param>
    /// <param name="index">What is remembered.</param>
    /// <param name="fetches">Blobs on their way.</param>
    /// <param name="memory">What is small and was served lately; this one's alone.</param>
    /// <param name="upstreams">Where they come from, each name once. Those that are offline are never asked anything.</param>
    /// <param name="clock">The time.</param>
    /// <param name="storeFailed">Told when a manifest or a tag could not be kept, though it was served; must return at once.</param>
    public PullThrough(
        IBlobStore store, ICacheIndex index, FetchTable fetches, MemoryCache memory, IEnumerable<IUpstream> upstreams, TimeProvider clock,
        Action<Reference, Exception> storeFailed)
    {
        (_store, _index) = (store, index);
        _upstreams = ByName(upstreams);
        _pins = new Pins(store, index);
        _memory = new MemoryPull(index, memory, clock);
        _manifests = new ManifestPull(store, index, fetches, _memory, _pins, clock, storeFailed, _stop.Token);
        _blobs = new BlobPull(store, fetches, _stop.Token);
        _referrers = new ReferrerLists(store, index, _pins, clock, storeFailed, _stop.Token);
        _recency = new Recency(store, clock, _stop.Token);
        _restoring = new Restoring(store, index, _manifests, _blobs, Upstream);
        Warmup = new Warmup(new WarmParts(store, index, fetches, _manifests, _referrers, _recency, _pins, name => _upstreams.GetValueOrDefault(name), clock));
        Images = new Images(store, index, _manifests, _referrers, _pins, name => _upstreams.GetValueOrDefault(name), clock, storeFailed);
        Bundles = new BundleExport(store, index, Images, name => _upstreams.GetValueOrDefault(name), clock);
    }

    /// <summary>What administrators do with what is cached.</summary>
    public Images Images { get; }

    /// <summary>Told of a stored blob that could not be read when it was to be served, and how that was said; must return at once.</summary>
    public Action<Digest, Exception>? Unreadable { get; init; }

    /// <summary>What goes into bundles.</summary>
    public BundleExport Bundles { get; }

    /// <summary>What has images in the store before anybody pulls them.</summary>
    public Warmup Warmup { get; }

    /// <summary>Has other upstreams from now on. What running pulls still ask, they ask the ones that they have.</summary>
    /// <param name="upstreams">All of them, as at the beginning.</param>
    public void Replace(IEnumerable<IUpstream> upstreams)
    {
        _upstreams = ByName(upstreams);
        _manifests.ForgetRefusals();   // those that follow may know better
    }

    /// <summary>A manifest that can be told at once: a hit, without a disk, an upstream, or waiting of any kind.</summary>
    /// <returns>Whether it can; if not, nothing is known of it, and <see cref="GetManifestAsync"/> is to be asked.</returns>
    public bool TryGetManifest(Reference reference, bool headOnly, out Pulled<ManifestContent> pulled)
    {
        if (!_memory.TryGet(reference, headOnly, Upstream(reference), out pulled)) return false;
        if (_memory.ShouldTouch(pulled.Content!.Digest)) _recency.Pulled(pulled.Content.Digest);
        return true;
    }

    /// <summary>A small blob, or the size of any, that can be told at once: a hit, without a disk, an upstream, or waiting of any kind.</summary>
    /// <returns>Whether it can; if not, nothing is known of it, and <see cref="GetBlobAsync"/> or <see cref="HeadBlobAsync"/> is to be asked.</returns>
    public bool TryGetBlob(Digest digest, bool headOnly, out Pulled<SmallBlob> pulled)
    {
        if (!_memory.TryGet(digest, headOnly, out pulled)) return false;
        if (!headOnly && _memory.ShouldTouchBlob(digest)) _recency.Served(digest);
        return true;
    }

    /// <summary>A manifest; with <paramref name="headOnly"/> its bytes may be left out.</summary>
    public async Task<Pulled<ManifestContent>> GetManifestAsync(Reference reference, bool headOnly, CancellationToken cancel)
    {
        var pulled = await _manifests.GetAsync(reference, headOnly, Upstream(reference), cancel);
        if (pulled.Content is { } manifest) _recency.Pulled(manifest.Digest);
        return pulled;
    }

    /// <summary>A blob's size, without its bytes.</summary>
    public Task<Pulled<BlobContent>> HeadBlobAsync(Reference reference, CancellationToken cancel) =>
        _blobs.HeadAsync(reference, Upstream(reference), cancel);

    /// <summary>A blob, or a part of it; the caller disposes the content.</summary>
    public async Task<Pulled<BlobContent>> GetBlobAsync(Reference reference, RangeRequest? range, CancellationToken cancel)
    {
        var pulled = await _blobs.GetAsync(reference, range, Upstream(reference), cancel);
        if (pulled.Source is PullSource.Hit) _recency.Used(reference.Digest);
        if (range is not null || pulled.Content is not { Blob: { } blob } content) return pulled;
        try
        {
            if (await _memory.AddAsync(reference.Digest, blob, cancel) is { } whole) return pulled with { Content = content with { Blob = whole } };

            // It has rotted since it was verified: it goes, once that is certain, and is fetched.
            await _store.VerifyAsync(reference.Digest, _ => default, cancel);
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
        {
            return await GetUnreadableBlobAsync(reference, range, fault, cancel);
        }

        return await _blobs.GetAsync(reference, range, Upstream(reference), cancel);
    }

    /// <summary>A blob that is stored, but that the disk does not give: from its upstream, and not kept. The caller disposes the content.</summary>
    /// <param name="reference">The blob.</param>
    /// <param name="range">What of it is wanted; <see langword="null"/> for all.</param>
    /// <param name="fault">How the disk said that.</param>
    /// <param name="cancel">Ends it.</param>
    public Task<Pulled<BlobContent>> GetUnreadableBlobAsync(Reference reference, RangeRequest? range, Exception fault, CancellationToken cancel)
    {
        Unreadable?.Invoke(reference.Digest, fault);
        return BlobPull.PassAsync(reference, range, null, Upstream(reference), cancel);
    }

    /// <summary>Waits until all uses so far are marked in the store, which goes on beside the requests.</summary>
    public Task MarkedAsync() => _recency.EndedAsync();

    /// <summary>Fetches again what was found wrong and dropped, if an image that is stored names it and its upstream gives it.</summary>
    /// <param name="digest">The blob.</param>
    /// <param name="cancel">Ends the wait for it.</param>
    /// <returns>Whether it is stored again, or about to be.</returns>
    public Task<bool> TryRestoreAsync(Digest digest, CancellationToken cancel) => _restoring.TryRestoreAsync(digest, cancel);

    /// <summary>One page of a repository's tags, as the upstream has them now.</summary>
    public async Task<Pulled<TagPage>> ListTagsAsync(Reference repository, int? count, string? last, CancellationToken cancel) =>
        (await Upstream(repository).ListTagsAsync(repository.Repository, count, last, cancel)).Has(out var page, out var error)
            ? new(PullSource.Fetched, page) { Relay = page.Relay }
            : new(error);

    /// <summary>What refers to a manifest: as the upstream has it now, or as it had it last, if it does not say and the manifest is stored.</summary>
    public Task<Pulled<ReferrerList>> ListReferrersAsync(Reference subject, string? artifactType, CancellationToken cancel) =>
        _referrers.GetAsync(subject, artifactType, Upstream(subject), cancel);

    /// <summary>One page of the names of the repositories that are cached, in ordinal order.</summary>
    /// <param name="upstream">The upstream whose repositories have no prefix.</param>
    /// <param name="only">Whether those of other upstreams are left out.</param>
    /// <param name="count">Most names wanted.</param>
    /// <param name="last">The name after which to begin; empty for the beginning.</param>
    /// <returns>The names, and whether there are more.</returns>
    public (IReadOnlyList<string> Names, bool HasMore) ListRepositories(string upstream, bool only, int count, string last)
    {
        var names = _index.Repositories()
            .Where(one => !only || one.Upstream == upstream)
            .Select(one => one.Upstream == upstream ? one.Repository : $"{one.Upstream}/{one.Repository}")
            .Where(name => string.CompareOrdinal(name, last) > 0)
            .Order(StringComparer.Ordinal)
            .Take(count + 1)
            .ToList();
        var hasMore = names.Count > count;
        if (hasMore) names.RemoveAt(count);
        return (names, hasMore);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _manifests.EndedAsync();
        await _referrers.EndedAsync();
        await MarkedAsync();
        _pins.Dispose();
        _stop.Dispose();
    }

    // One that was removed after the reference was made of a request: what is stored is still right, and nobody is asked.
    private IUpstream Upstream(Reference reference) =>
        _upstreams.TryGetValue(reference.Upstream, out var upstream) ? upstream : new OfflineUpstream(reference.Upstream, Removed);

    private static Dictionary<string, IUpstream> ByName(IEnumerable<IUpstream> upstreams) => upstreams.ToDictionary(
        upstream => upstream.Name, upstream => upstream.Freshness.Offline ? new OfflineUpstream(upstream.Name, upstream.Freshness) : upstream);
}
