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
    private readonly ConcurrentDictionary<Reference, Digest> _pins = new();
    private readonly ConcurrentDictionary<Reference, ReferrersRecord> _referrers = new();

    /// <summary>Thrown by everything that has to be durable.</summary>
    public Exception? Fault { get; set; }

    /// <summary>Called while a pin is being written.</summary>
    public Action WritingPin { get; set; } = () => { };

    /// <summary>Called before a blob is forgotten.</summary>
    public Action<Digest>? Removing { get; set; }

    public BlobRecord? FindBlob(Digest digest) => _blobs.TryGetValue(digest, out var record) ? record : null;

    /// <summary>Called before a blob is remembered.</summary>
    public Action<Digest>? Adding { get; set; }

    public void AddBlob(Digest digest, BlobRecord record)
    {
        Adding?.Invoke(digest);
        _blobs[digest] = record;
    }

    public bool Touch(Digest digest, DateTimeOffset now)
    {
        if (!_blobs.TryGetValue(digest, out var record)) return false;
        _blobs[digest] = record with { LastAccess = now };
        return true;
    }

    /// <summary>Whether its lists of blobs have each twice, as a list can that is read while rows are moved.</summary>
    public bool IsMovingRows { get; set; }

    public IEnumerable<KeyValuePair<Digest, BlobRecord>> Blobs() => IsMovingRows ? _blobs.Concat(_blobs) : _blobs;

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

    public async ValueTask RemoveTagsAsync(IReadOnlyCollection<Reference> tags, CancellationToken cancel)
    {
        foreach (var tag in tags) await RemoveTagAsync(tag, cancel);
    }

    public string? FindMediaType(Digest manifest) => _manifests.FirstOrDefault(one => one.Key.Digest == manifest).Value;

    public ValueTask AddManifestAsync(Reference manifest, string mediaType, CancellationToken cancel)
    {
        if (Fault is not null) throw Fault;
        _manifests[manifest] = mediaType;
        return default;
    }

    public ValueTask RemoveManifestAsync(Reference manifest, bool isLast, CancellationToken cancel)
    {
        if (Fault is not null) throw Fault;
        _manifests.TryRemove(manifest, out _);
        _referrers.TryRemove(manifest, out _);
        return default;
    }

    public IEnumerable<Reference> References() => [.. _tags.Keys, .. _manifests.Keys];

    public IReadOnlyDictionary<Reference, Digest> Pins() => new Dictionary<Reference, Digest>(_pins);

    /// <summary>How often pins were written, or forgotten: each is a flush of the disk.</summary>
    public int PinWrites { get; private set; }

    public ValueTask SetPinsAsync(IReadOnlyDictionary<Reference, Digest> pins, CancellationToken cancel)
    {
        if (Fault is not null) throw Fault;
        WritingPin();
        if (pins.Any(pin => !_pins.TryGetValue(pin.Key, out var known) || known != pin.Value)) PinWrites++;
        foreach (var (pin, manifest) in pins) _pins[pin] = manifest;
        return default;
    }

    public ValueTask RemovePinsAsync(IReadOnlyCollection<Reference> pins, CancellationToken cancel)
    {
        if (Fault is not null) throw Fault;
        PinWrites++;
        foreach (var pin in pins) _pins.TryRemove(pin, out _);
        return default;
    }

    public ReferrersRecord? FindReferrers(Reference subject) => _referrers.GetValueOrDefault(subject);

    public ValueTask SetReferrersAsync(Reference subject, ReferrersRecord record, CancellationToken cancel)
    {
        if (Fault is not null) throw Fault;
        _referrers[subject] = record;
        return default;
    }

    public IReadOnlyCollection<(string Upstream, string Repository)> Repositories() =>
        [.. _tags.Keys.Concat(_manifests.Keys).Select(one => (one.Upstream, one.Repository)).Distinct()];
}
