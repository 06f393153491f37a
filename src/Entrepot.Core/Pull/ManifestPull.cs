using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Pulls of manifests, by tag and by digest. Safe for concurrent use.</summary>
/// <remarks>Everything that asks an upstream runs once for all who wait for it, and goes on when they leave.</remarks>
internal sealed class ManifestPull(
    IBlobStore store, ICacheIndex index, FetchTable fetches, MemoryPull memory, Pins pins, TimeProvider clock, Action<Reference, Exception> storeFailed,
    CancellationToken stop)
{
    private readonly Flights<Reference, Resolved> _tags = new();
    private readonly Flights<Reference, Answer<ManifestInfo>> _heads = new();
    private readonly Flights<Digest, (Reference Leader, Answer<ManifestContent> Answer, PullSource Source, Relay? Relay)> _manifests = new();
    private readonly Refusals _refusals = new();

    /// <summary>Whether this is how a disk says that it cannot: no reason for a pull to fail.</summary>
    public static bool IsStoreFault(Exception fault) => fault is IOException or UnauthorizedAccessException;

    /// <summary>Gets a manifest, or only what its headers tell.</summary>
    public async Task<Pulled<ManifestContent>> GetAsync(Reference reference, bool headOnly, IUpstream upstream, CancellationToken cancel)
    {
        if (reference.IsTag) return await ByTagAsync(reference, headOnly, upstream, cancel);
        return headOnly ? await HeadByDigestAsync(reference, upstream, cancel) : await ByDigestAsync(reference, upstream, cancel);
    }

    /// <summary>Upstreams are asked again for what they said no to.</summary>
    public void ForgetRefusals() => _refusals.Clear();

    /// <summary>Asks what a tag means now, however fresh it is.</summary>
    public async Task<Answer<TagRecord>> RefreshAsync(Reference tag, IUpstream upstream, CancellationToken cancel)
    {
        // Asking that had begun before may bring what was true before; whoever asks from now on shares this one.
        for (var isLater = false; ; isLater = true)
        {
            var (flight, started) = _tags.Join(tag, () => AskAndKeepAsync(tag, upstream));
            var resolved = await flight.WaitAsync(cancel);
            if (started || (isLater && resolved.Asked)) return resolved.Answer;
        }
    }

    /// <summary>Waits until nothing runs any longer, not even for those who have left. Those who could begin something have ended before.</summary>
    public async Task EndedAsync()
    {
        await _tags.EndedAsync();   // first: they may begin one of the others
        await _heads.EndedAsync();
        await _manifests.EndedAsync();
    }

    private async Task<Pulled<ManifestContent>> ByTagAsync(Reference tag, bool headOnly, IUpstream upstream, CancellationToken cancel)
    {
        var (known, decision) = Decide(tag, upstream);
        if (decision.Action is not TagAction.Ask) return await DoAsync(decision);

        var (flight, started) = _tags.Join(tag, () => ResolveAsync(tag, upstream));
        var resolved = await WithinAsync(flight, decision.Patience, cancel);
        if (resolved is null)
        {
            var stale = await DoAsync(Freshness.AfterAsking(known, null, upstream.Freshness, clock.GetUtcNow()));
            if (stale.Error is null) return stale;

            // An image that is not whole cannot be served without its upstream: worth some wait, but none that an engine loses its patience or its next mirror in.
            var rest = FreshnessRules.LeastWait - decision.Patience;
            resolved = await WithinAsync(flight, rest > TimeSpan.Zero ? rest : TimeSpan.Zero, cancel);
            if (resolved is null) return new(RegistryError.Silent($"it takes longer than is waited for; {stale.Error.Detail}"));
        }

        if (!resolved.Answer.Has(out var record, out var error))
            return await DoAsync(Freshness.AfterAsking(known, error, upstream.Freshness, clock.GetUtcNow()));

        var source = !started || !resolved.Asked ? PullSource.Joined
            : known?.Digest == record.Digest ? PullSource.Revalidated
            : PullSource.Fetched;
        // Of the two answers that may have been needed it is the one about the tag that tells how old what it means is.
        return await FromRecordAsync(tag, record, source, default, headOnly, upstream, cancel) with { Relay = resolved.Relay };

        async Task<Pulled<ManifestContent>> DoAsync(TagDecision decided) => decided.Action switch
        {
            TagAction.Hit => await FromRecordAsync(tag, known!, PullSource.Hit, decided, headOnly, upstream, cancel),
            TagAction.Stale => await FromRecordAsync(tag, known!, PullSource.Stale, decided, headOnly, upstream, cancel),
            _ => new(decided.Error!),
        };
    }

    // The record first: it must not be younger than the time that it is compared with.
    private (TagRecord? Known, TagDecision Decision) Decide(Reference tag, IUpstream upstream)
    {
        var (known, refusal) = (index.FindTag(tag), _refusals.Find(tag));
        var decision = Freshness.BeforeAsking(tag.Tag, known, refusal, upstream.Freshness, isShort: false, clock.GetUtcNow());
        return decision.Action is TagAction.Ask && upstream.IsShort
            ? (known, Freshness.BeforeAsking(tag.Tag, known, refusal, upstream.Freshness, isShort: true, clock.GetUtcNow()))
            : (known, decision);
    }

    // Returns null if the work takes longer; it goes on.
    private async Task<Resolved?> WithinAsync(Task<Resolved> flight, TimeSpan patience, CancellationToken cancel)
    {
        try
        {
            return await flight.WaitAsync(patience, clock, cancel);
        }
        catch (TimeoutException)
        {
            return flight.IsCompleted ? await flight : null;
        }
    }

    private async Task<Pulled<ManifestContent>> FromRecordAsync(
        Reference tag, TagRecord record, PullSource source, TagDecision decision, bool headOnly, IUpstream upstream, CancellationToken cancel)
    {
        var reference = tag.At(record.Digest);
        if ((source is PullSource.Stale || upstream.IsDown) && await MissingPartAsync(reference, cancel) is { } missing)
            return new(decision.Error is not { } error ? missing : Freshness.IsDenial(error) ? error : error with { Detail = $"{error.Detail ?? error.Message}; {missing.Detail}" });
        if (headOnly)
            return new(source, new ManifestContent(record.Digest, record.MediaType, record.Size, default), decision.Why) { AsOf = record.ValidatedAt };

        var manifest = await ByDigestAsync(reference, upstream, cancel);
        if (manifest.Error is { Status: 404 } && !upstream.Freshness.Offline)
        {
            // It lied, or the tag has moved since and what it pointed to is gone: whoever asks next asks for the tag anew.
            await KeepAsync(tag, () => index.RemoveTagAsync(tag, stop));
            return new(Dangling(record.Digest));
        }

        return manifest.Source is PullSource.Hit
            ? manifest with { Source = source, Detail = decision.Why, Stored = source is PullSource.Fetched, AsOf = record.ValidatedAt }
            : manifest;
    }

    private async Task<Pulled<ManifestContent>> ByDigestAsync(Reference reference, IUpstream upstream, CancellationToken cancel)
    {
        while (true)
        {
            if (await LoadAsync(reference, cancel) is { } stored) return Hit(stored, upstream.IsDown);
            if (Gone(reference, upstream) is { } gone) return new(gone);

            var (flight, started) = _manifests.Join(reference.Digest, () => FetchAsync(reference, upstream));
            var (leader, answer, source, relay) = await flight.WaitAsync(cancel);
            if (answer.Has(out var content, out var error))
                return source switch
                {
                    PullSource.Hit => new(source, content) { AsOf = content.StoredAt },
                    PullSource.Bypass => new(source, content, BlobPull.Bypassed) { Relay = relay },
                    _ => new(started ? source : PullSource.Joined, content, stored: true) { Relay = relay },
                };

            // Another repository was refused, which says nothing of this one.
            if (started || error.IsOutage || leader == reference) return new(error);
        }
    }

    private async Task<Pulled<ManifestContent>> HeadByDigestAsync(Reference reference, IUpstream upstream, CancellationToken cancel)
    {
        if (await LoadAsync(reference, cancel) is { } stored) return Hit(stored, upstream.IsDown);
        if (Gone(reference, upstream) is { } gone) return new(gone);

        var (flight, started) = _heads.Join(reference, async () => Note(reference, await upstream.HeadManifestAsync(reference, stop)));
        if (!(await flight.WaitAsync(cancel)).Has(out var info, out var error)) return new(error);
        if (info.Digest is { } told && told != reference.Digest)
            return new(RegistryError.BadGateway($"asked for {reference.Digest}, the upstream answered with {told}"));

        return info is { MediaType: var mediaType, Size: { } size } && MediaTypes.IsUsable(mediaType)
            ? new(started ? PullSource.Fetched : PullSource.Joined, new ManifestContent(reference.Digest, mediaType, size, default)) { Relay = info.Relay }
            : await ByDigestAsync(reference, upstream, cancel);
    }

    private RegistryError? Gone(Reference reference, IUpstream upstream) =>
        _refusals.Find(reference) is { } refusal && Freshness.IsGone(refusal, upstream.Freshness, clock.GetUtcNow()) ? refusal.Error : null;

    private Answer<T> Note<T>(Reference reference, Answer<T> answer) where T : class
    {
        if (answer.Error is not { } error) _refusals.Remove(reference);
        else if (!error.IsOutage) _refusals.Add(reference, new Refusal(error, clock.GetUtcNow()));
        return answer;
    }

    // Finds out what a tag means, unless a flight that ended between the request's look and this one's start has found it out.
    private async Task<Resolved> ResolveAsync(Reference tag, IUpstream upstream)
    {
        var (known, decision) = Decide(tag, upstream);
        if (decision.Action is not TagAction.Ask) return new(decision.Error is { } refused ? refused : known!, Asked: false);
        return await AskAndKeepAsync(tag, upstream);
    }

    // What the upstream says is durable before anybody is told.
    private async Task<Resolved> AskAndKeepAsync(Reference tag, IUpstream upstream)
    {
        var (answer, relay) = await AskAsync(tag, index.FindTag(tag), upstream);
        if (answer.Has(out var record, out var error)) await KeepAsync(tag, () => SetTagAsync(tag, record));
        else if (error.Status == 404) await KeepAsync(tag, () => index.RemoveTagAsync(tag, stop));
        return new(Note(tag, answer), Asked: true, relay);
    }

    private async ValueTask SetTagAsync(Reference tag, TagRecord record)
    {
        await index.SetTagAsync(tag, record, stop);
        await pins.MovedAsync(tag, record.Digest);
    }

    private async Task<(Answer<TagRecord>, Relay?)> AskAsync(Reference tag, TagRecord? known, IUpstream upstream)
    {
        if (!(await upstream.HeadManifestAsync(tag, stop)).Has(out var info, out var error)) return (error, null);
        if (info is { Digest: { } digest, MediaType: var mediaType, Size: { } size } && MediaTypes.IsUsable(mediaType))
        {
            // A tag that moved is only worth having with what it moved to; until that has come, the old one is.
            if (known is not null && known.Digest != digest && (await ByDigestAsync(tag.At(digest), upstream, stop)).Error is { } failed)
                return (failed.Status == 404 ? Dangling(digest) : failed, null);
            return (new TagRecord(digest, mediaType, size, clock.GetUtcNow()), info.Relay);
        }

        // An upstream whose HEAD does not tell the digest is asked for the manifest itself.
        if (!(await upstream.GetManifestAsync(tag, stop)).Has(out var received, out var missing)) return (missing, null);
        var name = received.Digest ?? Digest.Of(received.Content.Span);
        if (!Accept(tag.At(name), received, isNamed: false).Has(out var content, out var wrong)) return (wrong, null);
        await KeepAsync(tag.At(name), content);
        return (new TagRecord(content.Digest, content.MediaType, content.Size, clock.GetUtcNow()), received.Relay);
    }

    private async Task<(Reference, Answer<ManifestContent>, PullSource, Relay?)> FetchAsync(Reference reference, IUpstream upstream)
    {
        // A fetch that ended between the request's miss and this one's start has left its manifest in the store.
        if (await LoadAsync(reference, stop) is { } stored) return (reference, stored, PullSource.Hit, null);

        var answer = Note(reference, await upstream.GetManifestAsync(reference, stop));
        if (!answer.Has(out var received, out var missing)) return (reference, missing, PullSource.Failed, null);
        if (!Accept(reference, received, isNamed: true).Has(out var content, out var wrong)) return (reference, wrong, PullSource.Failed, null);
        return (reference, content, await KeepAsync(reference, content) ? PullSource.Fetched : PullSource.Bypass, received.Relay);
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
        await using var partial = await store.CreateAsync(reference.Digest, FillMode.Complete, stop);
        if (!await partial.ReserveAsync(content.Size, stop)) throw new NoRoomException($"there is no room for {content.Size} bytes");
        await partial.WriteAsync(content.Bytes, 0, stop);
        await partial.VerifyAsync(stop);
        await partial.CommitAsync(stop);
        await index.AddManifestAsync(reference, content.MediaType, stop);
        await pins.ArrivedAsync(reference.Digest);
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
        if (memory.Find(digest, headOnly: false) is { } known) return known;
        if (index.FindMediaType(digest) is not { } mediaType || await store.OpenAsync(digest, cancel) is not { } blob) return null;

        await using (blob)
        {
            var bytes = await blob.ReadAllAsync(cancel);
            var manifest = new ManifestContent(digest, mediaType, bytes.Length, bytes, blob.StoredAt);
            if (memory.Add(manifest)) return manifest;
        }

        // It has rotted since it was verified: it goes, once that is certain, and the upstream is asked.
        await store.VerifyAsync(digest, _ => default, cancel);
        return null;
    }

    private async ValueTask<RegistryError?> MissingPartAsync(Reference reference, CancellationToken cancel) =>
        await LoadAsync(reference, cancel) is { } stored ? MissingPart(stored) : Incomplete("its manifest");

    // An engine that was given an image's manifest expects the blobs from the same place (design, section 4): an image that is not whole is refused first.
    private RegistryError? MissingPart(ManifestContent content) =>
        Manifest.TryParse(content.Bytes) is { IsImage: true } image && image.Blobs.FirstOrDefault(blob => !IsHere(blob.Digest)) is { } missing
            ? Incomplete(missing.Digest.ToString())
            : null;

    // Bytes that are verified count, be they durable yet or not.
    private bool IsHere(Digest digest) => store.Contains(digest) || fetches.Find(digest) is { IsVerified: true };

    private Pulled<ManifestContent> Hit(ManifestContent stored, bool isOutage) =>
        isOutage && MissingPart(stored) is { } incomplete ? new(incomplete) : new(PullSource.Hit, stored) { AsOf = stored.StoredAt };

    private static RegistryError Dangling(Digest digest) => RegistryError.BadGateway($"the tag points to {digest}, which the upstream does not have");

    private static RegistryError Incomplete(string part) => RegistryError.Down($"the upstream is out of reach, and {part} of this image is not stored");

    // What asking for a tag brought, or what another request's asking had brought just before.
    private sealed record Resolved(Answer<TagRecord> Answer, bool Asked, Relay? Relay = null);
}
