using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Pulls of manifests, by tag and by digest. Safe for concurrent use.</summary>
/// <remarks>Everything that asks an upstream runs once for all who wait for it, and goes on when they leave.</remarks>
internal sealed class ManifestPull(
    IBlobStore store, ICacheIndex index, FetchTable fetches, TimeProvider clock, Action<Reference, Exception> storeFailed, CancellationToken stop)
{
    private readonly Flights<Reference, Answer<TagRecord>> _tags = new();
    private readonly Flights<Reference, Answer<ManifestInfo>> _heads = new();
    private readonly Flights<Digest, (Reference Leader, Answer<ManifestContent> Answer, bool Stored)> _manifests = new();

    /// <summary>Whether this is how a disk says that it cannot: no reason for a pull to fail.</summary>
    public static bool IsStoreFault(Exception fault) => fault is IOException or UnauthorizedAccessException;

    /// <summary>Gets a manifest, or only what its headers tell.</summary>
    public async Task<Pulled<ManifestContent>> GetAsync(Reference reference, bool headOnly, IUpstream upstream, CancellationToken cancel)
    {
        if (reference.IsTag) return await ByTagAsync(reference, headOnly, upstream, cancel);
        return headOnly ? await HeadByDigestAsync(reference, upstream, cancel) : await ByDigestAsync(reference, upstream, cancel);
    }

    private async Task<Pulled<ManifestContent>> ByTagAsync(Reference tag, bool headOnly, IUpstream upstream, CancellationToken cancel)
    {
        var known = index.FindTag(tag);
        if (known is not null && Freshness.IsFresh(known, upstream.TagTtl, clock.GetUtcNow()))
            return await FromRecordAsync(tag, known, PullSource.Hit, null, headOnly, upstream, cancel);

        var (flight, started) = _tags.Join(tag, () => ResolveAsync(tag, upstream));
        if ((await flight.WaitAsync(cancel)).Has(out var record, out var error))
        {
            var source = !started ? PullSource.Joined : known?.Digest == record.Digest ? PullSource.Revalidated : PullSource.Fetched;
            return await FromRecordAsync(tag, record, source, null, headOnly, upstream, cancel);
        }

        // What is known is better than an outage; what the upstream said no to is not served.
        return known is not null && error.IsOutage
            ? await FromRecordAsync(tag, known, PullSource.Stale, Freshness.WhyStale(error), headOnly, upstream, cancel)
            : new(error);
    }

    private async Task<Pulled<ManifestContent>> FromRecordAsync(
        Reference tag, TagRecord record, PullSource source, string? detail, bool headOnly, IUpstream upstream, CancellationToken cancel)
    {
        var isOutage = source is PullSource.Stale;
        if (headOnly)
        {
            if ((isOutage || upstream.IsDown) && await MissingPartAsync(tag.At(record.Digest), cancel) is { } missing) return new(missing);
            return new(source, new ManifestContent(record.Digest, record.MediaType, record.Size, default), detail) { AsOf = record.ValidatedAt };
        }

        var manifest = await ByDigestAsync(tag.At(record.Digest), upstream, cancel, isOutage);
        return manifest.Source is PullSource.Hit ? manifest with { Source = source, Detail = detail, AsOf = record.ValidatedAt } : manifest;
    }

    private async Task<Pulled<ManifestContent>> ByDigestAsync(Reference reference, IUpstream upstream, CancellationToken cancel, bool isOutage = false)
    {
        while (true)
        {
            if (await LoadAsync(reference, cancel) is { } stored) return Hit(stored, isOutage || upstream.IsDown);

            var (flight, started) = _manifests.Join(reference.Digest, () => FetchAsync(reference, upstream));
            var (leader, answer, kept) = await flight.WaitAsync(cancel);
            if (answer.Has(out var content, out var error))
                return kept
                    ? new(started ? PullSource.Fetched : PullSource.Joined, content, stored: true)
                    : new(PullSource.Bypass, content, BlobPull.Bypassed);

            // Another repository was refused, which says nothing of this one.
            if (started || error.IsOutage || leader == reference) return new(error);
        }
    }

    private async Task<Pulled<ManifestContent>> HeadByDigestAsync(Reference reference, IUpstream upstream, CancellationToken cancel)
    {
        if (await LoadAsync(reference, cancel) is { } stored) return Hit(stored, upstream.IsDown);

        var (flight, started) = _heads.Join(reference, () => upstream.HeadManifestAsync(reference, stop));
        if (!(await flight.WaitAsync(cancel)).Has(out var info, out var error)) return new(error);
        if (info.Digest is { } told && told != reference.Digest)
            return new(RegistryError.BadGateway($"asked for {reference.Digest}, the upstream answered with {told}"));

        return info is { MediaType: var mediaType, Size: { } size } && MediaTypes.IsUsable(mediaType)
            ? new(started ? PullSource.Fetched : PullSource.Joined, new ManifestContent(reference.Digest, mediaType, size, default))
            : await ByDigestAsync(reference, upstream, cancel);
    }

    // Asks the upstream what a tag means. What it says is durable before anybody is told.
    private async Task<Answer<TagRecord>> ResolveAsync(Reference tag, IUpstream upstream)
    {
        var answer = await upstream.HeadManifestAsync(tag, stop);
        if (answer.Error is { } error)
        {
            if (error.Status == 404) await KeepAsync(tag, () => index.RemoveTagAsync(tag, stop));
            return error;
        }

        if (answer.Value is { Digest: { } digest, MediaType: var mediaType, Size: { } size } && MediaTypes.IsUsable(mediaType))
            return await RememberAsync(tag, new TagRecord(digest, mediaType, size, clock.GetUtcNow()));

        // An upstream whose HEAD does not tell the digest is asked for the manifest itself.
        if (!(await upstream.GetManifestAsync(tag, stop)).Has(out var received, out var missing)) return missing;
        var name = received.Digest ?? Digest.Of(received.Content.Span);
        if (!Accept(tag.At(name), received, isNamed: false).Has(out var content, out var wrong)) return wrong;
        await KeepAsync(tag.At(name), content);
        return await RememberAsync(tag, new TagRecord(content.Digest, content.MediaType, content.Size, clock.GetUtcNow()));
    }

    private async Task<Answer<TagRecord>> RememberAsync(Reference tag, TagRecord record)
    {
        await KeepAsync(tag, () => index.SetTagAsync(tag, record, stop));
        return record;
    }

    private async Task<(Reference, Answer<ManifestContent>, bool)> FetchAsync(Reference reference, IUpstream upstream)
    {
        // A fetch that ended between the request's miss and this one's start has left its manifest in the store.
        if (await LoadAsync(reference, stop) is { } stored) return (reference, stored, true);

        if (!(await upstream.GetManifestAsync(reference, stop)).Has(out var received, out var missing)) return (reference, missing, false);
        if (!Accept(reference, received, isNamed: true).Has(out var content, out var wrong)) return (reference, wrong, false);
        return (reference, content, await KeepAsync(reference, content));
    }

    // Bytes that were asked for by digest are what the digest says. Those of a tag have to look like a manifest, or any web page would do.
    private static Answer<ManifestContent> Accept(Reference reference, ReceivedManifest received, bool isNamed)
    {
        if (!reference.Digest.Matches(received.Content.Span))
            return RegistryError.BadGateway($"the manifest received is not {reference.Digest}");

        var manifest = Manifest.TryParse(received.Content);
        if (manifest is null && !isNamed) return RegistryError.BadGateway("what the upstream sent is not a manifest");
        var mediaType = MediaTypes.IsUsable(received.MediaType) ? received.MediaType
            : MediaTypes.IsUsable(manifest?.MediaType) ? manifest.MediaType
            : MediaTypes.OciManifest;
        return new ManifestContent(reference.Digest, mediaType, received.Content.Length, received.Content);
    }

    private async Task<bool> KeepAsync(Reference reference, ManifestContent content) => await KeepAsync(reference, async () =>
    {
        await using var partial = await store.CreateAsync(reference.Digest, stop);
        await partial.WriteAsync(content.Bytes, stop);
        await partial.VerifyAsync(stop);
        await partial.CommitAsync(stop);
        await index.AddManifestAsync(reference, content.MediaType, stop);
    });

    // Returns whether it is kept. If the store fails the pull does not: what the upstream said is right all the same.
    private async Task<bool> KeepAsync(Reference reference, Func<ValueTask> keep)
    {
        try
        {
            await keep();
            return true;
        }
        catch (Exception fault) when (IsStoreFault(fault))
        {
            storeFailed(reference, fault);
            return false;
        }
    }

    private async ValueTask<ManifestContent?> LoadAsync(Reference reference, CancellationToken cancel)
    {
        try
        {
            return await ReadAsync(reference.Digest, cancel);
        }
        catch (Exception fault) when (IsStoreFault(fault))   // the upstream is asked instead
        {
            storeFailed(reference, fault);
            return null;
        }
    }

    // Bytes without a known media type are of a blob, or of a manifest whose record did not survive: not to be served as a manifest.
    private async ValueTask<ManifestContent?> ReadAsync(Digest digest, CancellationToken cancel)
    {
        if (index.FindMediaType(digest) is not { } mediaType || await store.OpenAsync(digest, cancel) is not { } blob) return null;

        await using (blob)
        {
            var bytes = new byte[blob.Size];
            for (var done = 0; done < bytes.Length;)
            {
                var count = await blob.ReadAsync(bytes.AsMemory(done), done, cancel);
                if (count == 0) throw new IOException($"{digest} is shorter than it was");
                done += count;
            }

            return new ManifestContent(digest, mediaType, bytes.Length, bytes, blob.StoredAt);
        }
    }

    private async ValueTask<RegistryError?> MissingPartAsync(Reference reference, CancellationToken cancel) =>
        await LoadAsync(reference, cancel) is { } stored ? MissingPart(stored) : Incomplete("its manifest");

    // An engine that was given a manifest expects the blobs from the same place (design, section 4): an image that is not whole is refused first.
    private RegistryError? MissingPart(ManifestContent content) =>
        Manifest.TryParse(content.Bytes)?.Blobs.FirstOrDefault(blob => !IsHere(blob.Digest)) is { } missing
            ? Incomplete(missing.Digest.ToString())
            : null;

    // Bytes that are verified count, be they durable yet or not.
    private bool IsHere(Digest digest) => store.Contains(digest) || fetches.Find(digest) is { IsVerified: true };

    private Pulled<ManifestContent> Hit(ManifestContent stored, bool isOutage) =>
        isOutage && MissingPart(stored) is { } incomplete ? new(incomplete) : new(PullSource.Hit, stored) { AsOf = stored.StoredAt };

    private static RegistryError Incomplete(string part) => RegistryError.Down($"the upstream is out of reach, and {part} of this image is not stored");
}
