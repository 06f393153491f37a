using System.Text;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.Options;
using Entrepot.Storage;

namespace Entrepot.Server.Admin;

/// <summary>The imports that run: what each still wants, and what has arrived for it.</summary>
/// <remarks>
/// <para>Safe for concurrent use; imports begin, become visible and end one after the other, and their blobs arrive beside each other. The same import, begun again,
/// takes over what the one before has left, also after a restart of the server; so does another one into the same set, of which only one can be the next. One of which nothing was heard for <see cref="Patience"/> is dropped.</para>
/// <para>A refused import leaves nothing: what has arrived for it is removed, unless another one wants it.</para>
/// </remarks>
internal sealed class BundleImports(Staging staging, ImageSets sets, IBlobStore store, TimeProvider clock) : IDisposable
{
    /// <summary>How long nothing may be heard of an import before what has arrived for it is removed: time enough to begin it again.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromHours(1);

    private const int MostNamed = 5;

    // Each keeps its plan, some 10 MB for as many as 10,000 images, until it is complete or given up.
    private const int MostImports = 16;

    private readonly SemaphoreSlim _changes = new(1);   // held by whoever begins, commits or ends an import
    private readonly Lock _gate = new();
    private readonly Dictionary<string, ImportSession> _sessions = [];   // guarded by _gate

    /// <summary>Begins an import: what is missing is told, room is set aside, and nothing of it is visible.</summary>
    public async Task<(Objection? Objection, ImportBegun? Begun)> BeginAsync(ImportContents contents, CancellationToken cancel)
    {
        await _changes.WaitAsync(cancel);
        try
        {
            var id = IdOf(contents);
            ImportSession[] before;
            lock (_gate)
            {
                before = [.. _sessions.Values.Where(session => session.Contents.Set == contents.Set)];
                if (_sessions.Count - before.Length >= MostImports) return (TooMany(), null);
            }

            foreach (var session in before) Close(session);
            var begun = await BeginLockedAsync(id, contents, cancel);
            foreach (var session in before) await RemoveAsync(session);   // not by its id: the one that has begun may have the same
            return begun;
        }
        finally
        {
            _changes.Release();
        }
    }

    /// <summary>Takes a blob of an import: hashed, and durable before the import becomes visible.</summary>
    /// <param name="id">The import.</param>
    /// <param name="digest">The blob.</param>
    /// <param name="length">How many bytes are sent; <see langword="null"/> if nobody says it.</param>
    /// <param name="body">Its bytes.</param>
    /// <param name="cancel">Ends it; nothing of the blob is kept then.</param>
    public async Task<Objection?> StageAsync(string id, Digest digest, long? length, Stream body, CancellationToken cancel)
    {
        if (Find(id) is not { } session) return Unknown(id);
        if (session.SizeOf(digest) is not { } size) return new Objection(404, $"{digest} does not belong to this import");
        if (length != size) return new Objection(400, $"{digest} has {size} bytes by the import's plan, and {length?.ToString() ?? "an unknown number"} are sent");

        session.Begin();
        try
        {
            var room = Quota.OnDisk(size);
            if (!await session.TakeAsync(room, cancel)) return NoRoom(1, room);
            var (isRight, isUsed) = (false, false);
            try
            {
                (isRight, isUsed) = await staging.WriteAsync(digest, size, body, cancel);
            }
            finally
            {
                if (!isUsed) session.Give(room);
            }

            return isRight ? null : new Objection(422, $"what was sent as {digest} is something else: the file is damaged there");
        }
        finally
        {
            session.End(clock.GetUtcNow());
        }
    }

    /// <summary>Makes an import visible, all of it or nothing. Whatever comes of it, it is over then, unless a blob has not arrived yet.</summary>
    /// <param name="id">The import.</param>
    /// <param name="cancel">Ends it before anything is visible.</param>
    /// <param name="stop">Ends the removing of what the set had before; the next start goes on with it.</param>
    public async Task<(Objection? Objection, ImportDone? Done)> CommitAsync(string id, CancellationToken cancel, CancellationToken stop)
    {
        await _changes.WaitAsync(cancel);
        try
        {
            if (Find(id) is not { } session) return (Unknown(id), null);
            var contents = session.Contents;
            var missing = contents.Blobs.Select(blob => blob.Key).Where(digest => !staging.Has(digest) && !store.Contains(digest)).ToList();
            if (missing.Count > 0) return (new Objection(409, $"{Named(missing)} {(missing.Count == 1 ? "has" : "have")} not been sent; nothing was imported"), null);

            var blobs = contents.Blobs.Select(blob => blob.Key).Concat(contents.Base).ToHashSet();
            IReadOnlyList<Digest> placed = [];
            var staged = new StagedBlobs
            {
                Has = staging.Has,
                ReadAsync = staging.ReadAsync,
                AddAsync = list => AddAsync(session, list, cancel),
                PlaceAsync = digests => staging.PlaceAsync(placed = digests),
            };
            (Objection? Objection, ImportEnd? End) done;
            try
            {
                done = await sets.ReplaceAsync(new ImportedSet(contents.Set, contents.Images, blobs), staged, cancel, stop);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                await DropAsync(session);
                await TakeBackAsync(placed);
                throw;
            }

            await DropAsync(session);
            var (objection, end) = done;
            return objection is not null
                ? (objection, null)
                : (null, new ImportDone(contents.Set, end!.Images, [.. end.Gone.Select(name => name.ToString())], end.Freed));
        }
        finally
        {
            _changes.Release();
        }
    }

    /// <summary>Ends an import that is not to become visible, and removes what has arrived for it.</summary>
    public async Task<Objection?> DropAsync(string id, CancellationToken cancel)
    {
        await _changes.WaitAsync(cancel);
        try
        {
            if (Find(id) is not { } session) return Unknown(id);
            await DropAsync(session);
            return null;
        }
        finally
        {
            _changes.Release();
        }
    }

    /// <summary>Ends imports of which nothing was heard for long, and removes what nobody wants any more.</summary>
    public async Task DropAbandonedAsync(CancellationToken cancel)
    {
        await _changes.WaitAsync(cancel);
        try
        {
            var before = clock.GetUtcNow() - Patience;
            ImportSession[] idle;
            lock (_gate) idle = [.. _sessions.Values.Where(session => session.IsIdleSince(before))];
            foreach (var session in idle) await DropAsync(session);
            foreach (var (digest, since) in staging.All)
                if (since < before && !IsWanted(digest)) await staging.DropAsync(digest);
        }
        finally
        {
            _changes.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _changes.Dispose();

    private async Task<(Objection? Objection, ImportBegun? Begun)> BeginLockedAsync(string id, ImportContents contents, CancellationToken cancel)
    {
        var hold = sets.Hold([.. contents.Blobs.Select(blob => blob.Key), .. contents.Base]);
        var session = default(ImportSession);
        try
        {
            foreach (var (digest, _) in contents.Blobs) await staging.VerifyAsync(digest, cancel);
            if (await MissingBaseAsync(contents, cancel) is { } missing) return (await RefusedAsync(contents, missing), null);

            var wanted = new List<KeyValuePair<Digest, long>>();
            foreach (var blob in contents.Blobs)
                if (!staging.Has(blob.Key) && !await IsStoredAsync(blob.Key, cancel)) wanted.Add(blob);
            var bytes = wanted.Sum(blob => Quota.OnDisk(blob.Value));
            if (!await staging.TryReserveAsync(bytes, cancel)) return (await RefusedAsync(contents, NoRoom(wanted.Count, bytes)), null);

            session = new ImportSession(id, contents, staging, hold, bytes);
            session.Begin();
            session.End(clock.GetUtcNow());
            lock (_gate) _sessions[id] = session;
            return (null, new ImportBegun(id, [.. wanted.Select(blob => blob.Key.ToString())], wanted.Sum(blob => blob.Value)));
        }
        finally
        {
            if (session is null) hold.Dispose();
        }
    }

    private async Task AddAsync(ImportSession session, ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        var digest = Digest.Of(content.Span);
        session.Made.Add(digest);
        var room = Quota.OnDisk(content.Length);
        if (!await staging.TryReserveAsync(room, cancel)) throw new IOException($"there is no room for {room} bytes");
        var isUsed = false;
        try
        {
            (_, isUsed) = await staging.WriteAsync(digest, content.Length, new MemoryStream(content.ToArray()), cancel);
        }
        finally
        {
            if (!isUsed) staging.Release(room);
        }
    }

    // A refused import leaves nothing: what got its name before the disk refused goes again, what names others first, unless somebody else keeps it.
    private async Task TakeBackAsync(IReadOnlyList<Digest> placed)
    {
        foreach (var digest in placed.Reverse())
        {
            if (!IsWanted(digest)) await staging.DropAsync(digest);
            store.Remove(digest, clock.GetUtcNow());
        }
    }

    private async Task DropAsync(ImportSession session)
    {
        Close(session);
        await RemoveAsync(session);
    }

    // What has arrived for one that is closed, and nobody else wants.
    private async Task RemoveAsync(ImportSession session)
    {
        await DropAsync(session.Contents);
        foreach (var digest in session.Made)
            if (!IsWanted(digest)) await staging.DropAsync(digest);
    }

    private async Task DropAsync(ImportContents contents)
    {
        foreach (var (digest, _) in contents.Blobs)
            if (!IsWanted(digest)) await staging.DropAsync(digest);
    }

    private async Task<Objection> RefusedAsync(ImportContents contents, Objection why)
    {
        await DropAsync(contents);
        return why;
    }

    private void Close(ImportSession session)
    {
        lock (_gate) _sessions.Remove(session.Id);
        session.Close();
    }

    private ImportSession? Find(string id)
    {
        lock (_gate) return _sessions.GetValueOrDefault(id);
    }

    private bool IsWanted(Digest digest)
    {
        lock (_gate) return _sessions.Values.Any(session => session.SizeOf(digest) is not null);
    }

    private async Task<Objection?> MissingBaseAsync(ImportContents contents, CancellationToken cancel)
    {
        var missing = new List<Digest>();
        foreach (var digest in contents.Base)
            if (!await IsStoredAsync(digest, cancel)) missing.Add(digest);
        return missing.Count == 0 ? null : new Objection(409,
            $"{Named(missing)} {(missing.Count == 1 ? "is" : "are")} neither in the files nor stored here: the bundle leaves out what an earlier one has brought, "
            + "so import that one first, or together with this one; nothing was imported");
    }

    // Opening is verifying, where nobody has verified it yet.
    private async Task<bool> IsStoredAsync(Digest digest, CancellationToken cancel)
    {
        if (await store.OpenAsync(digest, cancel) is not { } blob) return false;
        await blob.DisposeAsync();
        return true;
    }

    private Objection NoRoom(int blobs, long bytes)
    {
        var (underLimit, onDisk) = staging.Room;
        var isDisk = onDisk < underLimit;
        var room = Math.Max(0, isDisk ? onDisk : underLimit);
        var what = $"{blobs} new blob{(blobs == 1 ? "" : "s")} take {Quantity.Show(bytes)} ({bytes} bytes) on disk, and ";
        return new Objection(507, isDisk
            ? $"{what}the file system has room for {Quantity.Show(room)} ({room} bytes) beside storage.minFree: free {Quantity.Show(bytes - room)} on it; nothing was imported"
            : $"{what}the quota has room for {Quantity.Show(room)} ({room} bytes) beside what is pinned or arriving: "
              + $"raise storage.quota by {Quantity.Show(bytes - room)}, or unpin or remove something first; nothing was imported");
    }

    private static string Named(List<Digest> digests) =>
        string.Join(", ", digests.Take(MostNamed)) + (digests.Count > MostNamed ? $" and {digests.Count - MostNamed} more blobs" : "");

    private static Objection TooMany() => new(StatusCodes.Status429TooManyRequests,
        $"{MostImports} imports into other sets run here, which is as many as may at once; one of which nothing is heard for {Patience.TotalHours:0} h is given up: end one, or try again later; nothing was imported");

    private static Objection Unknown(string id) =>
        new(404, $"no import '{id}' runs here: it was given up, or the server has been restarted; run the command again, and what had arrived is not sent again");

    // The same import has the same name, whoever asks.
    private static string IdOf(ImportContents contents)
    {
        var text = new StringBuilder(contents.Set).Append('\n');
        foreach (var image in contents.Images) text.Append(image.Reference).Append(' ').Append(image.Digest).Append('\n');
        foreach (var (digest, size) in contents.Blobs) text.Append(digest).Append(' ').Append(size).Append('\n');
        foreach (var digest in contents.Base) text.Append(digest).Append('\n');
        return Digest.Of(Encoding.UTF8.GetBytes(text.ToString())).Hex[..32];
    }
}
