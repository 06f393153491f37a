using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Lists of what refers to a manifest: from the upstream, and kept for manifests that are stored, so that they can be told while it is away. Safe for concurrent use.</summary>
/// <remarks>
/// A list is kept whole, so that any type can be found in it later; it is a blob of its own, and a durable record says whose it is. What asks an upstream and
/// keeps the answer runs once for all who wait for it, and goes on when they leave.
/// </remarks>
internal sealed class ReferrerLists(IBlobStore store, ICacheIndex index, Pins pins, TimeProvider clock, Action<Reference, Exception> storeFailed, CancellationToken stop)
{
    /// <summary>The name of a list of nothing.</summary>
    public static Digest Nothing { get; } = Digest.Of(ReferrerIndex.Empty.Span);

    private readonly StoredManifests _manifests = new(store);
    private readonly Flights<Reference, Answer<ReferrerList>> _asking = new();
    private readonly Flights<Digest, bool> _keeping = new();

    /// <summary>What refers to a manifest: as the upstream has it now, or as it had it last, if it does not say.</summary>
    public async Task<Pulled<ReferrerList>> GetAsync(Reference subject, string? artifactType, IUpstream upstream, CancellationToken cancel)
    {
        var known = await FindAsync(subject, cancel);
        if (known is null && !IsStored(subject)) return Told(await upstream.ListReferrersAsync(subject, artifactType, FindStoredAsync, cancel), artifactType);

        if (known is not { } kept) return Told(await RefreshAsync(subject, upstream, cancel), artifactType);

        // Judged like a tag that is never fresh.
        var record = new TagRecord(Nothing, MediaTypes.OciIndex, 0, kept.AsOf);
        var rules = upstream.Freshness with { TagTtl = TimeSpan.Zero, Tags = [] };
        var decision = Freshness.BeforeAsking("", record, refusal: null, rules, isShort: false, clock.GetUtcNow());
        if (decision.Action is TagAction.Stale) return Kept(decision);

        var answer = await WithinAsync(RefreshAsync(subject, upstream, cancel), decision.Patience, cancel);
        if (answer is { Value: not null } said) return Told(said, artifactType);
        var otherwise = Freshness.AfterAsking(record, answer?.Error, rules, clock.GetUtcNow());
        return otherwise.Action is TagAction.Stale ? Kept(otherwise) : new(otherwise.Error!);

        Pulled<ReferrerList> Kept(TagDecision why) => Told(new ReferrerList(kept.List, Filtered: false), artifactType) with
        {
            Source = PullSource.Stale,
            Detail = why.Why,
            AsOf = kept.AsOf,
        };
    }

    /// <summary>Asks the upstream for all that refers to a manifest, and keeps what it says if the manifest is stored.</summary>
    public Task<Answer<ReferrerList>> RefreshAsync(Reference subject, IUpstream upstream, CancellationToken cancel)
    {
        var (asking, _) = _asking.Join(subject, () => AskAndKeepAsync(subject, upstream));
        return asking.WaitAsync(cancel);
    }

    /// <summary>The list that is kept, and since when it is; <see langword="null"/> if none is.</summary>
    public async ValueTask<(ReadOnlyMemory<byte> List, DateTimeOffset AsOf)?> FindAsync(Reference subject, CancellationToken cancel)
    {
        if (index.FindReferrers(subject) is not { } record) return null;
        if (record.List == Nothing) return (ReferrerIndex.Empty, record.ValidatedAt);
        try
        {
            if (await store.OpenAsync(record.List, cancel) is not { } blob) return null;
            await using (blob)
            {
                store.Touch(record.List, clock.GetUtcNow());
                var list = await blob.ReadAllAsync(cancel);
                if (record.List.Matches(list)) return (list, record.ValidatedAt);
            }

            // As with a manifest that has rotted.
            await store.VerifyAsync(record.List, _ => default, cancel);
            return null;
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))   // the upstream is asked instead
        {
            storeFailed(subject, fault);
            return null;
        }
    }

    /// <summary>Finds a manifest in the store; one that has rotted, or that the disk refuses, is not there.</summary>
    public async ValueTask<ReadOnlyMemory<byte>?> FindStoredAsync(Digest digest, CancellationToken cancel)
    {
        try
        {
            if (await store.OpenAsync(digest, cancel) is not { } blob) return null;
            await using (blob)
            {
                if (blob.Size > StoredManifests.MaxBytes) return null;
                var content = await blob.ReadAllAsync(cancel);
                return digest.Matches(content) ? content : default(ReadOnlyMemory<byte>?);
            }
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
        {
            return null;
        }
    }

    /// <summary>What a stored manifest refers to, in its repository; <see langword="null"/> if nothing, or if it is not stored.</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    public async Task<Reference?> SubjectOfAsync(Reference manifest, CancellationToken cancel) =>
        await _manifests.ReadAsync(manifest.Digest, cancel) is { } content && ReferrerIndex.SubjectOf(content) is { } subject ? manifest.At(subject) : null;

    /// <summary>Takes a manifest that goes out of the list that is kept of what refers to its subject: nothing is listed that could not be had. Called while no pin changes.</summary>
    /// <returns>The list that another one replaces now, and that the caller is to remove; <see langword="null"/> if none was replaced.</returns>
    /// <exception cref="IOException">The disk refuses.</exception>
    public async Task<Digest?> UnlistAsync(Digest referrer, Reference subject)
    {
        if (index.FindReferrers(subject) is not { } record || record.List == Nothing || await _manifests.ReadAsync(record.List, stop) is not { } list) return null;

        var isListed = false;
        using var others = new ReferrerIndex(null);
        if (!others.TryAddOnly(list, IsOther) || !isListed) return null;

        var content = others.Finish();
        var digest = Digest.Of(content.Span);
        using var held = pins.Hold([digest]);
        if (digest != Nothing) await StoreOnceAsync(digest, content);
        await index.SetReferrersAsync(subject, record with { List = digest }, stop);
        await pins.RelistedAsync(subject.Digest);
        return record.List;

        bool IsOther(Digest listed)
        {
            isListed |= listed == referrer;
            return listed != referrer;
        }
    }

    /// <summary>Waits until nothing runs any longer, not even for those who have left.</summary>
    public async Task EndedAsync()
    {
        await _asking.EndedAsync();
        await _keeping.EndedAsync();
    }

    private bool IsStored(Reference subject) => index.FindMediaType(subject.Digest) is not null && store.Contains(subject.Digest);

    private async Task<Answer<ReferrerList>> AskAndKeepAsync(Reference subject, IUpstream upstream)
    {
        var answer = await upstream.ListReferrersAsync(subject, null, FindStoredAsync, stop);
        if (!answer.Has(out var list, out _) || !IsStored(subject)) return answer;
        try
        {
            await KeepAsync(subject, list.Content);
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))   // what the upstream said is right all the same
        {
            storeFailed(subject, fault);
        }

        return answer;
    }

    private async Task KeepAsync(Reference subject, ReadOnlyMemory<byte> list)
    {
        var digest = Digest.Of(list.Span);
        if (digest != Nothing) await StoreOnceAsync(digest, list);

        var isNews = index.FindReferrers(subject)?.List != digest;
        await index.SetReferrersAsync(subject, new ReferrersRecord(digest, clock.GetUtcNow()), stop);
        if (isNews) await pins.ArrivedAsync(subject.Digest);
    }

    private async Task StoreOnceAsync(Digest digest, ReadOnlyMemory<byte> list)
    {
        var (keeping, _) = _keeping.Join(digest, () => StoreAsync(digest, list));
        await keeping;
    }

    private async Task<bool> StoreAsync(Digest digest, ReadOnlyMemory<byte> list)
    {
        if (store.Contains(digest)) return true;
        await using var partial = await store.CreateAsync(digest, FillMode.Complete, stop);
        if (!await partial.ReserveAsync(list.Length, stop)) throw new IOException($"there is no room for {list.Length} bytes");
        await partial.WriteAsync(list, 0, stop);
        await partial.VerifyAsync(stop);
        await partial.CommitAsync(stop);
        return true;
    }

    // Returns null if the answer takes longer; asking goes on.
    private async Task<Answer<ReferrerList>?> WithinAsync(Task<Answer<ReferrerList>> asking, TimeSpan patience, CancellationToken cancel)
    {
        try
        {
            return await asking.WaitAsync(patience, clock, cancel);
        }
        catch (TimeoutException)
        {
            return asking.IsCompleted ? await asking : (Answer<ReferrerList>?)null;
        }
    }

    private static Pulled<ReferrerList> Told(Answer<ReferrerList> answer, string? artifactType)
    {
        if (!answer.Has(out var list, out var error)) return new(error);
        if (artifactType is null || list.Filtered) return new(PullSource.Fetched, list);

        using var filtered = new ReferrerIndex(artifactType);
        return filtered.TryAdd(list.Content, isFiltered: false)
            ? new(PullSource.Fetched, new ReferrerList(filtered.Finish(), Filtered: true))
            : new(RegistryError.BadGateway("the list of referrers is none"));
    }
}
