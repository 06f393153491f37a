using Entrepot.Oci;

namespace Entrepot.Pull;

/// <summary>What administrators do with images: list, pin, remove, refresh.</summary>
/// <remarks>
/// Safe for concurrent use. What was not done, and why, is an <see cref="Objection"/>; then nothing was changed. Changes are told one after the other. A
/// fault of the disk is an <see cref="IOException"/>.
/// </remarks>
public sealed class Images
{
    // Few enough for any upstream's patience, enough for a hundred tags in a second or two.
    private const int RefreshesAtOnce = 8;

    private readonly ICacheIndex _index;
    private readonly ManifestPull _pulls;
    private readonly Pins _pins;
    private readonly ImageCatalog _catalog;
    private readonly ImageRemovals _removals;
    private readonly Func<string, IUpstream?> _upstream;
    private readonly TimeProvider _clock;

    internal Images(
        IBlobStore store, ICacheIndex index, ManifestPull pulls, ReferrerLists referrers, Pins pins, Func<string, IUpstream?> upstream, TimeProvider clock,
        Action<Reference, Exception> storeFailed)
    {
        (_index, _pulls, _pins, _upstream, _clock) = (index, pulls, pins, upstream, clock);
        _catalog = new ImageCatalog(store, index, pins);
        _removals = new ImageRemovals(store, index, pins);
        Sets = new ImageSets(store, index, pins, _catalog, _removals, referrers, pulls.ForgetRefusals, storeFailed, clock);
    }

    /// <summary>The sets of imported images.</summary>
    public ImageSets Sets { get; }

    /// <summary>The images that are cached, by upstream, repository, first tag and digest in ordinal order.</summary>
    /// <remarks>What there is is found out before this returns; a repository's manifests are read when the first of its images is asked for.</remarks>
    /// <param name="pattern">Which; <see langword="null"/> for all.</param>
    /// <param name="cancel">Ends it.</param>
    public IAsyncEnumerable<CachedImage> List(ReferencePattern? pattern, CancellationToken cancel) => pattern is { } only
        ? _catalog.List(RepositoriesOf(only), mustRead: false, cancel).Where(image => image.NamesIn(only).Count > 0)
        : _catalog.List(_ => true, mustRead: false, cancel);

    /// <summary>The names of the upstreams that anything cached or pinned came from, also of those that are not configured any more.</summary>
    public IReadOnlyCollection<string> Upstreams() => [.. _index.Repositories().Select(one => one.Upstream).Concat(_pins.All.Select(pin => pin.Upstream)).Distinct()];

    /// <summary>Finds out what the pins reach. Called once, before anything may be evicted.</summary>
    public Task LoadPinsAsync(CancellationToken cancel) => _pins.LoadAsync(cancel);

    /// <summary>What is pinned and not, or not any more, completely stored: an upstream is needed for it. Looks at no disk but for files that the index does not know.</summary>
    public IReadOnlyList<Reference> IncompletePins() => _pins.Incomplete();

    /// <summary>Pins images, all that are meant or none: they are not evicted any more, nor what a tag means later.</summary>
    public async Task<Objection?> PinAsync(ReferencePattern pattern, Func<ImageChange, Task> told, CancellationToken cancel)
    {
        var meant = pattern.Exact is { } exact ? [exact] : await List(pattern, cancel).SelectMany(image => image.NamesIn(pattern)).ToListAsync(cancel);
        if (meant.Count == 0) return NothingMatches(pattern);

        var (objection, changes) = await _pins.PinAsync(meant, cancel);
        foreach (var change in changes) await told(change);
        return objection;
    }

    /// <summary>Unpins images: they can be evicted again, as if they had just been used.</summary>
    public async Task<Objection?> UnpinAsync(ReferencePattern pattern, Func<ImageChange, Task> told, CancellationToken cancel)
    {
        var changes = await _pins.UnpinAsync(pattern.Matches, cancel);
        foreach (var change in changes) await told(change);
        if (changes.Count > 0) return null;
        return _pins.All.FirstOrDefault(pattern.Matches) is { Repository: not null } kept
            ? new(409, $"{kept} is kept by the set '{_pins.SetsOf(kept).FirstOrDefault()}', which is not pinned or unpinned image by image: remove --set removes it")
            : new(404, $"nothing that is pinned matches {pattern}; list shows what is pinned, and by which tag or digest");
    }

    /// <summary>Removes images: their names, and what no other image has a part in.</summary>
    /// <remarks>
    /// <para>A tag goes alone while its image has another one; a digest takes the tags that point to it with it. Names go first, durably; then
    /// what stays is looked at anew, and only what none of that needs is removed. A pull that comes between is either seen then, since a manifest is known before
    /// its client asks for its blobs, or it uses the blobs after this began, and blobs that were used since stay. One that comes later fetches anew.</para>
    /// </remarks>
    /// <param name="pattern">Which.</param>
    /// <param name="told">Told of each name that is gone.</param>
    /// <param name="cancel">Ends it before the names go; after that no more.</param>
    /// <param name="stop">Ends it at any time, between two images at the latest: the names are gone then, and told; some blobs are still there, and known by digest.</param>
    public async Task<Objection?> RemoveAsync(ReferencePattern pattern, Func<ImageChange, Task> told, CancellationToken cancel, CancellationToken stop)
    {
        var (objection, meant) = await _pins.WhileUnchangedAsync(() => TakeNamesAsync(pattern, cancel), cancel);
        if (objection is not null) return objection;

        var began = _clock.GetUtcNow();
        var removals = await PlanAsync([.. meant.Where(one => one.IsGone).Select(one => one.Image)], stop);
        var changes = new List<ImageChange>();
        foreach (var (image, names, _) in meant)
        {
            var bytes = 0L;
            if (!stop.IsCancellationRequested && removals.TryGetValue(image.Reference, out var removal)) bytes = await _removals.DoAsync(removal, began);
            foreach (var name in names)
                changes.Add(new ImageChange(name, ImageFate.Removed) { Digest = image.Reference.Digest, Bytes = name == names[^1] ? bytes : 0 });
        }

        // Told when all is done: whoever listens may leave, and nothing is to be left half removed by that.
        foreach (var change in changes) await told(change);
        stop.ThrowIfCancellationRequested();
        return null;
    }

    /// <summary>Asks upstreams now what tags mean, several at once. A plain reference that is not known becomes known.</summary>
    public async Task<Objection?> RefreshAsync(ReferencePattern pattern, Func<ImageChange, Task> told, CancellationToken cancel)
    {
        if (pattern.Exact is { IsTag: false }) return new(400, $"{pattern} is a digest, whose meaning never changes; a tag or a pattern can be refreshed");

        IReadOnlyList<Reference> meant = pattern.Exact is { } exact ? [exact] : [.. _index.References().Where(name => name.IsTag && pattern.Matches(name))];
        if (meant.Count == 0) return NothingMatches(pattern);

        var running = new List<Task<ImageChange>>();
        try
        {
            foreach (var tag in meant.OrderBy(tag => tag.ToString(), StringComparer.Ordinal))
            {
                running.Add(RefreshAsync(tag, cancel));
                if (running.Count == RefreshesAtOnce) await TellFirstAsync();
            }

            while (running.Count > 0) await TellFirstAsync();
            return null;
        }
        finally
        {
            // Whoever ends this may take the index away then.
            await ((Task)Task.WhenAll(running)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        async Task TellFirstAsync()
        {
            var first = await Task.WhenAny(running);
            running.Remove(first);
            await told(await first);
        }
    }

    private async Task<ImageChange> RefreshAsync(Reference tag, CancellationToken cancel)
    {
        var known = _index.FindTag(tag)?.Digest;
        if (_upstream(tag.Upstream) is not { } upstream) return Failed($"no upstream of the options is called '{tag.Upstream}' any more, so nobody can be asked");
        if (upstream.Freshness.Offline) return Failed($"{upstream.Name} is set to be offline: it is never asked");

        if (!(await _pulls.RefreshAsync(tag, upstream, cancel)).Has(out var record, out var error))
            return error.Status == 404
                ? new ImageChange(tag, ImageFate.Gone) { Previous = known, Error = $"{upstream.Name} has no such tag" }
                : Failed(Told(error));

        // A tag that was not known, or whose manifest was evicted, is only worth having with it.
        var manifest = await _pulls.GetAsync(tag.At(record.Digest), headOnly: false, upstream, cancel);
        if (manifest.Error is { } missing) return Failed(Told(missing));
        return known == record.Digest
            ? new ImageChange(tag, ImageFate.Unchanged) { Digest = record.Digest }
            : new ImageChange(tag, ImageFate.Moved) { Digest = record.Digest, Previous = known };

        ImageChange Failed(string why) => new(tag, ImageFate.Failed) { Digest = known, Error = why };

        static string Told(RegistryError error) => error.Detail is { } detail ? $"{error.Message}: {detail}" : error.Message;
    }

    // What goes with the images whose names are gone; nothing if it has to stop before that is known.
    private async Task<IReadOnlyDictionary<Reference, Removal>> PlanAsync(IReadOnlyList<CachedImage> gone, CancellationToken stop)
    {
        if (gone.Count == 0) return new Dictionary<Reference, Removal>();
        try
        {
            var listed = await _catalog.List(_ => true, mustRead: true, stop).ToListAsync(stop);
            return RemovalPlan.Of(gone, listed, _pins.Reaches).ToDictionary(removal => removal.Image.Reference);
        }
        catch (OperationCanceledException)
        {
            return new Dictionary<Reference, Removal>();
        }
    }

    private async Task<(Objection? Objection, IReadOnlyList<(CachedImage Image, IReadOnlyList<Reference> Names, bool IsGone)> Meant)> TakeNamesAsync(
        ReferencePattern pattern, CancellationToken cancel)
    {
        // All of it is read before anything is changed: with a disk that refuses, nothing is.
        var meant = await _catalog.List(_ => true, mustRead: true, cancel).Where(image => image.NamesIn(pattern).Count > 0)
            .Select(image => Meant(image, pattern)).ToListAsync(cancel);
        if (meant.Count == 0) return (NothingMatches(pattern), []);

        var pinned = meant.SelectMany(one => one.Names.Where(_pins.Has).Union(_pins.Of(one.Image.Reference))).ToList();
        if (pinned.Count > 0)
            return (StillPinned(pinned), []);

        await _index.RemoveTagsAsync([.. meant.SelectMany(one => one.Names).Where(name => name.IsTag)], CancellationToken.None);
        return (null, meant);
    }

    // A digest takes all its tags with it.
    private static (CachedImage Image, IReadOnlyList<Reference> Names, bool IsGone) Meant(CachedImage image, ReferencePattern pattern)
    {
        var names = image.NamesIn(pattern);
        if (names.Any(name => !name.IsTag)) names = image.Tags.Count > 0 ? [.. image.TagReferences] : names;
        return (image, names, image.TagReferences.All(names.Contains));
    }

    // Those that may have an image which is meant: by a name that is known, or by the digest that a tag means.
    private Func<Reference, bool> RepositoriesOf(ReferencePattern pattern) => pattern.Exact is { } exact
        ? name => name.Upstream == exact.Upstream && name.Repository == exact.Repository
        : name => pattern.Matches(name) || (name.IsTag && _index.FindTag(name) is { } tag && pattern.Matches(name.At(tag.Digest)));

    private Objection StillPinned(List<Reference> pinned)
    {
        var more = pinned.Count > 1 ? $", and {pinned.Count - 1} more" : "";
        return new(409, _pins.SetsOf(pinned[0]).FirstOrDefault() is { } set
            ? $"{pinned[0]}{more} is kept by the set '{set}': remove the set, with remove --set {set}, or import it again without this image; nothing was removed"
            : $"{pinned[0]} is pinned{more}: unpin it first; nothing was removed");
    }

    private static Objection NothingMatches(ReferencePattern pattern) => new(404, pattern.Exact is null
        ? $"nothing that is cached matches {pattern}; a pattern is over the full form, such as docker.io/library/*, and list shows what is cached"
        : $"{pattern} is not cached; list shows what is");
}
