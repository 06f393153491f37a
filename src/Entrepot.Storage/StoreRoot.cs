using System.Collections.Concurrent;
using System.Globalization;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <summary>The store's directory cannot be used; the message names it and says why.</summary>
public sealed class StoreUnusableException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The directory that everything is stored under, held by this process alone. Safe for concurrent use.</summary>
/// <remarks>
/// <code>
/// blobs/sha256/ab/&lt;64 hex&gt;   committed, immutable
/// partial/&lt;64 hex&gt;[.n]       fetches in progress; n where there are several of one blob
/// partial/&lt;64 hex&gt;.extents   which bytes of it are there, so that a later fetch goes on with them
/// staging/&lt;64 hex&gt;[.n]       blobs of an import that has not been committed; n while they arrive
/// records/                     what bytes cannot tell
/// index/                       what is remembered of the blobs: may be deleted while no process uses the directory
/// format                       version of this layout
/// lock                         held while a process uses the directory
/// </code>
/// Files with other names are nobody's business here and are left alone.
/// </remarks>
public sealed class StoreRoot : IDisposable
{
    /// <summary>The version of the layout that this program reads and writes.</summary>
    public const int FormatVersion = 1;

    // blobs/, its two algorithms, and a folder for each first byte of a sha256.
    private const int BlobFolders = 3 + 256;

    private const int WouldBlock = 11;   // EAGAIN on Linux: the lock is held

    private static readonly string[] Algorithms = ["sha256", "sha512"];

    private readonly FileStream _lock;
    private readonly ConcurrentDictionary<string, bool> _unnamed = new();   // folders of blobs whose own names may not be durable yet

    private StoreRoot(string path, FileStream held, FileCalls files) => (Path, _lock, Files) = (path, held, files);

    /// <summary>The directory, absolute.</summary>
    public string Path { get; }

    /// <summary>Why it cannot be written, although a store is in it that can be read; <see langword="null"/> if opening it met no such thing.</summary>
    public Exception? Unwritable { get; private set; }

    /// <summary>Bytes on disk of what earlier processes left half done and could not be removed. They stay until somebody needs their names, or the next start.</summary>
    internal long LeftBytes { get; private set; }

    /// <summary>What files under it are opened, read and written by.</summary>
    internal FileCalls Files { get; }

    internal string Partial => System.IO.Path.Combine(Path, "partial");

    internal string Staging => System.IO.Path.Combine(Path, "staging");

    internal string BlobsFolder => System.IO.Path.Combine(Path, "blobs");

    internal string Index => System.IO.Path.Combine(Path, "index");

    internal string Records => System.IO.Path.Combine(Path, "records");

    internal string Log => System.IO.Path.Combine(Records, "log");

    internal string Format => System.IO.Path.Combine(Path, "format");

    /// <summary>Where files come and go while a process runs.</summary>
    internal IEnumerable<string> Folders => [Partial, System.IO.Path.Combine(BlobsFolder, "sha256"), Records, Index];

    /// <summary>Opens a directory, made if it is not there, and keeps other processes out until disposal. A store that is there and can be read is opened also where it
    /// cannot be written (see <see cref="Unwritable"/>): that may end while this process runs.</summary>
    /// <exception cref="StoreUnusableException">It cannot be read, is used by another process, has a newer layout, or cannot be made.</exception>
    public static StoreRoot Open(string path) => Open(path, new FileCalls());

    /// <summary>As <see cref="Open(string)"/>, with files that are opened, read and written by these calls.</summary>
    public static StoreRoot Open(string path, FileCalls files)
    {
        path = System.IO.Path.GetFullPath(path);
        if (File.Exists(path)) throw new StoreUnusableException($"cannot store under '{path}': it is a file, and should be a directory");
        try
        {
            Directory.CreateDirectory(path);
            var held = Lock(path, out var refusal);
            var root = new StoreRoot(path, held, files) { Unwritable = refusal };
            try
            {
                var isNew = root.CheckFormat();
                Directory.CreateDirectory(root.Partial);
                Directory.CreateDirectory(root.Records);
                Directory.CreateDirectory(root.Staging);
                foreach (var algorithm in Algorithms) Directory.CreateDirectory(System.IO.Path.Combine(root.BlobsFolder, algorithm));
                root.RemoveLeftovers();
                root.FlushNames(isNew);
                return root;
            }
            catch
            {
                root.Dispose();
                throw;
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new StoreUnusableException($"cannot store under '{path}': {fault.Message}", fault);
        }
    }

    /// <summary>The files that have a blob's name at a blob's place, with their sizes in bytes; whether their bytes are right is not looked at.</summary>
    public IEnumerable<(Digest Digest, long Size, DateTimeOffset WrittenAt)> Blobs()
    {
        foreach (var folder in Algorithms)
        {
            foreach (var file in new DirectoryInfo(System.IO.Path.Combine(BlobsFolder, folder)).EnumerateFiles("*", SearchOption.AllDirectories))
            {
                if (Digest.TryParse($"{folder}:{file.Name}", out var digest) && BlobPath(digest) == file.FullName)
                    yield return (digest, file.Length, file.LastWriteTimeUtc);
            }
        }
    }

    /// <summary>Bytes free on the file system, for this process.</summary>
    public long FreeBytes() => new DriveInfo(Path).AvailableFreeSpace;

    /// <summary>Bytes of the file system, free or not.</summary>
    public long TotalBytes() => new DriveInfo(Path).TotalSize;

    /// <summary>Bytes on disk of everything under the root but blobs and what is arriving: index, records, directories.</summary>
    internal long MeasureOverhead()
    {
        var directories = new DirectoryInfo(BlobsFolder).EnumerateDirectories("*", SearchOption.AllDirectories).Count();

        // Those that the next blobs will need are counted before they are made.
        directories = Math.Max(directories, BlobFolders);
        var files = new DirectoryInfo(Path).EnumerateDirectories()
            .Where(folder => folder.Name is not ("blobs" or "partial" or "staging"))
            .SelectMany(folder => folder.EnumerateFiles("*", SearchOption.AllDirectories));
        return directories * Quota.BlockSize + files.Sum(SizeOf);
    }

    // A checkpoint may be removed between its being listed and being looked at.
    private static long SizeOf(FileInfo file)
    {
        try
        {
            return Quota.OnDisk(file.Length);
        }
        catch (FileNotFoundException)
        {
            return 0;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();

    /// <summary>What rests of blobs, with what is known of it.</summary>
    internal IEnumerable<(Digest Digest, Resting Resting)> Resting()
    {
        foreach (var file in new DirectoryInfo(Partial).EnumerateFiles())
        {
            if (PartialDigest(file.Name) is not { } digest || PartialPath(digest) != file.FullName || PartialRecord.TryRead(file.FullName) is not { } record) continue;
            var since = File.GetLastWriteTimeUtc(PartialRecord.PathOf(file.FullName));
            yield return (digest, new Resting(Quota.OnDisk(record.State.Written.Total), record.Fill, since));
        }
    }

    /// <summary>Whole blobs that an earlier process has left for an import; whether their bytes are right is not looked at.</summary>
    internal IEnumerable<(Digest Digest, long Size)> Staged()
    {
        foreach (var file in new DirectoryInfo(Staging).EnumerateFiles())
        {
            if (PartialDigest(file.Name) is { } digest) yield return (digest, file.Length);
        }
    }

    internal string StagedPath(Digest digest) => System.IO.Path.Combine(Staging, digest.Hex);

    internal string PartialPath(Digest digest) => System.IO.Path.Combine(Partial, digest.Hex);

    /// <summary>Removes a blob's file, or what rests of it; one that is gone already is none the less gone.</summary>
    internal void Delete(Digest digest, bool isResting)
    {
        try
        {
            if (isResting) File.Delete(PartialRecord.PathOf(PartialPath(digest)));
            File.Delete(isResting ? PartialPath(digest) : BlobPath(digest));
        }
        catch (DirectoryNotFoundException)
        {
            // With the directory the file is gone.
        }
    }

    internal string BlobPath(Digest digest)
    {
        var hex = digest.Hex;
        return System.IO.Path.Combine(BlobsFolder, digest.Algorithm, hex[..2], hex);
    }

    /// <summary>Has the folder of a blob be there, durably.</summary>
    /// <returns>The folder.</returns>
    /// <exception cref="IOException">The disk refuses. It may be there all the same; whoever comes next tries again.</exception>
    internal string EnsureFolder(Digest digest)
    {
        var folder = System.IO.Path.GetDirectoryName(BlobPath(digest))!;
        if (Directory.Exists(folder) && !_unnamed.ContainsKey(folder)) return folder;
        _unnamed[folder] = true;   // before anybody can see it
        Directory.CreateDirectory(folder);
        Files.FlushDirectory(System.IO.Path.GetDirectoryName(folder)!);
        _unnamed.TryRemove(folder, out _);
        return folder;
    }

    // Nothing is written to it: where it may only be read it keeps others out as well.
    private static FileStream Lock(string path, out Exception? refusal)
    {
        var file = System.IO.Path.Combine(path, "lock");
        refusal = null;
        try
        {
            try
            {
                return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (Exception refused) when (refused is IOException { HResult: not WouldBlock } or UnauthorizedAccessException && File.Exists(file))
            {
                refusal = refused;
                return new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.None);
            }
        }
        catch (IOException held) when (held.HResult == WouldBlock)
        {
            throw new StoreUnusableException($"'{path}' is in use by another process; two cannot store in one directory", held);
        }
    }

    // Returns whether there was no store yet.
    private bool CheckFormat()
    {
        var file = Format;
        if (!File.Exists(file) || new FileInfo(file).Length == 0)   // empty: a crash came between its making and its writing
        {
            File.WriteAllText(file, $"{FormatVersion}\n");
            return true;
        }

        var text = File.ReadAllText(file).Trim();
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var version))
            throw new StoreUnusableException($"'{file}' holds '{text}'; it should hold the version of the store's layout, a number");
        if (version > FormatVersion)
            throw new StoreUnusableException($"'{Path}' has layout {version}; this program knows layouts up to {FormatVersion}. Use the newer program, or another directory");
        return false;
    }

    private void FlushNames(bool isNew)
    {
        try
        {
            foreach (var algorithm in Algorithms) Files.FlushDirectory(System.IO.Path.Combine(BlobsFolder, algorithm));   // an earlier process may have failed to
            Files.FlushDirectory(BlobsFolder);
            Files.FlushDirectory(Path);
        }
        catch (IOException fault) when (!isNew)
        {
            Unwritable ??= fault;
        }
    }

    // What a process left half-fetched is gone on with, if it is known which bytes there are.
    private void RemoveLeftovers()
    {
        foreach (var file in Directory.EnumerateFiles(Partial))
        {
            var name = System.IO.Path.GetFileName(file);
            if (PartialDigest(name.Split('.')[0]) is not { } digest) continue;
            var path = PartialPath(digest);
            var rests = (file == path || file == PartialRecord.PathOf(path)) && PartialRecord.TryRead(path) is not null && !File.Exists(BlobPath(digest));
            if (!rests) RemoveLeftover(file);
        }

        foreach (var file in Directory.EnumerateFiles(Staging))
        {
            var name = System.IO.Path.GetFileName(file);
            if (PartialDigest(name) is null && PartialDigest(name.Split('.')[0]) is not null) RemoveLeftover(file);   // it was arriving
        }
    }

    private void RemoveLeftover(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            Unwritable ??= fault;
            LeftBytes += Quota.OnDisk(new FileInfo(file).Length);
        }
    }

    private static Digest? PartialDigest(string name) =>
        Digest.TryParse($"sha256:{name}", out var digest) || Digest.TryParse($"sha512:{name}", out digest) ? digest : null;
}
