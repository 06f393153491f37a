using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Warm;

/// <summary>The warming of one image: what it consists of is found out first, then what is missing is fetched. Used once, by one task.</summary>
internal sealed class ImageWarming(WarmParts parts, WarmImage image, WarmRules rules, WarmRun run, SemaphoreSlim places, CancellationToken cancel)
{
    // An index of indexes of indexes is not an image; a signature of a signature's signature proves nothing more.
    private const int MostReferring = 2;
    private const int MostArtifacts = 1000;

    // Within it what refers to an image that is stored is known well enough: an unchanged image costs HEADs alone.
    private static readonly TimeSpan ListsHold = TimeSpan.FromHours(12);

    private static readonly string[] CosignTags = [".sig", ".att", ".sbom"];

    private readonly HashSet<Digest> _manifests = [];
    private readonly Dictionary<Digest, (long Size, bool Counts)> _missing = [];
    private readonly List<Reference> _pins = [];
    private readonly ManifestReader _reader = new(parts, rules, run, cancel);
    private IUpstream _upstream = null!;   // set before anything is asked
    private Digest? _digest;
    private string? _error;
    private long _size;
    private long _bytes;
    private bool _isNew;   // whether anything of it was not stored
    private int _artifacts;
    private long _parts;   // that its manifests name

    /// <summary>Whether what has to be fetched became known.</summary>
    public bool IsPlanned { get; private set; }

    /// <summary>Warms it.</summary>
    /// <returns>What came of it: an upstream or a store that fails is no exception.</returns>
    public async Task<WarmedImage> RunAsync()
    {
        try
        {
            if (await PlanAsync() && !rules.DryRun)
            {
                await FetchAllAsync();
                if (_error is null && rules.Pin) await PinAsync();
            }
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
        {
            Fail($"the store failed: {fault.Message}");
        }

        var status = _error is not null ? WarmStatus.Failed
            : rules.DryRun ? WarmStatus.Planned
            : _isNew ? WarmStatus.Fetched
            : WarmStatus.Unchanged;
        return new WarmedImage(image.Reference, status) { Digest = _digest, Bytes = _bytes, Size = _size, Requests = _reader.Counted, Error = _error };
    }

    private void Fail(string error) => Interlocked.CompareExchange(ref _error, error, null);   // the first counts

    // What went wrong with something that belongs to the image says with what.
    private void Fail(Reference of, RegistryError error)
    {
        var why = error.Detail is { } detail ? $"{error.Code}: {error.Message}: {detail}" : $"{error.Code}: {error.Message}";
        Fail(of == image.Reference ? why : $"{of}: {why}");
    }

    // Returns whether it is known what there is to fetch.
    private async Task<bool> PlanAsync()
    {
        if (parts.Upstream(image.Reference.Upstream) is not { } upstream)
        {
            Fail($"no upstream of the options is called '{image.Reference.Upstream}'");
            return false;
        }

        _upstream = upstream;
        var digest = image.Reference.Digest;
        if (image.Reference.IsTag)
        {
            if (!(await _reader.ResolveAsync(image.Reference, upstream)).Has(out var meaning, out var error))
            {
                Fail(image.Reference, error);
                return false;
            }

            digest = meaning.Digest;
        }

        _digest = digest;
        var root = image.Reference.At(digest);
        _pins.Add(image.Reference);
        var subjects = new List<(Reference Subject, bool WasStored)>();
        if (!await FollowAsync(root, image.Reference, ImageParts.Depth, image.Platforms, subjects)) return false;
        if (rules.WithReferrers)
            foreach (var (subject, wasStored) in subjects) await FollowReferrersAsync(subject, wasStored, MostReferring);

        IsPlanned = true;
        var bytes = _missing.Values.Where(blob => blob.Counts).Sum(blob => blob.Size);
        run.Plan(image.Reference, bytes);
        _bytes += rules.DryRun ? bytes : 0;
        _isNew |= _missing.Count > 0;
        return true;
    }

    // Reads a manifest and those in it that are wanted. Returns whether all could be.
    private async Task<bool> FollowAsync(
        Reference reference, Reference shown, int depth, IReadOnlyList<Platform> platforms, List<(Reference Subject, bool WasStored)>? subjects)
    {
        if (_parts > ImageParts.Most) return false;   // that was said
        if (!_manifests.Add(reference.Digest)) return true;
        var read = await _reader.ReadAsync(reference, _upstream);
        if (!read.Has(out var content, out var error))
        {
            Fail(shown, error);
            return false;
        }

        _size += content.Size;
        if (!content.WasStored) (_isNew, _bytes) = (true, _bytes + (run.Claim(reference.Digest) ? content.Size : 0));
        subjects?.Add((reference, content.WasStored));
        if (content.Manifest is not { } manifest) return true;   // what is not understood is all there is

        var kept = depth == 0 ? [] : PlatformFilter.Keep(manifest, platforms);
        _parts += manifest.Blobs.Count + kept.Count;
        if (_parts > ImageParts.Most)
        {
            Fail($"{shown}: with it the image has more than {ImageParts.Most} parts, which are the most that are followed");
            return false;
        }

        foreach (var blob in manifest.Blobs) Want(blob);
        if (manifest.Manifests.Count == 0 || depth == 0) return true;

        if (kept.Count == 0)
        {
            Fail($"it is not for {string.Join(" or ", platforms)}; there is {PlatformFilter.PlatformsOf(manifest)}");
            return false;
        }

        var all = true;
        foreach (var child in kept) all &= await FollowAsync(reference.At(child.Digest), reference.At(child.Digest), depth - 1, platforms, child.IsAttestation ? null : subjects);
        return all;
    }

    private void Want(Descriptor blob)
    {
        if (_missing.ContainsKey(blob.Digest)) return;
        var known = parts.Index.FindBlob(blob.Digest);
        _size += known?.Size ?? Math.Max(0, blob.Size);
        if (!parts.Store.Contains(blob.Digest)) _missing.Add(blob.Digest, (Math.Max(0, blob.Size), run.Claim(blob.Digest)));
    }

    // What refers to a manifest, and what refers to that. Cosign's tags and the tag in place of an API are asked for by HEAD.
    private async Task FollowReferrersAsync(Reference subject, bool wasStored, int depth)
    {
        if (_parts > ImageParts.Most) return;
        var tag = ReferrerIndex.TagOf(subject);
        var tags = CosignTags.Select(suffix => tag with { Tag = tag.Tag + suffix }).Prepend(tag).ToList();
        var resolved = await Task.WhenAll(tags.Select(one => _reader.ResolveAsync(one, _upstream)));
        for (var i = 0; i < tags.Count; i++)
        {
            if (resolved[i].Has(out var meaning, out var error)) await FollowArtifactAsync(tags[i].At(meaning.Digest), tags[i], depth);
            else if (error.Status != 404 && !(rules.MissingOnly && error.IsOutage)) Fail(tags[i], error);
        }

        var isFresh = wasStored && resolved[0] is not { Value.IsNews: true };
        if (!(await ListAsync(subject, isFresh)).Has(out var list, out var unlisted))
        {
            if (!(rules.MissingOnly && unlisted.IsOutage)) Fail(subject, unlisted with { Detail = $"what refers to it cannot be listed: {unlisted.Detail ?? unlisted.Message}" });
            return;
        }

        foreach (var referrer in Manifest.TryParse(list.Content)?.Manifests ?? [])
            await FollowArtifactAsync(subject.At(referrer.Digest), subject.At(referrer.Digest), depth);
    }

    private async Task FollowArtifactAsync(Reference reference, Reference name, int depth)
    {
        if (++_artifacts == MostArtifacts) Fail($"more than {MostArtifacts} artifacts belong to it; no more are warmed");
        if (_artifacts >= MostArtifacts) return;

        _pins.Add(name);
        var isNew = !_manifests.Contains(reference.Digest);
        var subjects = new List<(Reference Subject, bool WasStored)>();
        if (await FollowAsync(reference, name, ImageParts.Depth, [], subjects) && isNew && depth > 1)
            foreach (var (subject, wasStored) in subjects) await FollowReferrersAsync(subject, wasStored, depth - 1);
    }

    private async Task<Answer<ReferrerList>> ListAsync(Reference subject, bool isFresh)
    {
        var kept = await parts.Referrers.FindAsync(subject, cancel);
        if (kept is { } known && (_upstream.Freshness.Offline || (isFresh && parts.Clock.GetUtcNow() - known.AsOf < ListsHold)))
            return new ReferrerList(known.List, Filtered: false);
        if (_upstream.Freshness.Offline) return new ReferrerList(ReferrerIndex.Empty, Filtered: false);
        return rules.DryRun ? await _upstream.ListReferrersAsync(subject, null, _reader.FindAsync, cancel) : await parts.Referrers.RefreshAsync(subject, _upstream, cancel);
    }

    private async Task FetchAllAsync()
    {
        await Task.WhenAll(_missing.ToList().Select(async missing =>
        {
            var (digest, (_, counts)) = missing;
            await places.WaitAsync(cancel);
            try
            {
                var blob = new BlobWarming(parts, _upstream, image.Reference.At(digest));
                if (await blob.RunAsync(bytes => run.Arrive(image.Reference, counts ? bytes : 0), cancel) is { } error) Fail($"{digest}: {error}");
                else if (counts) Interlocked.Add(ref _bytes, blob.Size);
            }
            finally
            {
                places.Release();
            }
        }));
    }

    private async Task PinAsync()
    {
        var (objection, _) = await parts.Pins.PinAsync(_pins, cancel);
        if (objection is not null) Fail(objection.ShortBytes > 0 ? $"{objection.Message}; {objection.ShortBytes} bytes are missing" : objection.Message);
    }
}
