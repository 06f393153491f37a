using System.Security.Cryptography;
using Entrepot.Bundles;
using Entrepot.Oci;
using Entrepot.Server.Options;
using Entrepot.Storage;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Server.Cli;

/// <summary>Writes the files of a bundle, or goes on where an export before it ended. Used by one task.</summary>
/// <remarks>
/// Files have another name until all of them are whole: <c>site.tar.partial</c>. What is there under that name is read, and kept as far as it is what this bundle has
/// there: its lists byte for byte, its blobs by their digests. So a file that a crash has torn is mended like any other. Each byte is hashed twice, once for its file and once for its blob, since nobody would carry a bundle whose blobs are rotten.
/// </remarks>
/// <param name="session">The server, and who wants it.</param>
/// <param name="layout">Where everything stands.</param>
/// <param name="archive">The archive's file, absolute.</param>
/// <param name="display">Told how far it is.</param>
internal sealed class BundleWriter(Session session, BundleLayout layout, string archive, ExportDisplay display) : IAsyncDisposable
{
    private const string Partial = ".partial";
    private const int NoSpace = 28;   // ENOSPC

    private readonly PieceWriter _pieces = new();
    private IncrementalHash? _blob;   // of the blob that has begun
    private long _blobFound;          // bytes of it that an earlier export had written
    private Digest _wrong;            // the blob of which what was found is wrong, if writing ends for that
    private long _found;              // bytes of all blobs that an earlier export had written
    private long _done;

    /// <summary>Bytes of blobs that an earlier export had written, and that were taken as they are.</summary>
    public long Found => _found;

    /// <summary>Writes all files and flushes them. They have no names yet.</summary>
    /// <exception cref="AdminException">The server went away, or has wrong bytes, or the disk is full; what is written stays for another run.</exception>
    /// <exception cref="IOException">The disk refuses.</exception>
    public async Task<IReadOnlyList<BundleFile>> WriteAsync()
    {
        RemoveLeftovers();
        IReadOnlyList<BundleFile>? files;
        while ((files = await TryWriteAsync()) is null) DropFound(_wrong);   // at most once for each blob: then nothing of it is found any more
        return files;
    }

    /// <summary>Writes the receipt, and gives all files their names, which are durable then.</summary>
    /// <param name="receiptFile">Its file.</param>
    /// <param name="receipt">Its bytes.</param>
    /// <param name="signature">What is to lie beside it; nothing does if this is <see langword="null"/>.</param>
    /// <exception cref="AdminException">The disk is full; what is written stays for another run.</exception>
    public async Task NameAsync(string receiptFile, byte[] receipt, byte[]? signature)
    {
        var signatureFile = BundleNames.SignatureFile(receiptFile);
        await PrepareAsync(receiptFile, receipt);
        if (signature is not null) await PrepareAsync(signatureFile, signature);

        var superseded = Superseded(receiptFile);

        // No receipt is beside files that it is not of, whenever this ends: the earlier one goes first, and the new one comes last.
        File.Delete(receiptFile);
        File.Delete(signatureFile);
        var directory = Path.GetDirectoryName(receiptFile)!;
        Posix.FlushDirectory(directory);
        for (var i = 0; i < layout.Files.Count; i++) File.Move(PathOf(i) + Partial, PathOf(i), overwrite: true);
        if (signature is not null) File.Move(signatureFile + Partial, signatureFile, overwrite: true);
        File.Move(receiptFile + Partial, receiptFile, overwrite: true);
        foreach (var path in superseded) File.Delete(path);
        Posix.FlushDirectory(directory);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _pieces.DisposeAsync();
        _blob?.Dispose();
    }

    private static async Task PrepareAsync(string path, byte[] content)
    {
        try
        {
            await using var file = new FileStream(path + Partial, FileMode.Create, FileAccess.Write, FileShare.None);
            await file.WriteAsync(content, CancellationToken.None);
            file.Flush(flushToDisk: true);
        }
        catch (IOException fault) when (fault.HResult == NoSpace)
        {
            throw new AdminException($"the disk of {path} is full: the archive is written, and its receipt is not; the same command goes on with what is there");
        }
    }

    // All names that files of this bundle could have, by whatever options.
    private HashSet<string> NamesOfAll() =>
        [.. Enumerable.Range(1, BundleNames.MaxParts).Select(number => BundleNames.PartFile(archive, number)), archive];

    // Of runs that were broken off and had other options, which takes room on the disk.
    private void RemoveLeftovers()
    {
        var others = NamesOfAll().Except(Enumerable.Range(0, layout.Files.Count).Select(PathOf)).Append(BundleNames.SignatureFile(BundleNames.ReceiptFile(archive)));
        foreach (var path in others.Select(path => path + Partial).Where(File.Exists))
        {
            Open(path).Dispose();   // unless it is in use
            File.Delete(path);
        }
    }

    // Parts that the receipt lists which is replaced now, and that this bundle does not have.
    private IReadOnlyList<string> Superseded(string receiptFile)
    {
        if (!File.Exists(receiptFile) || BundleReceipt.Read(File.ReadAllBytes(receiptFile), out _) is not { } before) return [];
        var directory = Path.GetDirectoryName(receiptFile)!;
        return [.. before.Parts.Select(part => Path.Combine(directory, part.Name)).Intersect(NamesOfAll()).Except(Enumerable.Range(0, layout.Files.Count).Select(PathOf))];
    }

    // All that is there of a blob, in whatever files: it cannot be told which of its bytes are wrong.
    private void DropFound(Digest blob)
    {
        for (var i = 0; i < layout.Files.Count; i++)
        {
            if (layout.Files[i].Members.FirstOrDefault(member => member.Blob.Digest == blob) is not { } first) continue;
            using var file = Open(PathOf(i) + Partial);
            if (RandomAccess.GetLength(file) > first.Offset) RandomAccess.SetLength(file, first.Offset);
        }
    }

    private string PathOf(int index) => layout.Files[index].Part is { } part ? BundleNames.PartFile(archive, part.Number) : archive;

    private async Task<IReadOnlyList<BundleFile>?> TryWriteAsync()
    {
        (_found, _done) = (0, 0);
        var files = new List<BundleFile>();
        for (var i = 0; i < layout.Files.Count; i++)
        {
            var path = PathOf(i);
            using var handle = Open(path + Partial);
            _pieces.Begin(handle, RandomAccess.GetLength(handle));
            try
            {
                if (!await WriteAsync(layout.Files[i])) return null;
                files.Add(new BundleFile(Path.GetFileName(path), layout.Files[i].Size, await _pieces.EndAsync(layout.Files[i].Size)));
            }
            catch (IOException fault) when (fault.HResult == NoSpace)
            {
                throw new AdminException(
                    $"the disk of {path} is full: {Quantity.Show(layout.Size - _done)} are still to be written; what is there is kept as {path + Partial}, and the same command goes on with it");
            }
            finally
            {
                // Nothing may be at the file when it is closed.
                await _pieces.SettleAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        return files;
    }

    private static SafeFileHandle Open(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException fault) when (File.Exists(path))
        {
            throw new AdminException($"{path} is in use, by another export into the same file? ({Words.Line(fault.Message)})");
        }
    }

    private async Task<bool> WriteAsync(BundleFileLayout file)
    {
        await _pieces.WriteKnownAsync(layout.HeadOf(file));
        foreach (var member in file.Members)
        {
            await _pieces.WriteKnownAsync(TarHeader.Of(member.Name, member.Size));
            if (!await WriteAsync(member)) return false;
            await _pieces.WriteKnownAsync(new byte[TarHeader.Padded(member.Size) - member.Size]);
            _done += member.Size;
        }

        await _pieces.WriteKnownAsync(new byte[TarHeader.EndBytes]);
        return true;
    }

    // Returns false if what an earlier export left of the blob is wrong.
    private async Task<bool> WriteAsync(BundleMember member)
    {
        if (member.From == 0)
        {
            _blob?.Dispose();
            (_blob, _blobFound) = (member.Blob.Digest.NewHash(), 0);
        }

        var found = Math.Clamp(_pieces.Found - member.Content, 0, member.Size);
        _found += found;
        _blobFound += found;
        await _pieces.ReadFoundAsync(found, _blob!, async count => await display.ShowAsync(_found, _done + count, layout.Size), session.Stop);
        if (found < member.Size) await FetchAsync(member, found);
        if (!member.IsLast) return true;

        await _pieces.HashedAsync();
        if (Digest.FromHash(_blob!.GetHashAndReset()) == member.Blob.Digest) return true;
        _wrong = member.Blob.Digest;
        return _blobFound > 0
            ? false
            : throw new AdminException($"{member.Blob.Digest} is wrong in the server's store, whose disk has damaged it: run 'entrepot verify', which removes it, and this command again");
    }

    private async Task FetchAsync(BundleMember member, long found)
    {
        var (from, fetched) = (member.From + found, found);
        try
        {
            await session.Server.ReadAsync(
                $"/api/v1/bundles?blob={member.Blob.Digest}", from, member.From + member.Size, () => _pieces.Room,
                async piece =>
                {
                    await _pieces.WriteAsync(piece.Length, _blob!);
                    fetched += piece.Length;
                    await display.ShowAsync(_found, _done + fetched, layout.Size);
                },
                session.Stop);
        }
        catch (AdminException refused)
        {
            throw new AdminException(refused.IsRefusal
                ? $"{refused.Message}; it was there when the export began, so other blobs have taken its room: pin the images, or raise storage.quota; the same command goes on with what is written"
                : $"{refused.Message}; the same command goes on with what is written");
        }
    }
}
