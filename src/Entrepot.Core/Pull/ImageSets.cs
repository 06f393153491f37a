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
    private readonly ReferrerLists _referrers;
    private readonly StoredManifests _manifests;
    private readonly Action _forgetRefusals;
    private readonly Action<Reference, Exception> _storeFailed;
    private readonly TimeProvider _clock;

    internal ImageSets(
        IBlobStore store, ICacheIndex index, Pins pins, ImageCatalog catalog, ImageRemovals removals, ReferrerLists referrers, Action forgetRefusals,
        Action<Reference, Exception> storeFailed, TimeProvider clock)
    {
        (_store, _index, _pins, _catalog, _removals, _referrers) = (store, index, pins, catalog, removals, referrers);
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
        var (objection, changed) = await _pins.WhileUnchangedAsync(() => ReplaceLockedAsync(import, staged, cancel), cancel);
        if (objection is not null) return (objection, null);

        _forgetRefusals();   // what was not to be had is, by now
        return (null, new ImportEnd(import.Images.Count, changed.Gone, await TidyAsync(import.Images[0].Reference, changed.Relisted, stop)));
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
        var freed = await TidyAsync(members.Keys.First(), [], stop);
        var names = members.Keys.OrderBy(name => name.ToString(), StringComparer.Ordinal).ToList();
        foreach (var name in names)
            await told(new ImageChange(name, ImageFate.Removed) { Digest = members[name], Bytes = name == names[^1] ? freed : 0 });
        stop.ThrowIfCancellationRequested();
        return null;
    }

    /// <summary>Removes what a crash has left of replaced and removed sets. Called once, when it is known what is stored.</summary>
    /// <exception cref="IOException">The disk refuses; it can be called again.</exception>
    public Task FinishAsync(CancellationToken stop) => SweepAsync([], _ => { }, stop);

    private async Task<(Objection? Objection, Changed Changed)> ReplaceLockedAsync(ImportedSet import, StagedBlobs staged, CancellationToken cancel)
    {
        var parts = new ImportedParts(import.Blobs, ReadAsync, digest => staged.Has(digest) || _store.Contains(digest));
        foreach (var image in import.Images)
            if (await parts.AddAsync(image, cancel) is { } objection) return (objection, default);

        var lists = await ListsAsync(parts, cancel);
        using var held = _pins.Hold([.. lists.Values.Select(list => list.Digest)]);
        foreach (var (digest, list) in lists.Values.Where(list => list.Digest != ReferrerLists.Nothing))
            if (!staged.Has(digest) && !_store.Contains(digest)) await staged.AddAsync(list);

        await staged.PlaceAsync([.. lists.Values.Select(list => list.Digest).Concat(parts.Order).Distinct().Where(staged.Has)]);
        return (null, await ChangeLockedAsync(import, NamesOf(import, parts, lists)));

        async Task<ReadOnlyMemory<byte>?> ReadAsync(Digest digest, CancellationToken token)
        {
            return staged.Has(digest) ? await staged.ReadAsync(digest, token) : await _manifests.ReadAsync(digest, token);
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

    // What refers to each manifest: what comes with the import, and what was known before; what of that goes with the set is taken out when it does. Where nothing does, that is known, too.
    private async Task<IReadOnlyDictionary<Reference, (Digest Digest, ReadOnlyMemory<byte> List)>> ListsAsync(ImportedParts parts, CancellationToken cancel)
    {
        var lists = new Dictionary<Reference, (Digest, ReadOnlyMemory<byte>)>();
        foreach (var (subject, referrers) in parts.Referrers)
        {
            using var list = new ReferrerIndex(null);
            if (_index.FindReferrers(subject) is { } record && await _manifests.ReadAsync(record.List, cancel) is { } known) list.TryAddOnly(known, _ => true);
            foreach (var (mediaType, manifest) in referrers) list.TryAddManifest(mediaType, manifest);
            var content = list.Finish().ToArray();
            lists[subject] = (Digest.Of(content), content);
        }

        foreach (var manifest in parts.Manifests.Keys.Where(manifest => _index.FindReferrers(manifest) is null))
            lists.TryAdd(manifest, (Digest.Of(ReferrerIndex.Empty.Span), ReferrerIndex.Empty));
        return lists;
    }

    // The one durable step, and the same in memory.
    private async Task<Changed> ChangeLockedAsync(ImportedSet import, SetChange names)
    {
        var sets = _index.Sets();
        var had = sets.GetValueOrDefault(import.Name) ?? new Dictionary<Reference, Digest>();
        var has = import.Images.ToDictionary(image => image.Reference, image => image.Digest);
        var gone = had.Keys.Where(reference => !has.ContainsKey(reference)).ToList();

        // What other sets keep by a tag follows it, as pins do: they leave behind what it meant before, as this one does.
        var kept = has.SelectMany(one => _pins.SetsOf(one.Key).Append(import.Name).Distinct(), (one, set) => new SetMember(set, one.Key, one.Value)).ToList();
        var moved = kept.Select(member => member.Reference.At(sets.GetValueOrDefault(member.Set)?.GetValueOrDefault(member.Reference, member.Digest) ?? member.Digest));
        var roots = gone.Select(reference => reference.At(had[reference])).Concat(moved).Except(has.Select(one => one.Key.At(one.Value))).ToList();
        var relisted = names.Referrers.Select(one => (Subject: one.Key, Before: _index.FindReferrers(one.Key)?.List, Now: one.Value.List))
            .Where(one => one.Before is not null && one.Before != one.Now).Select(one => (one.Subject, one.Before!.Value)).ToList();
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
        return new Changed([.. gone.OrderBy(name => name.ToString(), StringComparer.Ordinal)], relisted);
    }

    // What has changed is true and durable: a disk that refuses now only keeps something from being removed.
    private async Task<long> TidyAsync(Reference changed, IReadOnlyList<(Reference Subject, Digest List)> relisted, CancellationToken stop)
    {
        var freed = 0L;
        try
        {
            await _index.CheckpointAsync(CancellationToken.None);
            foreach (var (subject, _) in relisted) await _pins.ArrivedAsync(subject.Digest);
            await SweepAsync([.. relisted.Select(one => one.List).Where(list => list != ReferrerLists.Nothing)], bytes => freed += bytes, stop);
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

    // What sets have left, and has no tag and no pin any more, goes with what nothing else needs; then it is not to be removed any more. With it go lists of what
    // refers to something in whose place there are others: a crash leaves one of those at most as a blob that nothing keeps from being evicted.
    private async Task SweepAsync(List<Digest> replaced, Action<long> freed, CancellationToken stop)
    {
        var (roots, began) = (_index.Sets().GetValueOrDefault(Leaving)?.Keys.ToList() ?? [], _clock.GetUtcNow());
        if (roots.Count == 0 && replaced.Count == 0) return;

        var listed = await _catalog.List(_ => true, mustRead: true, stop).ToListAsync(stop);
        var removals = new List<(Removal Removal, IReadOnlyDictionary<Reference, Reference> Subjects)>();
        foreach (var removal in RemovalPlan.Of(await GoneAsync(roots, listed, stop), listed, _pins.Reaches)) removals.Add((removal, await SubjectsAsync(removal, stop)));

        // What refers to others goes after them: only those that stay need another list, and then there is room for it.
        foreach (var (removal, subjects) in removals.OrderBy(one => one.Subjects.Count > 0))
        {
            stop.ThrowIfCancellationRequested();
            freed(await _removals.DoAsync(removal, began, async manifest =>
            {
                if (subjects.TryGetValue(manifest, out var subject) && await _referrers.UnlistAsync(manifest.Digest, subject) is { } list) replaced.Add(list);
            }));
        }

        freed(RemoveLists(replaced, listed));
        if (roots.Count > 0) await _index.ChangeSetsAsync(new SetChange { Dropped = [.. roots.Select(root => (Leaving, root))] }, CancellationToken.None);
    }

    private async Task<IReadOnlyDictionary<Reference, Reference>> SubjectsAsync(Removal removal, CancellationToken stop)
    {
        var subjects = new Dictionary<Reference, Reference>();
        foreach (var (manifest, _) in removal.Manifests)
            if (await _referrers.SubjectOfAsync(manifest, stop) is { } subject) subjects.Add(manifest, subject);
        return subjects;
    }

    // The same image in another repository may have the same list still.
    private long RemoveLists(List<Digest> replaced, List<CachedImage> listed)
    {
        if (replaced.Count == 0) return 0;
        var used = listed.SelectMany(image => image.Parts.Manifests.Select(image.Reference.At)).Select(manifest => _index.FindReferrers(manifest)?.List).OfType<Digest>().ToHashSet();
        return replaced.Distinct().Where(list => !used.Contains(list)).Sum(list => _store.Remove(list, _clock.GetUtcNow()));
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

    // What a set had and has not any more, and manifests of which other lists say now what refers to them, with the lists before.
    private readonly record struct Changed(IReadOnlyList<Reference> Gone, IReadOnlyList<(Reference Subject, Digest List)> Relisted);
}
