using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>Gives whole, verified, flushed files their blobs' names, all of an import one after the other. Safe for concurrent use.</summary>
/// <remarks>The order is the caller's, since what names others may only be found after them; each directory is flushed once, and the index is told when all names are durable.</remarks>
internal sealed class Placements(StoreRoot root, ICacheIndex index, DiskSpace space, TimeProvider clock)
{
    private readonly ConcurrentDictionary<Digest, bool> _naming = new();   // those whose files get their names now, which may not be durable yet

    /// <summary>Whether the blob's name may be there without being durable.</summary>
    public bool IsNaming(Digest digest) => _naming.ContainsKey(digest);

    /// <summary>Does it. Called by the files' owner, once.</summary>
    /// <exception cref="IOException">The disk refuses; some may have got their names.</exception>
    public void Place(IReadOnlyList<ArrivedFile> files)
    {
        var storedAt = clock.GetUtcNow();   // before anybody can see them: who removes one then has seen it later
        foreach (var file in files) _naming.TryAdd(file.Digest, true);
        try
        {
            var folders = new HashSet<string>();
            foreach (var file in files) folders.Add(Name(file));
            foreach (var folder in folders) root.Files.FlushDirectory(folder);
            foreach (var (_, digest, size, _, _) in files)
            {
                // It may have had to leave already.
                lock (space.NameOf(digest))
                    if (space.Contains(digest)) index.AddBlob(digest, new BlobRecord(size, File.GetLastWriteTimeUtc(root.BlobPath(digest)), storedAt));
            }
        }
        finally
        {
            foreach (var file in files) _naming.TryRemove(file.Digest, out _);
        }
    }

    // Returns the folder.
    private string Name(ArrivedFile file)
    {
        var folder = root.EnsureFolder(file.Digest);

        // It takes its room from here on, whatever else fails.
        lock (space.NameOf(file.Digest))
        {
            root.Files.Rename(file.Path, root.BlobPath(file.Digest));
            space.Admit(file.Digest, file.Size, file.Reserved);
            file.Named();
        }

        return folder;
    }
}
