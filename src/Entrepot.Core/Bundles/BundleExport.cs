using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Warm;

namespace Entrepot.Bundles;

/// <summary>Finds out what of stored images goes into a bundle, and gives its bytes. Asks no upstream. Safe for concurrent use.</summary>
/// <remarks>What it finds counts as just used, so that other blobs leave first before it is held.</remarks>
public sealed class BundleExport
{
    // What cosign calls what belongs to a manifest, and the list of referrers where a registry has no other (OCI distribution specification 1.1, "Referrers Tag Schema").
    private static readonly string[] TagEndings = ["", ".sig", ".att", ".sbom"];

    private readonly IBlobStore _store;
    private readonly ICacheIndex _index;
    private readonly Images _images;
    private readonly StoredManifests _manifests;
    private readonly Func<string, IUpstream?> _upstream;
    private readonly TimeProvider _clock;

    internal BundleExport(IBlobStore store, ICacheIndex index, Images images, Func<string, IUpstream?> upstream, TimeProvider clock)
    {
        (_store, _index, _images, _upstream, _clock) = (store, index, images, upstream, clock);
        _manifests = new StoredManifests(store);
    }

    /// <summary>Finds out what of images is stored.</summary>
    /// <param name="patterns">The images.</param>
    /// <param name="platforms">Of an index, only these and what attests to them, as <see cref="PlatformFilter"/> has it; empty for all.</param>
    /// <param name="withReferrers">Whether signatures and all else that refers to them comes along, as far as it is stored.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="IOException">The disk refuses.</exception>
    public async Task<BundleStock> FindAsync(
        IReadOnlyCollection<ReferencePattern> patterns, IReadOnlyList<Platform> platforms, bool withReferrers, CancellationToken cancel)
    {
        var finding = new Finding(this, platforms);
        foreach (var pattern in patterns)
        {
            var names = pattern.Exact is { } exact
                ? [exact]
                : await _images.List(pattern, cancel).SelectMany(image => image.NamesIn(pattern)).ToListAsync(cancel);
            if (!withReferrers && pattern.Exact is null) names = [.. names.Where(name => !IsOfAnother(name.Tag))];
            if (names.Count == 0) finding.Missing.Add(new BundleLack(pattern.Text, "nothing that is cached matches it; 'entrepot list' shows what is cached", IsOffline: true));
            foreach (var name in names) await finding.AddAsync(name, cancel);
        }

        var unasked = withReferrers ? finding.Images.Where(image => !IsOffline(image.Reference) && _index.FindReferrers(image.Reference.At(image.Digest)) is null).ToList() : [];
        if (withReferrers) await AddReferrersAsync(finding, cancel);
        foreach (var blob in finding.Blobs.Keys) _store.Touch(blob, _clock.GetUtcNow());
        return finding.Result() with { Unasked = [.. unasked.Select(image => image.Reference).Where(name => !IsOfAnother(name.Tag))] };
    }

    /// <summary>Keeps blobs from being evicted until the result is disposed: a bundle takes longer to write than others take to fill a small store.</summary>
    /// <returns>That, and those of them that are not stored.</returns>
    public (IDisposable Hold, IReadOnlyList<Digest> Missing) Hold(IReadOnlyCollection<Digest> blobs)
    {
        var hold = _images.Sets.Hold(blobs);
        return (hold, [.. blobs.Where(blob => !_store.Contains(blob))]);
    }

    /// <summary>Opens a blob, which counts as used; the caller disposes it.</summary>
    /// <returns><see langword="null"/> if it is not stored.</returns>
    /// <exception cref="IOException">The disk refuses.</exception>
    public ValueTask<Blob?> OpenAsync(Digest digest, CancellationToken cancel)
    {
        _store.Touch(digest, _clock.GetUtcNow());
        return _store.OpenAsync(digest, cancel);
    }

    // Until nothing new is found: a signature may be signed.
    private async Task AddReferrersAsync(Finding finding, CancellationToken cancel)
    {
        if (finding.Subjects.Count == 0) return;
        var repositories = finding.Subjects.Select(one => (one.Upstream, one.Repository)).ToHashSet();
        var known = _index.References().Where(one => !one.IsTag && repositories.Contains((one.Upstream, one.Repository))).ToList();
        var bySubject = new Dictionary<Reference, List<Reference>>();
        foreach (var manifest in known)
        {
            if (!_store.Contains(manifest.Digest) || (await finding.ReadAsync(manifest.Digest, cancel))?.Subject is not { } subject) continue;
            var of = manifest.At(subject);
            if (!bySubject.TryGetValue(of, out var referrers)) bySubject.Add(of, referrers = []);
            referrers.Add(manifest);
        }

        for (var next = 0; next < finding.Subjects.Count; next++)
        {
            var subject = finding.Subjects[next];
            foreach (var referrer in bySubject.GetValueOrDefault(subject) ?? []) await finding.AddAsync(referrer, cancel);
            foreach (var ending in TagEndings)
            {
                var tag = new Reference(subject.Upstream, subject.Repository, TagOf(subject.Digest) + ending);
                if (_index.FindTag(tag) is { } record && _store.Contains(record.Digest)) await finding.AddAsync(tag, cancel);
            }
        }
    }

    private bool IsOffline(Reference name) => _upstream(name.Upstream) is not { Freshness.Offline: false };

    private static string TagOf(Digest digest) => $"{digest.Algorithm}-{digest.Hex[..64]}";

    private static bool IsOfAnother(string tag) =>
        tag.Length >= 71 && (tag.StartsWith("sha256-", StringComparison.Ordinal) || tag.StartsWith("sha512-", StringComparison.Ordinal)) && TagEndings.Contains(tag[71..]);

    // One look at the store. Used by one task.
    private sealed class Finding(BundleExport export, IReadOnlyList<Platform> platforms)
    {
        private readonly Dictionary<Digest, Manifest?> _read = [];
        private readonly Dictionary<Reference, BundleImage> _images = [];
        private readonly HashSet<Digest> _manifests = [];
        private readonly HashSet<Reference> _subjects = [];

        public IEnumerable<BundleImage> Images => _images.Values;

        public Dictionary<Digest, long> Blobs { get; } = [];

        public List<BundleLack> Missing { get; } = [];

        /// <summary>Every manifest that is taken, by the repository that it was found in; grows.</summary>
        public List<Reference> Subjects { get; } = [];

        public BundleStock Result() =>
            new([.. _images.Values], [.. Blobs.Select(blob => new BundleBlob(blob.Key, blob.Value))], _manifests, Missing);

        public async ValueTask<Manifest?> ReadAsync(Digest digest, CancellationToken cancel)
        {
            if (!_read.TryGetValue(digest, out var manifest)) _read.Add(digest, manifest = await export._manifests.FindAsync(digest, cancel));
            return manifest;
        }

        public async Task AddAsync(Reference name, CancellationToken cancel)
        {
            if (_images.ContainsKey(name)) return;
            var tag = name.IsTag ? export._index.FindTag(name) : null;
            if ((name.IsTag && tag is null) || await SizeOfAsync(tag?.Digest ?? name.Digest, cancel) is not { } size)
            {
                Missing.Add(new BundleLack(name.ToString(), "it is not stored", export.IsOffline(name)));
                return;
            }

            var root = tag?.Digest ?? name.Digest;
            var (taken, missing) = (new Dictionary<Digest, long>(), new List<string>());
            var (manifests, found) = (new HashSet<Digest>(), new SortedSet<string>(StringComparer.Ordinal));
            await FollowAsync(root, ImageParts.Depth, "its manifest");
            if (missing.Count > 0)
            {
                Missing.Add(new BundleLack(name.ToString(), missing.Count == 1 ? missing[0] : $"{missing[0]}, and {missing.Count - 1} more", export.IsOffline(name)));
                return;
            }

            var mediaType = export._index.FindMediaType(root) ?? tag?.MediaType ?? (await ReadAsync(root, cancel))?.MediaType ?? MediaTypes.OciManifest;
            _images.Add(name, new BundleImage(name, root, mediaType, size, [.. found], (await ReadAsync(root, cancel))?.ArtifactType));
            foreach (var (blob, bytes) in taken) Blobs.TryAdd(blob, bytes);
            _manifests.UnionWith(manifests);
            foreach (var manifest in manifests)
                if (_subjects.Add(name.At(manifest))) Subjects.Add(name.At(manifest));

            async ValueTask FollowAsync(Digest digest, int depth, string what)
            {
                if (!await TakeAsync(digest, what) || !manifests.Add(digest) || await ReadAsync(digest, cancel) is not { } manifest) return;
                foreach (var blob in manifest.Blobs) await TakeAsync(blob.Digest, "the blob");
                if (depth == 0) return;
                var wanted = PlatformFilter.Keep(manifest, platforms);
                if (wanted.Count == 0 && manifest.Manifests.Count > 0)
                    missing.Add($"it has no {string.Join(" and no ", platforms)}; it has {PlatformFilter.PlatformsOf(manifest)}");
                foreach (var child in wanted)
                {
                    var platform = child.IsAttestation ? null : child.Platform?.ToString();
                    if (platform is not null) found.Add(platform);
                    await FollowAsync(child.Digest, depth - 1, platform is null ? "the manifest" : $"the manifest of {platform}");
                }
            }

            async ValueTask<bool> TakeAsync(Digest digest, string what)
            {
                if (await SizeOfAsync(digest, cancel) is { } bytes)
                {
                    taken.TryAdd(digest, bytes);
                    return true;
                }

                missing.Add($"{what} {digest} is not stored");
                return false;
            }
        }

        private async ValueTask<long?> SizeOfAsync(Digest digest, CancellationToken cancel)
        {
            if (!export._store.Contains(digest)) return null;
            if (export._index.FindBlob(digest) is { } record) return record.Size;
            await using var unknown = await export._store.OpenAsync(digest, cancel);   // a file that no start has looked at yet
            return unknown?.Size;
        }
    }
}
