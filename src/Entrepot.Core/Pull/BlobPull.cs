using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Pulls of blobs: from the store, from a running fetch, or by a fetch of their own. Safe for concurrent use.</summary>
internal sealed class BlobPull(IBlobStore store, FetchTable fetches, CancellationToken stop)
{
    /// <summary>The detail of an answer that passes through and is not kept.</summary>
    public const string Bypassed = "bypass";

    private readonly Flights<Reference, Answer<BlobInfo>> _heads = new();

    /// <summary>Tells a blob's size.</summary>
    public async Task<Pulled<BlobContent>> HeadAsync(Reference reference, IUpstream upstream, CancellationToken cancel)
    {
        if (await FindAsync(reference.Digest, cancel) is { } stored)
        {
            await using (stored) return new(PullSource.Hit, Whole(stored.Size)) { AsOf = stored.StoredAt };
        }

        if (fetches.Find(reference.Digest) is { Size: { } known } fetch)
            return new(fetch.IsVerified ? PullSource.Hit : PullSource.Joined, Whole(known), stored: !fetch.IsPassing);

        var (flight, started) = _heads.Join(reference, () => upstream.HeadBlobAsync(reference, stop));
        return (await flight.WaitAsync(cancel)).Has(out var info, out var error)
            ? new(started ? PullSource.Fetched : PullSource.Joined, Whole(info.Size)) { Relay = info.Relay }
            : new(error);
    }

    /// <summary>Opens a blob, or the part of it that a range asks for.</summary>
    public async Task<Pulled<BlobContent>> GetAsync(Reference reference, RangeRequest? range, IUpstream upstream, CancellationToken cancel)
    {
        var (found, relay) = (PullSource.Hit, default(Relay));
        while (true)
        {
            if (await FindAsync(reference.Digest, cancel) is { } stored)
                return new(found, Part(stored, range), stored: found is not PullSource.Hit) { AsOf = found is PullSource.Hit ? stored.StoredAt : null, Relay = relay };

            var (fetch, started) = fetches.Join(reference, range, upstream);
            var source = started ? PullSource.Fetched : fetch.IsVerified ? PullSource.Hit : PullSource.Joined;
            var follow = await fetch.FollowAsync(range, cancel);
            switch (follow.Kind)
            {
                case FollowKind.Following:
                    var blob = follow.Blob!;
                    var isThere = started ? fetch.HadLeft(new ByteSpan(blob.From, blob.To)) : follow.IsThere;
                    if (isThere && !blob.HoldTail) source = PullSource.Hit;   // nobody has to fetch it
                    return await FollowAsync(reference, range, upstream, fetch, blob, source, cancel);
                case FollowKind.StoreFailed:
                    return await PassAsync(reference, range, null, upstream, cancel);
                case FollowKind.Failed when started || follow.Error!.IsOutage || IsSameRepository(fetch.Leader, reference):
                    return new(follow.Error!);

                // Another repository was refused, which says nothing of this one; or another fetch goes on with what there is.
                case FollowKind.Failed or FollowKind.Rested:
                    continue;

                // It ended before it could be followed; where its bytes came from stays true, unless it had found them in the store itself.
                case FollowKind.Stored:
                    if (fetch.Size is not null) found = source;
                    if (found is not PullSource.Hit) relay = fetch.Relay;
                    continue;
            }
        }
    }

    private static async Task<Pulled<BlobContent>> FollowAsync(
        Reference reference, RangeRequest? range, IUpstream upstream, Fetch fetch, FollowedBlob blob, PullSource source, CancellationToken cancel)
    {
        var content = Part(blob, range);
        var relay = source is PullSource.Hit ? null : fetch.Relay;
        if (content.Span is not { } span || blob.Size == 0) return new(source, content, stored: true) { Relay = relay };
        if (!fetch.IsPassing) return new(source, content with { Blob = new CarriedBlob(blob, reference, upstream) }, stored: true) { Relay = relay };
        if (span.From == 0 && fetch.Arrived <= PassingPartial.WindowBytes)
            return new(PullSource.Bypass, content with { Blob = new BypassBlob(blob, reference, upstream) }, Bypassed) { Relay = relay };

        await blob.DisposeAsync();
        return await PassAsync(reference, range, blob.Size, upstream, cancel);
    }

    /// <summary>Straight from the upstream: what the store does not take or give, and what of it has gone by.</summary>
    /// <param name="reference">The blob.</param>
    /// <param name="range">What of it is wanted; <see langword="null"/> for all.</param>
    /// <param name="size">Bytes of the whole; <see langword="null"/> if that is not known.</param>
    /// <param name="upstream">Where it comes from.</param>
    /// <param name="cancel">Ends it.</param>
    public static async Task<Pulled<BlobContent>> PassAsync(
        Reference reference, RangeRequest? range, long? size, IUpstream upstream, CancellationToken cancel)
    {
        if (range is not null && size is null)
        {
            if (!(await upstream.HeadBlobAsync(reference, cancel)).Has(out var info, out var unknown)) return new(unknown);
            size = info.Size;
        }

        var part = default(ByteSpan?);
        if (range is { } wanted)
        {
            if (!wanted.TryResolve(size!.Value, out var resolved)) return new(PullSource.Bypass, new BlobContent(size.Value, null, true, null), Bypassed);
            part = resolved;
        }

        var opened = await upstream.OpenBlobAsync(reference, new BlobPart(part?.From ?? 0, part?.To), cancel);
        if (!opened.Has(out var source, out var error)) return new(error);
        if (source.Size is { } whole && source.Offset == (part?.From ?? 0) && (size ?? whole) == whole && (whole > 0 || reference.Digest.Matches([])))
        {
            var span = part ?? new ByteSpan(0, whole);
            return new(PullSource.Bypass, new BlobContent(whole, span, part is not null, new PassedBlob(source, reference.Digest, whole, span)), Bypassed) { Relay = source.Relay };
        }

        await source.DisposeAsync();
        return new(RegistryError.BadGateway("the upstream gives neither this range nor the blob's size"));
    }

    // A store that cannot look is as good as one that has nothing: the fetch meets the same fault, reports it, and the blob is passed through.
    private async ValueTask<Blob?> FindAsync(Digest digest, CancellationToken cancel)
    {
        try
        {
            return await store.OpenAsync(digest, cancel);
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
        {
            return null;
        }
    }

    private static BlobContent Part(Blob blob, RangeRequest? range)
    {
        if (range is not { } wanted) return new BlobContent(blob.Size, new ByteSpan(0, blob.Size), false, blob);
        return new BlobContent(blob.Size, wanted.TryResolve(blob.Size, out var span) ? span : null, true, blob);
    }

    private static BlobContent Whole(long size) => new(size, new ByteSpan(0, size), false, null);

    private static bool IsSameRepository(Reference one, Reference other) => one.Upstream == other.Upstream && one.Repository == other.Repository;
}
