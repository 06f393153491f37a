using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Reads manifests out of the store. Safe for concurrent use.</summary>
internal sealed class StoredManifests(IBlobStore store)
{
    // What is named as a manifest and is larger than this is none: limits.manifest allows no more.
    internal const int MaxBytes = 64 << 20;

    /// <summary>A manifest; <see langword="null"/> if it is not stored, or is none.</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    public async ValueTask<Manifest?> FindAsync(Digest digest, CancellationToken cancel) =>
        await ReadAsync(digest, cancel) is { } content ? Manifest.TryParse(content) : null;

    /// <summary>A manifest's bytes; <see langword="null"/> if it is not stored, or too large for one.</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(Digest digest, CancellationToken cancel)
    {
        if (await store.OpenAsync(digest, cancel) is not { } blob) return null;
        await using (blob) return blob.Size <= MaxBytes ? await blob.ReadAllAsync(cancel) : null;
    }

    /// <summary>As <see cref="FindAsync"/>; what the disk refuses is as good as not stored.</summary>
    public async ValueTask<Manifest?> TryFindAsync(Digest digest, CancellationToken cancel)
    {
        try
        {
            return await FindAsync(digest, cancel);
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
        {
            return null;
        }
    }

    /// <summary>What an image consists of.</summary>
    /// <param name="root">Its manifest.</param>
    /// <param name="known">Manifests that were read already; receives those that are read now.</param>
    /// <param name="mustRead">Whether a disk that refuses is a failure, rather than a manifest that is not stored.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="IOException">The disk refuses, and <paramref name="mustRead"/>.</exception>
    public async Task<ImageParts> PartsAsync(Digest root, Dictionary<Digest, Manifest?> known, bool mustRead, CancellationToken cancel)
    {
        var walked = new HashSet<(Digest, int)>();   // an index may name another one a thousand times
        var found = 0;
        await ReadAsync(root, ImageParts.Depth);
        return ImageParts.Of(root, digest => known.GetValueOrDefault(digest));

        async ValueTask ReadAsync(Digest digest, int depth)
        {
            cancel.ThrowIfCancellationRequested();   // reads that need not wait do not look
            if (!walked.Add((digest, depth))) return;
            if (!known.TryGetValue(digest, out var manifest))
                known[digest] = manifest = mustRead ? await FindAsync(digest, cancel) : await TryFindAsync(digest, cancel);
            found += manifest is null ? 0 : manifest.Blobs.Count + manifest.Manifests.Count;
            if (depth == 0 || manifest is null || found > ImageParts.Most) return;
            foreach (var child in manifest.Manifests.TakeWhile(_ => found <= ImageParts.Most))
                if (known.ContainsKey(child.Digest) || store.Contains(child.Digest)) await ReadAsync(child.Digest, depth - 1);
        }
    }
}
