using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage.Index;

namespace Entrepot.Storage;

/// <summary>The index in FASTER tables; what bytes cannot tell is in a log on disk besides, and is read again at start.</summary>
/// <remarks>
/// <para>Safe for concurrent use. Looking up and touching allocate nothing and wait for no disk.</para>
/// <para>At start the newest checkpoint is recovered and the record log is applied over it: the log is right wherever both speak. Without a checkpoint, or
/// with one that is not what was written, only access times, and which files were verified, are lost.</para>
/// <para><see cref="Start"/> begins the checkpoints; disposal makes a last one. Its owner disposes it before the root.</para>
/// </remarks>
public sealed class FasterCacheIndex : ICacheIndex, IAsyncDisposable
{
    /// <summary>The version of the rows in checkpoints. Others are not read: the index starts empty.</summary>
    internal const int RowFormat = 1;

    private static readonly Digest NothingRefers = Digest.Of(ReferrerIndex.Empty.Span);

    private readonly StoreRoot _root;
    private readonly IndexDirectory _directory;
    private readonly MediaTypeNames _mediaTypes = new();
    private readonly TagKeys _tagKeys = new();
    private readonly ConcurrentDictionary<(string Upstream, string Repository), int> _repositories = new();   // how many references each has
    private readonly PinTable _pins = new();
    private readonly FasterTable<BlobRow, BlobChange> _blobs;
    private readonly FasterTable<ReferenceRow, ReferenceChange> _references;
    private readonly RecordLog _log;
    private readonly string _logPath;
    private readonly long _start;
    private readonly TimeSpan _checkpointEvery;
    private readonly TimeProvider _clock;
    private readonly Action<Exception> _checkpointFailed;
    private readonly SemaphoreSlim _checkpoint = new(1);
    private readonly CancellationTokenSource _stop = new();
    private Task _checkpoints = Task.CompletedTask;

    /// <summary>Recovers the index of a store.</summary>
    /// <param name="root">The store.</param>
    /// <param name="checkpointEvery">Time between checkpoints; more than zero.</param>
    /// <param name="clock">The time.</param>
    /// <param name="checkpointFailed">Told when a checkpoint could not be written; the one before it stays. Must return at once.</param>
    /// <exception cref="StoreUnusableException">The records cannot be read, or made.</exception>
    public FasterCacheIndex(StoreRoot root, TimeSpan checkpointEvery, TimeProvider clock, Action<Exception> checkpointFailed)
        : this(root, checkpointEvery, clock, checkpointFailed, new IndexSizes()) { }

    internal FasterCacheIndex(StoreRoot root, TimeSpan checkpointEvery, TimeProvider clock, Action<Exception> checkpointFailed, IndexSizes sizes)
    {
        (_root, _checkpointEvery, _clock, _checkpointFailed) = (root, checkpointEvery, clock, checkpointFailed);
        _directory = new IndexDirectory(root.Index);
        var recovered = Recover(root.Index, sizes);
        _blobs = recovered?.Blobs ?? new(root.Index, "blobs", sizes);
        _references = recovered?.References ?? new(root.Index, "references", sizes);
        _start = (recovered?.Seal.Start ?? 0) + 1;
        foreach (var name in recovered?.Seal.MediaTypes ?? []) _mediaTypes.Number(name);

        _logPath = root.Log;
        try
        {
            _log = RecordLog.Open(_logPath, root.Files, Apply, Live);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new StoreUnusableException($"cannot read the records in '{_logPath}': {fault.Message}", fault);
        }

        // What the log does not say any more is not true any more.
        if (recovered is null) return;
        foreach (var (key, row) in _references.Rows())
            if (row.Start != _start) _references.TryChange(key, ReferenceChange.Remove(), out _);
    }

    /// <summary>Why the index starts without a checkpoint that is there, or cannot have one; <see langword="null"/> if all is well.</summary>
    public string? Warning { get; private set; }

    /// <summary>Records that were spoilt and could not be read at start.</summary>
    public int Spoilt => _log.Spoilt;

    /// <summary>Begins to write checkpoints. Called once.</summary>
    public void Start()
    {
        var timer = new PeriodicTimer(_checkpointEvery, _clock);
        _checkpoints = Task.Run(() => CheckpointRegularlyAsync(timer));
    }

    /// <inheritdoc/>
    public BlobRecord? FindBlob(Digest digest) => _blobs.TryFind(RowKey.Of(digest), out var row) ? row.Record : null;

    /// <inheritdoc/>
    public void AddBlob(Digest digest, BlobRecord record) => BlobRows.Add(_blobs, digest, record);

    /// <inheritdoc/>
    public void RemoveBlob(Digest digest) => _blobs.TryChange(RowKey.Of(digest), BlobChange.Forget(), out _);

    /// <inheritdoc/>
    public bool Touch(Digest digest, DateTimeOffset now) =>
        _blobs.TryChange(RowKey.Of(digest), BlobChange.Touch(now), out var row) && row.StoredTicks != 0;

    /// <inheritdoc/>
    public IEnumerable<KeyValuePair<Digest, BlobRecord>> Blobs() => BlobRows.All(_blobs);

    /// <inheritdoc/>
    public TagRecord? FindTag(Reference tag) => _references.TryFind(_tagKeys.Of(tag), out var row) && _mediaTypes[row.MediaType] is { } mediaType
        ? new TagRecord(row.Digest, mediaType, row.Size, new DateTimeOffset(row.ValidatedTicks, TimeSpan.Zero))
        : null;

    /// <inheritdoc/>
    public ValueTask SetTagAsync(Reference tag, TagRecord record, CancellationToken cancel)
    {
        if (FindTag(tag) is { } known && known == record with { ValidatedAt = known.ValidatedAt })
        {
            // Only if it is still that one: a change that is being written comes later and wins.
            _references.TryChange(RowKey.Of(tag), ReferenceChange.Validate(ReferenceRow.Of(record, _mediaTypes.Number(record.MediaType), 0, 0)), out _);
            return default;
        }

        return _log.AppendAsync(Record.Of(tag, record), cancel);
    }

    /// <inheritdoc/>
    public ValueTask RemoveTagAsync(Reference tag, CancellationToken cancel) => RemoveTagsAsync([tag], cancel);

    /// <inheritdoc/>
    public ValueTask RemoveTagsAsync(IReadOnlyCollection<Reference> tags, CancellationToken cancel) =>
        _log.AppendAsync([.. tags.Where(tag => _references.TryFind(RowKey.Of(tag), out _)).Select(tag => Record.Of(RecordKind.Untag, tag))], cancel);

    /// <inheritdoc/>
    public string? FindMediaType(Digest manifest) => _blobs.TryFind(RowKey.Of(manifest), out var row) ? _mediaTypes[row.MediaType] : null;

    /// <inheritdoc/>
    public (string MediaType, BlobRecord Record)? FindManifest(Digest manifest) =>
        _blobs.TryFind(RowKey.Of(manifest), out var row) && row.Record is { } record && _mediaTypes[row.MediaType] is { } mediaType ? (mediaType, record) : null;

    /// <inheritdoc/>
    public ValueTask AddManifestAsync(Reference manifest, string mediaType, CancellationToken cancel) =>
        IsKnown(manifest, mediaType)
            ? default
            : _log.AppendAsync(Record.Of(RecordKind.Manifest, manifest, mediaType: mediaType), cancel);

    /// <inheritdoc/>
    public ValueTask RemoveManifestAsync(Reference manifest, bool isLast, CancellationToken cancel) => _references.TryFind(RowKey.Of(manifest), out var row)
        ? _log.AppendAsync(Record.Of(RecordKind.Unmanifest, manifest, mediaType: isLast ? null : _mediaTypes[row.MediaType]), cancel)
        : default;

    /// <inheritdoc/>
    public IEnumerable<Reference> References()
    {
        var seen = new HashSet<RowKey>();
        foreach (var record in RecordLog.Read(_logPath))
        {
            if (record.Kind is not (RecordKind.Tag or RecordKind.Manifest)) continue;
            var reference = record.Reference;
            var key = RowKey.Of(reference);
            if (_references.TryFind(key, out _) && seen.Add(key)) yield return reference;
        }
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<Reference, Digest> Pins() => _pins.Pins();

    /// <inheritdoc/>
    public ValueTask SetPinsAsync(IReadOnlyDictionary<Reference, Digest> pins, CancellationToken cancel) => _log.AppendAsync([.. _pins.Setting(pins)], cancel);

    /// <inheritdoc/>
    public ValueTask RemovePinsAsync(IReadOnlyCollection<Reference> pins, CancellationToken cancel) => _log.AppendAsync([.. _pins.Removing(pins)], cancel);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<Reference, Digest>> Sets() => _pins.Sets();

    /// <inheritdoc/>
    /// <remarks>In the order in which they are applied: a tag is found after all that it needs.</remarks>
    public ValueTask ChangeSetsAsync(SetChange change, CancellationToken cancel) => _log.AppendAsync(
        [
            .. change.Manifests.Where(one => !IsKnown(one.Key, one.Value)).Select(one => Record.Of(RecordKind.Manifest, one.Key, mediaType: one.Value)),
            .. change.Referrers.Where(one => FindReferrers(one.Key)?.List != one.Value.List).Select(one => Record.Of(one.Key, one.Value)),
            .. _pins.Keeping(change.Kept),
            .. _pins.Dropping(change.Dropped),
            .. change.GoneTags.Where(tag => _references.TryFind(RowKey.Of(tag), out _)).Select(tag => Record.Of(RecordKind.Untag, tag)),
            .. change.Tags.Select(one => Record.Of(one.Key, one.Value)),
        ],
        cancel);

    /// <inheritdoc/>
    public ReferrersRecord? FindReferrers(Reference subject) => _references.TryFind(RowKey.OfReferrers(subject), out var row)
        ? new ReferrersRecord(row.Digest, new DateTimeOffset(row.ValidatedTicks, TimeSpan.Zero))
        : null;

    /// <inheritdoc/>
    public ValueTask SetReferrersAsync(Reference subject, ReferrersRecord record, CancellationToken cancel)
    {
        if (FindReferrers(subject)?.List != record.List) return _log.AppendAsync(Record.Of(subject, record), cancel);
        _references.TryChange(RowKey.OfReferrers(subject), ReferenceChange.Validate(ReferenceRow.Of(record, 0, 0)), out _);
        return default;
    }

    /// <inheritdoc/>
    public IReadOnlyCollection<(string Upstream, string Repository)> Repositories() => [.. _repositories.Keys];

    /// <inheritdoc/>
    public async ValueTask CheckpointAsync(CancellationToken cancel)
    {
        await _checkpoint.WaitAsync(cancel);
        try
        {
            await Task.Run(WriteCheckpointAsync, CancellationToken.None);
        }
        catch (UnauthorizedAccessException fault)
        {
            throw new IOException(fault.Message, fault);
        }
        finally
        {
            _directory.RemoveLeftovers();
            _checkpoint.Release();
        }
    }

    /// <summary>Writes what still waits, and a last checkpoint.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _checkpoints;
        await _log.DisposeAsync();
        await TryCheckpointAsync();
        await _references.DisposeAsync();
        await _blobs.DisposeAsync();
        _checkpoint.Dispose();
        _stop.Dispose();
    }

    private async Task CheckpointRegularlyAsync(PeriodicTimer timer)
    {
        using var _ = timer;
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
                if (_blobs.IsChanged || _references.IsChanged) await TryCheckpointAsync();
        }
        catch (OperationCanceledException)
        {
            // Disposal makes the last one.
        }
    }

    private async Task TryCheckpointAsync()
    {
        try
        {
            await CheckpointAsync(CancellationToken.None);
        }
        catch (IOException fault)
        {
            _checkpointFailed(fault);
        }
    }

    private async Task WriteCheckpointAsync()
    {
        Directory.CreateDirectory(_directory.Path);
        var blobs = await _blobs.CheckpointAsync();
        var references = await _references.CheckpointAsync();

        // The names are taken last: they are more than the rows need, never fewer.
        _directory.Seal(
            [.. _blobs.Files(blobs), .. _references.Files(references)],
            hashes => new IndexSeal(RowFormat, _start, _mediaTypes.Names, blobs, references, hashes));
    }

    private (IndexSeal Seal, FasterTable<BlobRow, BlobChange> Blobs, FasterTable<ReferenceRow, ReferenceChange> References)? Recover(string path, IndexSizes sizes)
    {
        try
        {
            if (_directory.Open() is not { } seal)
            {
                _directory.RemoveLeftovers();
                return null;
            }

            var blobs = new FasterTable<BlobRow, BlobChange>(path, "blobs", sizes);
            var references = new FasterTable<ReferenceRow, ReferenceChange>(path, "references", sizes);
            blobs.Recover(seal.Blobs);
            references.Recover(seal.References);
            _directory.RemoveLeftovers();
            return (seal, blobs, references);
        }
        catch (Exception fault)   // whatever it is, the index can do without
        {
            Warning = $"the index in '{path}' cannot be used: {fault.Message}; it starts empty, and stored blobs are verified again before they are served";
            return null;
        }
    }

    private void Apply(Record record, long line)
    {
        var reference = record.Reference;
        switch (record.Kind)
        {
            case RecordKind.Tag:
                var tag = new TagRecord(Digest.Parse(record.Digest!), record.MediaType!, record.Size, record.ValidatedAt);
                Put(reference, ReferenceRow.Of(tag, _mediaTypes.Number(tag.MediaType), line, _start));
                break;
            case RecordKind.Untag:
                Remove(reference);
                break;
            case RecordKind.Manifest:
                var mediaType = _mediaTypes.Number(record.MediaType!);
                _blobs.TryChange(RowKey.Of(reference.Digest), BlobChange.Describe(mediaType), out _);
                Put(reference, new ReferenceRow { MediaType = mediaType, Line = line, Start = _start });
                break;
            case RecordKind.Unmanifest:
                Remove(reference);
                _references.TryChange(RowKey.OfReferrers(reference), ReferenceChange.Remove(), out _);
                if (record.MediaType is null) _blobs.TryChange(RowKey.Of(reference.Digest), BlobChange.Undescribe(), out _);
                break;
            case RecordKind.Pin or RecordKind.Unpin:
                _pins.Apply(record, line);
                break;
            case RecordKind.Referrers:
                var list = new ReferrersRecord(Digest.Parse(record.List!), record.ValidatedAt);
                _references.TryChange(RowKey.OfReferrers(reference), ReferenceChange.Put(ReferenceRow.Of(list, line, _start)), out _);
                break;
        }
    }

    // Rows of an earlier start, which a checkpoint brought, are not counted: what of them is still true comes again with its line.
    private void Put(Reference reference, in ReferenceRow row)
    {
        var key = RowKey.Of(reference);
        if (!IsKnown(key)) _repositories.AddOrUpdate((reference.Upstream, reference.Repository), 1, (_, count) => count + 1);
        _references.TryChange(key, ReferenceChange.Put(row), out _);
    }

    private void Remove(Reference reference)
    {
        var key = RowKey.Of(reference);
        if (!IsKnown(key)) return;
        _references.TryChange(key, ReferenceChange.Remove(), out _);
        var repository = (reference.Upstream, reference.Repository);
        if (_repositories.AddOrUpdate(repository, 0, (_, count) => count - 1) == 0) _repositories.TryRemove(repository, out _);
    }

    private bool IsKnown(Reference manifest, string mediaType) =>
        _references.TryFind(RowKey.Of(manifest), out var row) && _mediaTypes[row.MediaType] == mediaType && FindMediaType(manifest.Digest) == mediaType;

    private bool IsKnown(in RowKey key) => _references.TryFind(key, out var row) && row.Start == _start;

    // A line is live if no later one was about the same. The validation of a tag is newer in memory than in the log.
    private Record? Live(Record record, long line)
    {
        if (record.Kind is RecordKind.Pin) return _pins.IsLive(record, line) ? record : null;
        if (record.Kind is RecordKind.Referrers) return LiveReferrers(record, line);
        if (record.Kind is not (RecordKind.Tag or RecordKind.Manifest)) return null;
        if (!_references.TryFind(RowKey.Of(record.Reference), out var row) || row.Line != line) return null;
        if (record.Kind is RecordKind.Tag) return record with { ValidatedAt = new DateTimeOffset(row.ValidatedTicks, TimeSpan.Zero) };
        return IsManifestGone(record.Reference, row) ? null : record;
    }

    // Without the manifest, or without itself, a list tells nobody anything. The one of nothing needs no file.
    private Record? LiveReferrers(Record record, long line)
    {
        var key = RowKey.OfReferrers(record.Reference);
        if (!_references.TryFind(key, out var row) || row.Line != line) return null;
        if (File.Exists(_root.BlobPath(record.Reference.Digest)) && (row.Digest == NothingRefers || File.Exists(_root.BlobPath(row.Digest))))
            return record with { ValidatedAt = new DateTimeOffset(row.ValidatedTicks, TimeSpan.Zero) };
        _references.TryChange(key, ReferenceChange.Remove(), out _);
        return null;
    }

    // What was evicted is told anew when it is stored anew. Forgotten first and looked for then: whoever stores it between the two, and found the row
    // still there, has its file there too, since a manifest is stored before it is remembered.
    private bool IsManifestGone(Reference manifest, in ReferenceRow row)
    {
        if (File.Exists(_root.BlobPath(manifest.Digest))) return false;
        Remove(manifest);
        if (File.Exists(_root.BlobPath(manifest.Digest)))
        {
            Put(manifest, row);
            return false;
        }

        _blobs.TryChange(RowKey.Of(manifest.Digest), BlobChange.Undescribe(), out _);
        return true;
    }
}
