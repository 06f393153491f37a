using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Bundles;

/// <summary>Finds out what of stored images goes into a bundle, and gives its bytes. Asks no upstream. Safe for concurrent use.</summary>
/// <remarks>What it finds counts as just used, so that other blobs leave first while a bundle is written; one that leaves all the same is missed by who asks for its bytes.</remarks>
public sealed class BundleExport
{
    // What cosign calls what belongs to a manifest, and the list of referrers where a registry has no other (OCI distribution specification 1.1, "Referrers Tag Schema").
    private static readonly string[] TagEndings = ["", ".sig", ".att", ".sbom"];

    private readonly IBlobStore _store;
    private readonly ICacheIndex _index;
    private readonly Images _images;
    private readonly StoredManifests _manifests;
    private readonly TimeProvider _clock;

    internal BundleExport(IBlobStore store, ICacheIndex index, Images images, TimeProvider clock)
    {
        (_store, _index, _images, _clock) = (store, index, images, clock);
        _manifests = new StoredManifests(store);
    }

    /// <summary>Finds out what of images is stored.</summary>
    /// <param name="patterns">The images.</param>
    /// <param name="platforms">Of an index, only these and what attests to them, such as <c>linux/arm64</c>, which any variant is; empty for all.</param>
    /// <param name="withReferrers">Whether signatures and all else that refers to them comes along, as far as it is stored.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="IOException">The disk refuses.</exception>
    public async Task<BundleStock> FindAsync(
        IReadOnlyCollection<ReferencePattern> patterns, IReadOnlyCollection<string> platforms, bool withReferrers, CancellationToken cancel)
    {
        var finding = new Finding(this, platforms);
        foreach (var pattern in patterns)
        {
            var names = pattern.Exact is { } exact
                ? [exact]
                : await _images.List(pattern, cancel).SelectMany(image => image.NamesIn(pattern)).ToListAsync(cancel);
            if (!withReferrers && pattern.Exact is null) names = [.. names.Where(name => !IsOfAnother(name.Tag))];
            if (names.Count == 0) finding.Missing.Add(new BundleLack(pattern.Text, "nothing that is cached matches it; 'entrepot list' shows what is cached"));
            foreach (var name in names) await finding.AddAsync(name, cancel);
        }

        if (withReferrers) await AddReferrersAsync(finding, cancel);
        foreach (var blob in finding.Blobs.Keys) _store.Touch(blob, _clock.GetUtcNow());
        return finding.Result();
    }

    /// <summary>Opens a blob, which counts as used; the caller disposes it.</summary>
    /// <returns><see langword="null"/> if it is not stored.</returns>
    /// <exception cref="IOException">The disk refuses.</exception>
    public ValueTask<Blob?> OpenAsync(Digest digest, CancellationToken cancel)
    {
        _store.Touch(digest, _clock.GetUtcNow());
        return _store.OpenAsync(digest, cancel);
    }

    /// <summary>Whether a child of an index is wanted by its own platform.</summary>
    internal static bool IsFor(string platform, IReadOnlyCollection<string> platforms) =>
        platforms.Count == 0 || platforms.Any(one => platform == one || platform.StartsWith($"{one}/", StringComparison.Ordinal));

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

    private static string TagOf(Digest digest) => $"{digest.Algorithm}-{digest.Hex[..64]}";

    private static bool IsOfAnother(string tag) =>
        tag.Length >= 71 && (tag.StartsWith("sha256-", StringComparison.Ordinal) || tag.StartsWith("sha512-", StringComparison.Ordinal)) && TagEndings.Contains(tag[71..]);

    // One look at the store. Used by one task.
    private sealed class Finding(BundleExport export, IReadOnlyCollection<string> platforms)
    {
        private readonly Dictionary<Digest, Manifest?> _read = [];
        private readonly Dictionary<Reference, BundleImage> _images = [];
        private readonly HashSet<Digest> _manifests = [];
        private readonly HashSet<Reference> _subjects = [];

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
                Missing.Add(new BundleLack(name.ToString(), "it is not stored"));
                return;
            }

            var root = tag?.Digest ?? name.Digest;
            var (taken, missing) = (new Dictionary<Digest, long>(), new List<string>());
            var (manifests, found) = (new HashSet<Digest>(), new SortedSet<string>(StringComparer.Ordinal));
            await FollowAsync(root, ImageParts.Depth, "its manifest");
            if (platforms.Count > 0 && manifests.Count == 1 && (await ReadAsync(root, cancel))?.Manifests is { Count: > 0 } others && others.Any(one => one.PlatformName.Length > 0))
                missing.Add($"it has no {string.Join(" and no ", platforms)}; it has {string.Join(", ", others.Select(one => one.PlatformName).Where(one => one.Length > 0).Distinct())}");
            if (missing.Count > 0)
            {
                Missing.Add(new BundleLack(name.ToString(), missing.Count == 1 ? missing[0] : $"{missing[0]}, and {missing.Count - 1} more"));
                return;
            }

            var mediaType = export._index.FindMediaType(root) ?? tag?.MediaType ?? (await ReadAsync(root, cancel))?.MediaType ?? MediaTypes.OciManifest;
            _images.Add(name, new BundleImage(name, root, mediaType, size, [.. found]));
            foreach (var (blob, bytes) in taken) Blobs.TryAdd(blob, bytes);
            _manifests.UnionWith(manifests);
            foreach (var manifest in manifests)
                if (_subjects.Add(name.At(manifest))) Subjects.Add(name.At(manifest));

            async ValueTask FollowAsync(Digest digest, int depth, string what)
            {
                if (!await TakeAsync(digest, what) || !manifests.Add(digest) || await ReadAsync(digest, cancel) is not { } manifest) return;
                foreach (var blob in manifest.Blobs) await TakeAsync(blob.Digest, "the blob");
                if (depth == 0) return;
                foreach (var child in Wanted(manifest))
                {
                    if (child.PlatformName.Length > 0) found.Add(child.PlatformName);
                    await FollowAsync(child.Digest, depth - 1, child.PlatformName.Length > 0 ? $"the manifest of {child.PlatformName}" : "the manifest");
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

        // What has no platform is wanted with what it attests to, and always if it attests to nothing.
        private IEnumerable<Descriptor> Wanted(Manifest index)
        {
            var wanted = index.Manifests.Where(child => child.PlatformName.Length > 0 && IsFor(child.PlatformName, platforms)).Select(child => child.Digest).ToHashSet();
            return index.Manifests.Where(child => child.PlatformName.Length > 0 ? wanted.Contains(child.Digest) : child.AttestationOf is not { } attested || platforms.Count == 0 || wanted.Contains(attested));
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
