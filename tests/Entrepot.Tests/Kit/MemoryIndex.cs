using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Tests.Kit;

/// <summary>An index in memory, whose records can be made to fail.</summary>
internal sealed class MemoryIndex : ICacheIndex
{
    private readonly ConcurrentDictionary<Digest, BlobRecord> _blobs = new();
    private readonly ConcurrentDictionary<Reference, TagRecord> _tags = new();
    private readonly ConcurrentDictionary<Reference, string> _manifests = new();

    /// <summary>Thrown by everything that has to be durable.</summary>
    public Exception? Fault { get; set; }

    /// <summary>Called before a blob is forgotten.</summary>
    public Action<Digest>? Removing { get; set; }

    public BlobRecord? FindBlob(Digest digest) => _blobs.TryGetValue(digest, out var record) ? record : null;

    public void AddBlob(Digest digest, BlobRecord record) => _blobs[digest] = record;

    public bool Touch(Digest digest, DateTimeOffset now)
    {
        if (!_blobs.TryGetValue(digest, out var record)) return false;
        _blobs[digest] = record with { LastAccess = now };
        return true;
    }

    public IEnumerable<KeyValuePair<Digest, BlobRecord>> Blobs() => _blobs;

    public ValueTask CheckpointAsync(CancellationToken cancel) => default;

    public void RemoveBlob(Digest digest)
    {
        Removing?.Invoke(digest);
        _blobs.TryRemove(digest, out _);
    }

    public TagRecord? FindTag(Reference tag) => _tags.GetValueOrDefault(tag);

    public ValueTask SetTagAsync(Reference tag, TagRecord record, CancellationToken cancel)
    {
        if (Fault is not null) throw Fault;
        _tags[tag] = record;
        return default;
    }

    public ValueTask RemoveTagAsync(Reference tag, CancellationToken cancel)
    {
        if (Fault is not null) throw Fault;
        _tags.TryRemove(tag, out _);
        return default;
    }

    public string? FindMediaType(Digest manifest) => _manifests.FirstOrDefault(one => one.Key.Digest == manifest).Value;

    public ValueTask AddManifestAsync(Reference manifest, string mediaType, CancellationToken cancel)
    {
        if (Fault is not null) throw Fault;
        _manifests[manifest] = mediaType;
        return default;
    }

    public IReadOnlyCollection<(string Upstream, string Repository)> Repositories() =>
        [.. _tags.Keys.Concat(_manifests.Keys).Select(one => (one.Upstream, one.Repository)).Distinct()];
}
