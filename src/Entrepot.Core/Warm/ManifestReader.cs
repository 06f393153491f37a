using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Warm;

/// <summary>What a tag means, as far as a warming is concerned.</summary>
/// <param name="Digest">The manifest.</param>
/// <param name="IsNews">Whether that was not known before.</param>
internal sealed record WarmTag(Digest Digest, bool IsNews);

/// <summary>A manifest, as far as a warming is concerned.</summary>
/// <param name="Size">Bytes.</param>
/// <param name="Manifest">What it says; <see langword="null"/> if it is not understood.</param>
/// <param name="WasStored">Whether it was stored before.</param>
internal sealed record WarmManifest(long Size, Manifest? Manifest, bool WasStored);

/// <summary>Finds out what tags mean and what manifests say, for one image: as pulls do it, or without leaving a trace. Tags may be asked for at once, manifests one by one.</summary>
internal sealed class ManifestReader(WarmParts parts, WarmRules rules, WarmRun run, CancellationToken cancel)
{
    private readonly ConcurrentDictionary<Digest, ReceivedManifest?> _arrived = new();   // with their tags; of a dry run with what came
    private int _counted;

    /// <summary>Requests that a registry with a rate limit counts: those that were made, or, of a dry run, those that a real one would make.</summary>
    public int Counted => _counted;

    /// <summary>What a tag means: by HEAD, unless it is known and need not be asked for.</summary>
    public async Task<Answer<WarmTag>> ResolveAsync(Reference tag, IUpstream upstream)
    {
        var known = parts.Index.FindTag(tag);
        if (known is not null && (upstream.Freshness.Offline || (rules.MissingOnly && parts.Store.Contains(known.Digest)))) return new WarmTag(known.Digest, IsNews: false);
        if (upstream.Freshness.Offline) return RegistryError.ManifestUnknown with { Detail = OfflineUpstream.NotStored };
        if (rules.DryRun) return await LookAsync(tag, known, upstream);

        var began = parts.Clock.GetUtcNow();
        if (!(await parts.Manifests.RefreshAsync(tag, upstream, cancel)).Has(out var record, out var error)) return error;

        // A tag that moved, or whose HEAD does not tell its meaning, comes with its manifest.
        if (record.Digest != known?.Digest && parts.Index.FindBlob(record.Digest) is { } blob && blob.StoredAt >= began) Arrive(record.Digest, null);
        return new WarmTag(record.Digest, record.Digest != known?.Digest);
    }

    /// <summary>What a manifest says; stored afterwards, but for a dry run.</summary>
    public async Task<Answer<WarmManifest>> ReadAsync(Reference reference, IUpstream upstream)
    {
        var isStored = parts.Store.Contains(reference.Digest) && parts.Index.FindMediaType(reference.Digest) is not null;
        if (rules.DryRun && !isStored) return await GetAsync(reference, upstream);

        var pulled = await parts.Manifests.GetAsync(reference, headOnly: false, upstream, cancel);
        if (pulled.Error is { } error) return error;
        if (pulled.Source is PullSource.Bypass) return RegistryError.StoreFault("its manifest cannot be kept");

        parts.Recency.Pulled(reference.Digest);
        if (!isStored && pulled.Source is PullSource.Fetched && run.Count(reference.Digest)) Interlocked.Increment(ref _counted);
        return new WarmManifest(pulled.Content!.Size, Manifest.TryParse(pulled.Content.Bytes), isStored && !_arrived.ContainsKey(reference.Digest));
    }

    /// <summary>A manifest that is stored, or that has come for a dry run; <see langword="null"/> if it would have to be fetched.</summary>
    public async ValueTask<ReadOnlyMemory<byte>?> FindAsync(Digest digest, CancellationToken token) =>
        _arrived.GetValueOrDefault(digest) is { } received && digest.Matches(received.Content.Span) ? received.Content : await parts.Referrers.FindStoredAsync(digest, token);

    private void Arrive(Digest digest, ReceivedManifest? manifest)
    {
        if (_arrived.TryAdd(digest, manifest) && run.Count(digest)) Interlocked.Increment(ref _counted);
    }

    private async Task<Answer<WarmTag>> LookAsync(Reference tag, TagRecord? known, IUpstream upstream)
    {
        if (!(await upstream.HeadManifestAsync(tag, cancel)).Has(out var info, out var error)) return error;
        if (info.Digest is { } told) return new WarmTag(told, told != known?.Digest);

        if (!(await upstream.GetManifestAsync(tag, cancel)).Has(out var received, out error)) return error;
        var digest = received.Digest ?? Digest.Of(received.Content.Span);
        Arrive(digest, received);
        return new WarmTag(digest, digest != known?.Digest);
    }

    private async Task<Answer<WarmManifest>> GetAsync(Reference reference, IUpstream upstream)
    {
        if (_arrived.GetValueOrDefault(reference.Digest) is not { } received)
        {
            var (asking, isOwn) = run.Look(reference.Digest, () => upstream.GetManifestAsync(reference, cancel));
            var answer = await asking;

            // Another image's repository was refused, which says nothing of this one.
            if (answer.Error is not null && !isOwn) (answer, isOwn) = (await upstream.GetManifestAsync(reference, cancel), true);
            if (!answer.Has(out received, out var error)) return error;
            if (isOwn) Arrive(reference.Digest, received);
            else _arrived.TryAdd(reference.Digest, received);
        }

        return reference.Digest.Matches(received.Content.Span)
            ? new WarmManifest(received.Content.Length, Manifest.TryParse(received.Content), WasStored: false)
            : RegistryError.BadGateway($"the manifest received is not {reference.Digest}");
    }
}
