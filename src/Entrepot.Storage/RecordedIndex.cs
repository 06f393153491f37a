using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>An index in memory; what bytes cannot tell is in a log on disk and read again at start.</summary>
/// <remarks>Safe for concurrent use: concurrent dictionaries, of which those for tags and manifests are written by the log's one writer.</remarks>
public sealed class RecordedIndex : ICacheIndex, IAsyncDisposable
{
    private readonly ConcurrentDictionary<Digest, BlobRecord> _blobs = new();
    private readonly ConcurrentDictionary<Reference, TagRecord> _tags = new();
    private readonly ConcurrentDictionary<Digest, string> _mediaTypes = new();
    private readonly ConcurrentDictionary<Reference, string> _manifests = new();
    private readonly ConcurrentDictionary<(string Upstream, string Repository), bool> _repositories = new();
    private readonly RecordLog _log;

    /// <summary>Opens the records of a store. The root's owner disposes this before the root.</summary>
    /// <exception cref="StoreUnusableException">The records cannot be read or written.</exception>
    public RecordedIndex(StoreRoot root)
    {
        var path = Path.Combine(root.Records, "log");
        try
        {
            _log = RecordLog.Open(path, Apply, Live);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new StoreUnusableException($"cannot read the records in '{path}': {fault.Message}", fault);
        }
    }

    /// <summary>Records that were spoilt and could not be read at start.</summary>
    public int Spoilt => _log.Spoilt;

    /// <inheritdoc/>
    public BlobRecord? FindBlob(Digest digest) => _blobs.TryGetValue(digest, out var record) ? record : null;

    /// <inheritdoc/>
    public void AddBlob(Digest digest, BlobRecord record) => _blobs[digest] = record;

    /// <inheritdoc/>
    public bool Touch(Digest digest, DateTimeOffset now)
    {
        if (!_blobs.TryGetValue(digest, out var record)) return false;
        _blobs.TryUpdate(digest, record with { LastAccess = now }, record);
        return true;
    }

    /// <inheritdoc/>
    public void RemoveBlob(Digest digest) => _blobs.TryRemove(digest, out _);

    /// <inheritdoc/>
    public TagRecord? FindTag(Reference tag) => _tags.GetValueOrDefault(tag);

    /// <inheritdoc/>
    public ValueTask SetTagAsync(Reference tag, TagRecord record, CancellationToken cancel)
    {
        if (_tags.TryGetValue(tag, out var known) && known == record with { ValidatedAt = known.ValidatedAt })
        {
            // Only if it is still that one: a change that is being written comes later and wins.
            _tags.TryUpdate(tag, record, known);
            return default;
        }

        return _log.AppendAsync(Record.Of(tag, record), cancel);
    }

    /// <inheritdoc/>
    public ValueTask RemoveTagAsync(Reference tag, CancellationToken cancel) => _tags.ContainsKey(tag)
        ? _log.AppendAsync(new Record(RecordKind.Untag, tag.Upstream, tag.Repository, tag.Tag), cancel)
        : default;

    /// <inheritdoc/>
    public string? FindMediaType(Digest manifest) => _mediaTypes.GetValueOrDefault(manifest);

    /// <inheritdoc/>
    public ValueTask AddManifestAsync(Reference manifest, string mediaType, CancellationToken cancel) =>
        _manifests.TryGetValue(manifest, out var known) && known == mediaType ? default : _log.AppendAsync(ManifestRecord(manifest, mediaType), cancel);

    /// <inheritdoc/>
    public IReadOnlyCollection<(string Upstream, string Repository)> Repositories() => [.. _repositories.Keys];

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _log.DisposeAsync();

    private static Record ManifestRecord(Reference manifest, string mediaType) =>
        new(RecordKind.Manifest, manifest.Upstream, manifest.Repository, null, manifest.Digest.ToString(), mediaType);

    private void Apply(Record record)
    {
        var reference = record.Reference;
        switch (record.Kind)
        {
            case RecordKind.Tag:
                _tags[reference] = new TagRecord(Digest.Parse(record.Digest!), record.MediaType!, record.Size, record.ValidatedAt);
                break;
            case RecordKind.Untag:
                _tags.TryRemove(reference, out _);
                return;
            case RecordKind.Manifest:
                _manifests[reference] = record.MediaType!;
                _mediaTypes[reference.Digest] = record.MediaType!;
                break;
        }

        _repositories[(record.Upstream, record.Repository)] = true;
    }

    private IEnumerable<Record> Live()
    {
        foreach (var (tag, record) in _tags) yield return Record.Of(tag, record);
        foreach (var (manifest, mediaType) in _manifests) yield return ManifestRecord(manifest, mediaType);
    }
}
