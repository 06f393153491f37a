using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>Imported images, pinned as sets: what a set keeps is never evicted, answers without an upstream, and comes, changes and goes as a whole.</summary>
/// <remarks>
/// <para>Safe for concurrent use; a set changes while no pin does. Blobs get their names first, then all names of the import and all that the set keeps
/// become true in one durable step, so that at every moment each image is whole or absent, also after a crash. Sets may share images: what another
/// set or pin keeps stays.</para>
/// <para>What a replaced set leaves behind is written down in the same step and removed afterwards. What a crash or the disk keeps from being removed is
/// removed with what the next change leaves, or by the next start.</para>
/// </remarks>
public sealed class ImageSets
{
    /// <summary>Most characters of a set's name.</summary>
    public const int MaxName = 64;

    /// <summary>What is allowed as a set's name.</summary>
    public const string NameRule = "1 to 64 letters, digits, '.', '_' and '-', the first a letter or digit";

    // No set's name: images that sets have left and that are to be removed.
    internal const string Leaving = "!";

    private readonly IBlobStore _store;
    private readonly ICacheIndex _index;
    private readonly Pins _pins;
    private readonly ImageCatalog _catalog;
    private readonly ImageRemovals _removals;
    private readonly StoredManifests _manifests;
    private readonly Action _forgetRefusals;
    private readonly Action<Reference, Exception> _storeFailed;
    private readonly TimeProvider _clock;

    internal ImageSets(
        IBlobStore store, ICacheIndex index, Pins pins, ImageCatalog catalog, ImageRemovals removals, Action forgetRefusals, Action<Reference, Exception> storeFailed,
        TimeProvider clock)
    {
        (_store, _index, _pins, _catalog, _removals) = (store, index, pins, catalog, removals);
        (_manifests, _forgetRefusals, _storeFailed, _clock) = (new StoredManifests(store), forgetRefusals, storeFailed, clock);
    }

    /// <summary>The names of all sets, in ordinal order.</summary>
    public IReadOnlyList<string> Names => [.. _index.Sets().Keys.Where(name => name != Leaving).Order(StringComparer.Ordinal)];

    /// <summary>Whether a set may be called so: see <see cref="NameRule"/>.</summary>
    public static bool IsName(string name) =>
        name.Length is > 0 and <= MaxName && char.IsAsciiLetterOrDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    /// <summary>Keeps blobs from leaving until the result is disposed, those that are stored and those that will be.</summary>
    public IDisposable Hold(IReadOnlyCollection<Digest> digests) => _pins.Hold(digests);

    /// <summary>Makes imported images visible, all or none, in the place of what their set had.</summary>
    /// <param name="import">The images.</param>
    /// <param name="staged">What has arrived for them.</param>
    /// <param name="cancel">Ends it before anything is visible; after that no more.</param>
    /// <param name="stop">Ends the removing of what the set had before; the next start goes on with it.</param>
    /// <exception cref="IOException">The disk refuses. No image is visible that was not; blobs may have got their names, for the caller to take them back.</exception>
    public async Task<(Objection? Objection, ImportEnd? End)> ReplaceAsync(ImportedSet import, StagedBlobs staged, CancellationToken cancel, CancellationToken stop)
    {
        var (objection, gone) = await _pins.WhileUnchangedAsync(() => ReplaceLockedAsync(import, staged, cancel), cancel);
        if (objection is not null) return (objection, null);

        _forgetRefusals();   // what was not to be had is, by now
        return (null, new ImportEnd(import.Images.Count, gone, await TidyAsync(import.Images[0].Reference, stop)));
    }

    /// <summary>Removes a set: what nobody else keeps of it is gone, names first.</summary>
    /// <param name="set">Its name.</param>
    /// <param name="told">Told of each name that the set kept.</param>
    /// <param name="cancel">Ends it before the set goes; after that no more.</param>
    /// <param name="stop">Ends it at any time; the next start goes on with it.</param>
    public async Task<Objection?> RemoveAsync(string set, Func<ImageChange, Task> told, CancellationToken cancel, CancellationToken stop)
    {
        var members = _index.Sets().GetValueOrDefault(set);
        if (members is null || set == Leaving)
            return new Objection(404, $"there is no set '{set}'; {(Names is { Count: > 0 } others ? $"there are: {string.Join(", ", others)}" : "nothing has been imported")}");

        await _pins.WhileUnchangedAsync(() => ChangeLockedAsync(new ImportedSet(set, [], new HashSet<Digest>()), new SetChange()), cancel);
        var freed = await TidyAsync(members.Keys.First(), stop);
        var names = members.Keys.OrderBy(name => name.ToString(), StringComparer.Ordinal).ToList();
        foreach (var name in names)
            await told(new ImageChange(name, ImageFate.Removed) { Digest = members[name], Bytes = name == names[^1] ? freed : 0 });
        stop.ThrowIfCancellationRequested();
        return null;
    }

    /// <summary>Removes what a crash has left of replaced and removed sets. Called once, when it is known what is stored.</summary>
    /// <exception cref="IOException">The disk refuses; it can be called again.</exception>
    public Task FinishAsync(CancellationToken stop) => SweepAsync(_ => { }, stop);

    private async Task<(Objection? Objection, IReadOnlyList<Reference> Gone)> ReplaceLockedAsync(ImportedSet import, StagedBlobs staged, CancellationToken cancel)
    {
        var parts = new ImportedParts(import.Blobs, ReadAsync, digest => staged.Has(digest) || _store.Contains(digest));
        foreach (var image in import.Images)
            if (await parts.AddAsync(image, cancel) is { } objection) return (objection, []);

        var lists = await ListsAsync(import, parts, cancel);
        using var held = _pins.Hold([.. lists.Values.Select(list => list.Digest)]);
        foreach (var (digest, list) in lists.Values.Where(list => list.Digest != ReferrerLists.Nothing))
            if (!staged.Has(digest) && !_store.Contains(digest)) await staged.AddAsync(list);

        await staged.PlaceAsync([.. lists.Values.Select(list => list.Digest).Concat(parts.Order).Distinct().Where(staged.Has)]);
        return await ChangeLockedAsync(import, NamesOf(import, parts, lists));

        async Task<ReadOnlyMemory<byte>?> ReadAsync(Digest digest, CancellationToken token)
        {
            if (staged.Has(digest)) return await staged.ReadAsync(digest, token);
            if (await _store.OpenAsync(digest, token) is not { } blob) return null;
            await using (blob) return blob.Size <= StoredManifests.MaxBytes ? await blob.ReadAllAsync(token) : null;
        }
    }

    private SetChange NamesOf(ImportedSet import, ImportedParts parts, IReadOnlyDictionary<Reference, (Digest Digest, ReadOnlyMemory<byte> List)> lists)
    {
        var now = _clock.GetUtcNow();
        return new SetChange
        {
            Manifests = [.. parts.Manifests],
            Referrers = [.. lists.Select(list => KeyValuePair.Create(list.Key, new ReferrersRecord(list.Value.Digest, now)))],
            Tags =
            [
                .. import.Images.Where(image => image.Reference.IsTag).Select(image => KeyValuePair.Create(
                    image.Reference, new TagRecord(image.Digest, parts.Manifests[image.Reference.At(image.Digest)], parts.SizeOf(image.Digest), now))),
            ],
        };
    }

    // What refers to each manifest: what comes with the import, and what was known before and has not gone with it. Where nothing does, that is known, too.
    private async Task<IReadOnlyDictionary<Reference, (Digest Digest, ReadOnlyMemory<byte> List)>> ListsAsync(ImportedSet import, ImportedParts parts, CancellationToken cancel)
    {
        var gone = GoneFrom(import).Where(reference => !reference.IsTag).ToHashSet();
        var lists = new Dictionary<Reference, (Digest, ReadOnlyMemory<byte>)>();
        foreach (var (subject, referrers) in parts.Referrers)
        {
            using var list = new ReferrerIndex(null);
            if (_index.FindReferrers(subject) is { } record && await _store.OpenAsync(record.List, cancel) is { } blob)
                await using (blob) list.TryAddOnly(await blob.ReadAllAsync(cancel), digest => !gone.Contains(subject.At(digest)));
            foreach (var (mediaType, manifest) in referrers) list.TryAddManifest(mediaType, manifest);
            var content = list.Finish().ToArray();
            lists[subject] = (Digest.Of(content), content);
        }

        foreach (var manifest in parts.Manifests.Keys.Where(manifest => _index.FindReferrers(manifest) is null))
            lists.TryAdd(manifest, (Digest.Of(ReferrerIndex.Empty.Span), ReferrerIndex.Empty));
        return lists;
    }

    private List<Reference> GoneFrom(ImportedSet import)
    {
        var has = import.Images.Select(image => image.Reference).ToHashSet();
        return [.. (_index.Sets().GetValueOrDefault(import.Name)?.Keys ?? []).Where(reference => !has.Contains(reference))];
    }

    // The one durable step, and the same in memory.
    private async Task<(Objection? Objection, IReadOnlyList<Reference> Gone)> ChangeLockedAsync(ImportedSet import, SetChange names)
    {
        var had = _index.Sets().GetValueOrDefault(import.Name) ?? new Dictionary<Reference, Digest>();
        var has = import.Images.ToDictionary(image => image.Reference, image => image.Digest);
        var gone = GoneFrom(import);
        var roots = had.Select(one => one.Key.At(one.Value)).Except(has.Select(one => one.Key.At(one.Value))).ToList();

        // What other sets keep by a tag follows it, as pins do.
        var kept = has.SelectMany(one => _pins.SetsOf(one.Key).Append(import.Name).Distinct(), (one, set) => new SetMember(set, one.Key, one.Value));
        await _index.ChangeSetsAsync(
            names with
            {
                Kept = [.. kept, .. roots.Select(root => new SetMember(Leaving, root, root.Digest))],
                Dropped = [.. gone.Select(reference => (import.Name, reference))],
                GoneTags = [.. gone.Where(reference => reference.IsTag && !_pins.HasWithout(import.Name, reference))],
            },
            CancellationToken.None);

        foreach (var (reference, digest) in has) await _pins.KeepAsync(import.Name, reference, digest);
        foreach (var reference in gone) _pins.Leave(reference, import.Name);
        return (null, [.. gone.OrderBy(name => name.ToString(), StringComparer.Ordinal)]);
    }

    // What has changed is true and durable: a disk that refuses now only keeps something from being removed.
    private async Task<long> TidyAsync(Reference changed, CancellationToken stop)
    {
        var freed = 0L;
        try
        {
            await _index.CheckpointAsync(CancellationToken.None);
            await SweepAsync(bytes => freed += bytes, stop);
        }
        catch (OperationCanceledException)
        {
            // The next start goes on with it.
        }
        catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
        {
            _storeFailed(changed, fault);
        }

        return freed;
    }

    // What sets have left, and has no tag and no pin any more, goes with what nothing else needs; then it is not to be removed any more.
    private async Task SweepAsync(Action<long> freed, CancellationToken stop)
    {
        if (!_index.Sets().TryGetValue(Leaving, out var left)) return;
        var (roots, began) = (left.Keys.ToList(), _clock.GetUtcNow());
        var listed = await _catalog.List(_ => true, mustRead: true, stop).ToListAsync(stop);
        foreach (var removal in RemovalPlan.Of(await GoneAsync(roots, listed, stop), listed, _pins.Reaches))
        {
            stop.ThrowIfCancellationRequested();
            freed(await _removals.DoAsync(removal, began));
        }

        await _index.ChangeSetsAsync(new SetChange { Dropped = [.. roots.Select(root => (Leaving, root))] }, CancellationToken.None);
    }

    // An image whose removal was broken off is not listed any more, or only its parts are, as images of their own: what it consisted of is found out from its bytes, which go last.
    private async Task<IReadOnlyList<CachedImage>> GoneAsync(List<Reference> roots, List<CachedImage> listed, CancellationToken stop)
    {
        var meant = roots.ToHashSet();
        var forgotten = new List<CachedImage>();
        foreach (var root in roots.Except(listed.Select(image => image.Reference)).Where(root => _store.Contains(root.Digest)))
        {
            var parts = await _manifests.PartsAsync(root.Digest, [], mustRead: true, stop);
            forgotten.Add(new CachedImage(root, [], "", 0, IsComplete: false, IsPinned: false, null, []) { Parts = parts });
            meant.UnionWith(parts.Children.Select(root.At));
        }

        return [.. listed.Where(image => meant.Contains(image.Reference) && image is { Tags.Count: 0, IsPinned: false }), .. forgotten];
    }
}
