using System.Formats.Tar;
using Entrepot.Bundles;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>What a tar archive, or a directory of the same form, holds: where each member's bytes are. Not for concurrent use.</summary>
/// <remarks>
/// <para>Nothing of it is ever written to a disk under a name of its own. Names that lead out of it, devices and whatever else has no bytes are as good as not
/// there; links are followed within it only; a name that is there twice is refused, since nobody could say which is meant.</para>
/// <para>Only headers are read here, in one pass; bytes are read later, where they lie.</para>
/// </remarks>
internal sealed class Archive
{
    /// <summary>Most bytes of a document: an index, a manifest, a config.</summary>
    public const int MaxDocument = 64 << 20;

    private const int MaxMembers = 2_000_000;
    private const int MaxLinks = 40;   // as the kernel has it

    private readonly Dictionary<string, Slice> _members = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _links = new(StringComparer.Ordinal);
    private readonly HashSet<string> _twice = new(StringComparer.Ordinal);

    private Archive(string path) => Path = path;

    /// <summary>The file or directory, as the user named it.</summary>
    public string Path { get; }

    /// <summary>The members that have bytes, by their normalised names.</summary>
    public IReadOnlyDictionary<string, Slice> Members => _members;

    /// <summary>Finds out what is in a file or directory.</summary>
    /// <exception cref="ArchiveException">It is not there, cannot be read, or is no plain tar archive.</exception>
    public static Archive Open(string path)
    {
        var archive = new Archive(path);
        try
        {
            if (Directory.Exists(path)) archive.AddDirectory();
            else archive.AddTar();
            return archive;
        }
        catch (FileNotFoundException)
        {
            throw new ArchiveException($"'{path}' is not there");
        }
        catch (EndOfStreamException fault) when (archive._members.Count + archive._links.Count == 0)
        {
            throw new ArchiveException($"'{path}' is no tar archive", fault);
        }
        catch (EndOfStreamException fault)
        {
            throw new ArchiveException($"'{path}' ends too early: it was not copied whole; copy it again", fault);
        }
        catch (Exception fault) when (fault is InvalidDataException or FormatException or OverflowException or ArgumentException or InvalidOperationException)
        {
            throw new ArchiveException($"'{path}' is no tar archive, or damaged: {Words.Line(fault.Message)}", fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new ArchiveException($"'{path}' cannot be read: {Words.Line(fault.Message)}", fault);
        }
    }

    /// <summary>A member's bytes, links followed; <see langword="null"/> if there is none of that name.</summary>
    /// <exception cref="ArchiveException">It is there twice.</exception>
    public Slice? Find(string name)
    {
        var at = MemberName.Normalise(name);
        for (var followed = 0; at is not null && followed < MaxLinks; followed++)
        {
            if (_twice.Contains(at)) throw new ArchiveException($"'{Path}' has two members called '{Words.Line(at)}'; which is meant cannot be known");
            if (_members.TryGetValue(at, out var slice)) return slice;
            if (!_links.TryGetValue(at, out at)) return null;
        }

        return null;
    }

    /// <summary>Reads a document; <see langword="null"/> if there is none of that name.</summary>
    /// <exception cref="ArchiveException">It cannot be read, is there twice, or is too large.</exception>
    public Task<byte[]?> ReadAsync(string name, CancellationToken cancel) => ReadAsync(name, MaxDocument, cancel);

    /// <summary>As the other, with another limit than <see cref="MaxDocument"/>.</summary>
    public async Task<byte[]?> ReadAsync(string name, int maxBytes, CancellationToken cancel)
    {
        if (Find(name) is not { } slice) return null;
        if (slice.Size > maxBytes) throw new ArchiveException($"'{Path}' has a member '{Words.Line(name)}' of {slice.Size} bytes; at most {maxBytes} are allowed there");
        return await new BlobSource(slice).ReadAllAsync(cancel);
    }

    private void AddDirectory()
    {
        AddFiles("", new DirectoryInfo(Path));
        foreach (var folder in (string[])["blobs", "blobs/sha256", "blobs/sha512"])
        {
            var directory = new DirectoryInfo(System.IO.Path.Combine(Path, folder));
            if (directory.LinkTarget is not null) throw new ArchiveException($"'{Path}' has a link in place of its folder '{folder}', which is not followed: put the folder itself there");
            if (directory.Exists && folder != "blobs") AddFiles(folder, directory);
        }
    }

    // Links are names, as in a tar archive: the system would follow them to anywhere.
    private void AddFiles(string folder, DirectoryInfo directory)
    {
        foreach (var file in directory.EnumerateFiles())
        {
            var name = folder.Length > 0 ? $"{folder}/{file.Name}" : file.Name;
            if (file.LinkTarget is { } target) AddLink(name, folder, target);
            else Add(name, new Slice(file.FullName, 0, file.Length));
        }
    }

    private void AddTar()
    {
        using var file = new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 4096);
        if (PackedBy(file) is { } packer) throw new ArchiveException($"'{Path}' is packed with {packer}: unpack it first, then import the tar archive that comes out");
        if (file.Length == 0) throw new ArchiveException($"'{Path}' is empty");

        using var reader = new TarReader(new HeaderStream(file));
        while (reader.GetNextEntry() is { } entry)
        {
            var name = MemberName.Normalise(entry.Name);
            if (name is null) continue;
            if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile)
            {
                if (entry.Length > 0 && entry.DataOffset + entry.Length > file.Length)
                    throw new ArchiveException($"'{Path}' ends in the middle of '{Words.Line(name)}': it was not copied whole; copy it again");
                Add(name, new Slice(Path, entry.Length > 0 ? entry.DataOffset : 0, entry.Length));
            }
            else if (entry.EntryType is TarEntryType.SymbolicLink or TarEntryType.HardLink)
            {
                var folder = entry.EntryType is TarEntryType.SymbolicLink ? MemberName.FolderOf(name) : "";
                AddLink(name, folder, entry.LinkName);
            }
        }
    }

    private void Add(string name, Slice slice)
    {
        if (_members.Count >= MaxMembers) throw new ArchiveException($"'{Path}' has more than {MaxMembers} members");
        if (_links.ContainsKey(name) || !_members.TryAdd(name, slice)) _twice.Add(name);
    }

    private void AddLink(string name, string folder, string to)
    {
        if (MemberName.Resolve(folder, to) is not { } target) return;
        if (_members.ContainsKey(name) || !_links.TryAdd(name, target)) _twice.Add(name);
    }

    private static string? PackedBy(FileStream file)
    {
        Span<byte> start = stackalloc byte[6];
        start = start[..file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
        file.Position = 0;
        return start.StartsWith((ReadOnlySpan<byte>)[0x1f, 0x8b]) ? "gzip"
            : start.StartsWith((ReadOnlySpan<byte>)[0x28, 0xb5, 0x2f, 0xfd]) ? "zstd"
            : start.StartsWith((ReadOnlySpan<byte>)[0xfd, 0x37, 0x7a, 0x58, 0x5a]) ? "xz"
            : start.StartsWith("BZh"u8) ? "bzip2"
            : null;
    }
}
