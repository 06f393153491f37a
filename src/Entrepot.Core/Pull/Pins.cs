using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>What is pinned, by administrators and by the sets of imported images, and which blobs that keeps from being evicted.</summary>
/// <remarks>
/// <para>Safe for concurrent use. A pin reaches the manifest that it means, the manifests which that names, and config and layers of those that are
/// stored; what is not stored yet is pinned all the same, so that it is when it arrives. A new pin is held in the store, then
/// written, then told, so that nothing pinned can leave at any moment, and no crash loses what was told.</para>
/// <para>A tag or digest has one pin, however many keep it: an administrator, sets, or both. Its last keeper takes it along.</para>
/// <para>Pulls tell of what changes a pin's reach: a tag that moved, and a manifest that arrived. Whoever
/// changes a pin looks at the store again afterwards, so none is missed. Disposed when nothing pulls any more.</para>
/// </remarks>
internal sealed class Pins : IDisposable
{
    // In place of a set's name: an administrator pinned it.
    private const string Own = "";

    private static readonly IReadOnlyDictionary<Digest, long> Nothing = new Dictionary<Digest, long>();

    private readonly SemaphoreSlim _changes = new(1);   // held by whoever changes a pin
    private readonly Lock _gate = new();
    private readonly Dictionary<Reference, Pin> _pins;          // guarded by _gate
    private readonly Dictionary<Digest, int> _reached = [];     // how many pins reach it, or hold it for a while; guarded by _gate
    private readonly IBlobStore _store;
    private readonly ICacheIndex _index;
    private readonly StoredManifests _manifests;

    /// <summary>The pins that the index remembers; what they reach is found out by <see cref="LoadAsync"/>.</summary>
    public Pins(IBlobStore store, ICacheIndex index)
    {
        (_store, _index, _manifests) = (store, index, new StoredManifests(store));
        _pins = index.Pins().ToDictionary(pin => pin.Key, pin => new Pin(pin.Value, null, [Own]));
        foreach (var (set, members) in index.Sets().Where(set => set.Key != ImageSets.Leaving))
            foreach (var (reference, manifest) in members) _pins[reference] = new Pin(manifest, null, [.. KeepersLocked(reference), set]);
    }

    /// <summary>All that is pinned; a snapshot.</summary>
    public IReadOnlyList<Reference> All { get { lock (_gate) return [.. _pins.Keys]; } }

    /// <summary>Whether this very tag or digest is pinned.</summary>
    public bool Has(Reference reference)
    {
        lock (_gate) return _pins.ContainsKey(reference);
    }

    /// <summary>The sets that keep this very tag or digest, in ordinal order.</summary>
    public IEnumerable<string> SetsOf(Reference reference)
    {
        lock (_gate) return KeepersLocked(reference).Where(keeper => keeper != Own);
    }

    /// <summary>Whether anybody but a set keeps this very tag or digest.</summary>
    public bool HasWithout(string set, Reference reference)
    {
        lock (_gate) return KeepersLocked(reference).Any(keeper => keeper != set);
    }

    /// <summary>Whether something that is pinned needs this blob, or somebody holds it for a while.</summary>
    public bool Reaches(Digest digest)
    {
        lock (_gate) return _reached.ContainsKey(digest);
    }

    /// <summary>The pins that mean this very manifest in this repository: by its digest, or by a tag that means it, or did when its upstream last had it.</summary>
    /// <param name="image">A manifest, by digest.</param>
    public IReadOnlyList<Reference> Of(Reference image)
    {
        lock (_gate) return [.. _pins.Where(pin => pin.Value.Manifest == image.Digest && pin.Key.At(image.Digest) == image).Select(pin => pin.Key)];
    }

    /// <summary>What is pinned and not, or not any more, completely stored.</summary>
    public IReadOnlyList<Reference> Incomplete()
    {
        KeyValuePair<Reference, Pin>[] pins;
        lock (_gate) pins = [.. _pins];
        return [.. pins.Where(pin => pin.Value.Parts?.IsComplete(_store.Contains) is false).Select(pin => pin.Key)];
    }

    /// <summary>Finds out what the remembered pins reach, before anything may be evicted.</summary>
    public async Task LoadAsync(CancellationToken cancel)
    {
        await _changes.WaitAsync(cancel);
        try
        {
            foreach (var pin in All)
            {
                try
                {
                    await FollowLockedAsync(pin, mustRead: false);
                }
                catch (Exception fault) when (ManifestPull.IsStoreFault(fault))
                {
                    // It is held. What it means now is written with its next change; until then its tag says so.
                }
            }
        }
        finally
        {
            _changes.Release();
        }
    }

    /// <summary>Pins all of these, or none; in one durable step, so that pulls which wait for it wait for one flush.</summary>
    /// <exception cref="IOException">The disk refuses. Nothing is pinned, unless it refused only when what came meanwhile was looked at.</exception>
    /// <returns>Why none is pinned; or for each the bytes on disk of what it reaches and is stored.</returns>
    public async Task<(Objection? Objection, IReadOnlyList<ImageChange> Changes)> PinAsync(IReadOnlyList<Reference> references, CancellationToken cancel)
    {
        await _changes.WaitAsync(cancel);
        var held = new HashSet<Digest>();
        try
        {
            var wanted = new List<(Reference Reference, ImageParts Parts, long Bytes)>();
            foreach (var reference in references.Distinct())
            {
                if (MeaningOf(reference) is not { } root) return (NotCached(reference), []);

                // Its manifest first: one that arrives only after it was looked for would pass for one that names nothing, and would be held without its layers.
                if (Hold([root], held).Count == 0 || await _store.OpenAsync(root, cancel) is not { } manifest) return (NotComplete(reference), []);
                await manifest.DisposeAsync();
                var parts = await PartsAsync(reference.At(root), mustRead: true, cancel);
                var here = Hold([.. parts.Sizes.Keys], held);
                if (!here.Contains(root) || !parts.IsComplete(here.Contains)) return (NotComplete(reference), []);
                wanted.Add((reference, parts, here.Sum(digest => BytesOf(digest, parts.Sizes[digest]))));
            }

            if (_store.ShortOf(BytesWith(wanted.Select(one => one.Parts.Sizes))) is > 0 and var missing)
                return (new(507, $"{(references.Count == 1 ? references[0].ToString() : $"these {references.Count} images")} cannot be pinned: the quota has no room for that", missing), []);

            await _index.SetPinsAsync(wanted.ToDictionary(one => one.Reference, one => one.Parts.Root), CancellationToken.None);
            foreach (var (reference, parts, _) in wanted) Set(reference, new Pin(parts.Root, parts, KeepersWith(reference, Own)));
            foreach (var (reference, _, _) in wanted) await FollowLockedAsync(reference, mustRead: true);
            return (null, [.. wanted.Select(one => new ImageChange(one.Reference, ImageFate.Pinned) { Digest = one.Parts.Root, Bytes = one.Bytes })]);
        }
        finally
        {
            Drop(held);
            _changes.Release();
        }
    }

    /// <summary>Unpins what matches, all of it or, with an <see cref="IOException"/>, nothing.</summary>
    /// <returns>For each the bytes on disk that nothing pins any more.</returns>
    public async Task<IReadOnlyList<ImageChange>> UnpinAsync(Func<Reference, bool> matches, CancellationToken cancel)
    {
        await _changes.WaitAsync(cancel);
        try
        {
            var changes = new List<ImageChange>();
            var meant = All.Where(reference => KeepersWith(reference).Contains(Own) && matches(reference)).OrderBy(pin => pin.ToString(), StringComparer.Ordinal).ToList();
            await _index.RemovePinsAsync(meant, CancellationToken.None);
            foreach (var reference in meant)
            {
                var (manifest, bytes) = Leave(reference, Own);
                changes.Add(new ImageChange(reference, ImageFate.Unpinned) { Digest = manifest, Bytes = bytes });
            }

            return changes;
        }
        finally
        {
            _changes.Release();
        }
    }

    /// <summary>Runs while no pin changes.</summary>
    public async Task<T> WhileUnchangedAsync<T>(Func<Task<T>> work, CancellationToken cancel)
    {
        await _changes.WaitAsync(cancel);
        try
        {
            return await work();
        }
        finally
        {
            _changes.Release();
        }
    }

    /// <summary>Keeps blobs from leaving until the result is disposed, those that are stored and those that will be.</summary>
    public IDisposable Hold(IReadOnlyCollection<Digest> digests)
    {
        lock (_gate) foreach (var digest in digests) ReachLocked(digest);
        return new Held(() =>
        {
            lock (_gate) foreach (var digest in digests) _ = LetGoLocked(digest);
        });
    }

    /// <summary>A set keeps this from now on, which is written down and stored. Called while no pin changes.</summary>
    public async Task KeepAsync(string set, Reference reference, Digest manifest)
    {
        // What is written down is true whatever the disk refuses to be read: the reach is found out with the next change then.
        var parts = await PartsAsync(reference.At(manifest), mustRead: false, CancellationToken.None);
        Set(reference, new Pin(manifest, parts, KeepersWith(reference, set)));
    }

    /// <summary>A set does not keep this any more, which is written down. Called while no pin changes.</summary>
    /// <returns>What it meant, and bytes that nothing pins any more.</returns>
    public (Digest Manifest, long Bytes) Leave(Reference reference, string keeper)
    {
        lock (_gate)
        {
            if (!_pins.TryGetValue(reference, out var pin)) return default;
            var others = pin.Keepers.Where(one => one != keeper).ToArray();
            return Set(reference, others.Length > 0 ? pin with { Keepers = others } : null);
        }
    }

    /// <summary>A tag means this now, which is stored; a pin of it follows.</summary>
    public async Task MovedAsync(Reference tag, Digest manifest)
    {
        lock (_gate)
            if (!_pins.TryGetValue(tag, out var pin) || pin.Manifest == manifest) return;
        await FollowAsync([tag]);
    }

    /// <summary>A manifest is stored now; pins that reach it reach what it names.</summary>
    public async Task ArrivedAsync(Digest manifest)
    {
        var reaching = Reaching(manifest);
        if (reaching.Count > 0) await FollowAsync(reaching);
    }

    /// <summary>Another list says what refers to a manifest now, which is written down; pins that reach the manifest reach the list. Called while no pin changes.</summary>
    public async Task RelistedAsync(Digest manifest)
    {
        foreach (var pin in Reaching(manifest)) await FollowLockedAsync(pin, mustRead: true);
    }

    /// <inheritdoc/>
    public void Dispose() => _changes.Dispose();

    private IReadOnlyList<Reference> Reaching(Digest manifest)
    {
        lock (_gate) return [.. _pins.Where(pin => pin.Value.Reach.ContainsKey(manifest) || MeaningOf(pin.Key) == manifest).Select(pin => pin.Key)];
    }

    private async Task FollowAsync(IEnumerable<Reference> pins)
    {
        await _changes.WaitAsync(CancellationToken.None);
        try
        {
            foreach (var pin in pins) await FollowLockedAsync(pin, mustRead: true);
        }
        finally
        {
            _changes.Release();
        }
    }

    // Brings a pin's reach in line with what is stored, until that stays the same: what comes between the look and the change is told to nobody.
    // A disk that refuses for once must not let go of what it holds: then the reach stays as it was, unless it was never known.
    private async Task FollowLockedAsync(Reference reference, bool mustRead)
    {
        while (true)
        {
            Pin before;
            lock (_gate)
                if (!_pins.TryGetValue(reference, out before!)) return;

            // A tag that is gone still pins what it meant last, and one that moved does until what it means now is stored.
            var root = MeaningOf(reference) is { } meaning && _store.Contains(meaning) ? meaning : before.Manifest;
            var parts = await PartsAsync(reference.At(root), mustRead, CancellationToken.None);

            // A manifest that has rotted is on its way again: what it names is to be there still when it has come, and then this is asked anew.
            if (root == before.Manifest && before.Parts is { } known && known.Manifests.Except(parts.Manifests).Any()) return;
            if (before.Parts is not null && root == before.Manifest && parts.Sizes.Count == before.Reach.Count && parts.Sizes.Keys.All(before.Reach.ContainsKey)) return;
            Set(reference, before with { Manifest = root, Parts = parts });
            if (before.Keepers.Contains(Own)) await _index.SetPinsAsync(new Dictionary<Reference, Digest> { [reference] = root }, CancellationToken.None);

            // What a set kept before a pull moved its tag stays as an image that is cached like any other, by its digest, and leaves when its room is needed: as with
            // what any pull replaces, its upstream may have it no longer, while clients still ask for it. It is an import that removes what it replaces.
            var sets = before.Keepers.Where(keeper => keeper != Own).Select(set => new SetMember(set, reference, root)).ToList();
            if (sets.Count > 0) await _index.ChangeSetsAsync(new SetChange { Kept = sets }, CancellationToken.None);
        }
    }

    private Digest? MeaningOf(Reference reference) => reference.IsTag ? _index.FindTag(reference)?.Digest : reference.Digest;

    // With the lists of what refers to it, of the repository that it is of, so that they can be told as long as it is there.
    private async Task<ImageParts> PartsAsync(Reference root, bool mustRead, CancellationToken cancel)
    {
        var parts = await _manifests.PartsAsync(root.Digest, [], mustRead, cancel);
        return parts.With(parts.Manifests.Select(manifest => _index.FindReferrers(root.At(manifest))?.List).OfType<Digest>().Where(list => list != ReferrerLists.Nothing));
    }

    // Held before it is looked at: what is found here now stays here.
    private HashSet<Digest> Hold(IReadOnlyCollection<Digest> parts, HashSet<Digest> held)
    {
        lock (_gate)
            foreach (var digest in parts.Where(held.Add)) ReachLocked(digest);
        return [.. parts.Where(_store.Pin)];
    }

    private void Drop(HashSet<Digest> held)
    {
        lock (_gate)
            foreach (var digest in held) _ = LetGoLocked(digest);
    }

    // Puts a pin in the place of what there was, or takes it away. Returns what it meant, and bytes that nothing pins any more.
    private (Digest Manifest, long Bytes) Set(Reference reference, Pin? pin)
    {
        lock (_gate)
        {
            _pins.Remove(reference, out var before);
            if (pin is not null) _pins.Add(reference, pin);
            foreach (var digest in pin?.Reach.Keys ?? []) ReachLocked(digest);
            var bytes = 0L;
            foreach (var digest in before?.Reach.Keys ?? [])
                if (LetGoLocked(digest)) bytes += _index.FindBlob(digest) is { } blob ? Quota.OnDisk(blob.Size) : 0;
            return (before?.Manifest ?? default, bytes);
        }
    }

    private void ReachLocked(Digest digest)
    {
        if (!_reached.TryAdd(digest, 1)) _reached[digest]++;
        else _store.Pin(digest);
    }

    // Returns whether nobody needs it any more.
    private bool LetGoLocked(Digest digest)
    {
        if (--_reached[digest] > 0) return false;
        _reached.Remove(digest);
        _store.Unpin(digest);
        return true;
    }

    private IReadOnlyList<string> KeepersLocked(Reference reference) => _pins.TryGetValue(reference, out var pin) ? pin.Keepers : [];

    // Who keeps it, in ordinal order, with one more.
    private string[] KeepersWith(Reference reference, params string[] more)
    {
        lock (_gate) return [.. KeepersLocked(reference).Union(more).Order(StringComparer.Ordinal)];
    }

    // Bytes on disk of all that is pinned, with these besides, when all of it has arrived.
    private long BytesWith(IEnumerable<IReadOnlyDictionary<Digest, long>> more)
    {
        lock (_gate)
        {
            return _pins.Values.Select(pin => pin.Reach).Concat(more).SelectMany(reach => reach).DistinctBy(blob => blob.Key)
                .Sum(blob => BytesOf(blob.Key, blob.Value));
        }
    }

    // Nobody can say more of a blob than its bytes do.
    private long BytesOf(Digest digest, long said) => Quota.OnDisk(_index.FindBlob(digest)?.Size ?? Math.Clamp(said, 0, 1L << 42));

    private static Objection NotCached(Reference reference) =>
        new(404, $"{reference} is not cached: pull it through this cache first, then pin it");

    private static Objection NotComplete(Reference reference) =>
        new(409, $"{reference} is not completely cached: pull it through this cache first, with all its layers, then pin it");

    // What it means; what that consists of, null before that was looked at; and who keeps it, at least one.
    private sealed record Pin(Digest Manifest, ImageParts? Parts, IReadOnlyList<string> Keepers)
    {
        public IReadOnlyDictionary<Digest, long> Reach => Parts?.Sizes ?? Nothing;
    }

    private sealed class Held(Action letGo) : IDisposable
    {
        private Action? _letGo = letGo;

        public void Dispose() => Interlocked.Exchange(ref _letGo, null)?.Invoke();
    }
}
