using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>How far a reconciliation has come. An immutable value.</summary>
/// <param name="Files">Files under <c>blobs/</c> that were looked at.</param>
/// <param name="Verified">Of those, files that the index did not know and that are what their names say.</param>
/// <param name="False">Of those, files that were not, and have been removed.</param>
/// <param name="Unreadable">Of those, files that could not be read; they stay, and are tried again when somebody asks for them.</param>
/// <param name="Foreign">Of those, files whose names are no digest or in the wrong place; they are left alone.</param>
/// <param name="Forgotten">Blobs that the index knew and whose files are gone.</param>
/// <param name="IsDone">Whether everything has been looked at.</param>
public readonly record struct ReconcileProgress(int Files, int Verified, int False, int Unreadable, int Foreign, int Forgotten, bool IsDone);

/// <summary>Brings the index in line with the directory, which is the truth (invariant 2), while the store is in use.</summary>
/// <remarks>
/// It looks at one file after the other, so it never takes more than one disk operation and one processor. Nothing depends on it: a file that it has not
/// reached is verified when somebody asks for it, and a blob without its file is found missing then.
/// </remarks>
public sealed class Reconciler
{
    private readonly StoreRoot _root;
    private readonly IBlobStore _store;
    private readonly ICacheIndex _index;
    private readonly Action<int, string> _foreignFound;
    private readonly Lock _gate = new();
    private ReconcileProgress _progress;   // guarded by _gate: a reader shall see it whole

    /// <summary>A reconciliation that has not begun.</summary>
    /// <param name="root">The directory.</param>
    /// <param name="store">The store of that directory.</param>
    /// <param name="index">The index of that store.</param>
    /// <param name="foreignFound">Told once, at the end, if there are foreign files: how many, and the path of one. Must return at once.</param>
    public Reconciler(StoreRoot root, IBlobStore store, ICacheIndex index, Action<int, string> foreignFound) =>
        (_root, _store, _index, _foreignFound) = (root, store, index, foreignFound);

    /// <summary>How far it has come. Safe to read at any time.</summary>
    public ReconcileProgress Progress
    {
        get { lock (_gate) return _progress; }
        private set { lock (_gate) _progress = value; }
    }

    /// <summary>Looks at all files and all records. May be run again when it failed, not beside itself.</summary>
    /// <param name="cancel">Ends it after the file at hand; what was found until then stays.</param>
    /// <exception cref="IOException">The directory cannot be listed.</exception>
    public Task RunAsync(CancellationToken cancel) => Task.Run(() => LookAtAllAsync(cancel), cancel);

    private async Task LookAtAllAsync(CancellationToken cancel)
    {
        Progress = default;
        var someForeign = default(string);
        foreach (var path in Directory.EnumerateFiles(_root.BlobsFolder, "*", SearchOption.AllDirectories))
        {
            cancel.ThrowIfCancellationRequested();
            Progress = Progress with { Files = Progress.Files + 1 };
            if (DigestOf(path) is { } digest)
            {
                if (_index.FindBlob(digest) is null) await VerifyAsync(digest, cancel);
                continue;
            }

            someForeign ??= path;
            Progress = Progress with { Foreign = Progress.Foreign + 1 };
        }

        foreach (var (digest, _) in _index.Blobs())
        {
            cancel.ThrowIfCancellationRequested();
            if (File.Exists(_root.BlobPath(digest))) continue;
            _index.RemoveBlob(digest);

            // It may have been stored between the two.
            if (File.Exists(_root.BlobPath(digest))) await VerifyAsync(digest, cancel);
            else Progress = Progress with { Forgotten = Progress.Forgotten + 1 };
        }

        Progress = Progress with { IsDone = true };
        if (someForeign is not null) _foreignFound(Progress.Foreign, someForeign);
    }

    // Opening is verifying: the store does not open what nobody has verified.
    private async Task VerifyAsync(Digest digest, CancellationToken cancel)
    {
        try
        {
            if (await _store.OpenAsync(digest, cancel) is { } blob)
            {
                await blob.DisposeAsync();
                Progress = Progress with { Verified = Progress.Verified + 1 };
            }
            else
            {
                Progress = Progress with { False = Progress.False + 1 };
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Progress = Progress with { Unreadable = Progress.Unreadable + 1 };
        }
    }

    private Digest? DigestOf(string path) =>
        Digest.TryParse($"{Path.GetFileName(Path.GetDirectoryName(Path.GetDirectoryName(path)))}:{Path.GetFileName(path)}", out var digest)
        && _root.BlobPath(digest) == path
            ? digest
            : null;
}
