using Entrepot.Bundles;
using Entrepot.Oci;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>The receipts that lie beside the files of an import, and what they prove of them. Immutable.</summary>
internal sealed class ReceiptFiles
{
    private const string Ending = ".receipt.json";
    private const int MaxReceipts = 1_000;

    private readonly List<Found> _found;

    private ReceiptFiles(List<Found> found) => _found = found;

    /// <summary>Whether a file is a receipt or the signature of one: what lies beside bundles, and is none.</summary>
    public static bool IsOne(string file) => file.EndsWith(Ending, StringComparison.Ordinal) || file.EndsWith(BundleNames.SignatureFile(Ending), StringComparison.Ordinal);

    /// <summary>Reads those in the folders of some files; what cannot be read is none.</summary>
    public static async Task<ReceiptFiles> BesideAsync(IEnumerable<string> files, CancellationToken cancel)
    {
        var found = new List<Found>();
        var folders = files.Select(FolderOf).Distinct(StringComparer.Ordinal).Where(Directory.Exists);
        foreach (var path in folders.SelectMany(folder => Directory.EnumerateFiles(folder, $"*{Ending}")).Take(MaxReceipts))
        {
            try
            {
                if (new FileInfo(path).Length > BundleContents.MaxBytes) continue;
                var bytes = await File.ReadAllBytesAsync(path, cancel);
                var signature = BundleNames.SignatureFile(path);
                var signed = File.Exists(signature) ? await File.ReadAllTextAsync(signature, cancel) : null;
                found.Add(new Found(path, bytes, BundleReceipt.Read(bytes, out var problems), problems.Count > 0 ? problems[0] : null, signed));
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                // Where a receipt is wanted, it is missed then.
            }
        }

        return new ReceiptFiles(found);
    }

    /// <summary>The digest of a bundle's receipt; <see langword="null"/> if it has none here.</summary>
    public Digest? DigestOf(BundlePieces bundle) => Of(bundle) is { } receipt ? Digest.Of(receipt.Bytes) : null;

    /// <summary>Checks that a key has signed a bundle: its receipt, which names everything that is in it.</summary>
    /// <remarks>A directory is no file that could be compared with what was signed. It need not be: what is imported of it is its list of contents, which the receipt has, and blobs whose digests that list has.</remarks>
    /// <returns>The files as they were signed, but for directories.</returns>
    /// <exception cref="ArchiveException">It is not signed, not by that key, or was changed.</exception>
    public IReadOnlyList<(string File, BundleFile Signed)> Check(BundlePieces bundle, BundleKey key)
    {
        if (Of(bundle) is not { } receipt) throw Unproved(bundle);
        if (receipt.Signature is null)
            throw new ArchiveException($"the bundle in {bundle.Place} is not signed: there is no '{BundleNames.SignatureFile(receipt.Path)}'; nothing was imported");
        if (!key.Verifies(receipt.Bytes, receipt.Signature))
            throw new ArchiveException($"the bundle in {bundle.Place} is not signed by this key: it was signed by another, or '{receipt.Path}' was changed since; nothing was imported");

        var parts = receipt.Receipt!.Parts;
        if (parts.Count != bundle.Files.Count)
            throw new ArchiveException($"the bundle in {bundle.Place} was changed since it was signed: it had {parts.Count} files then; nothing was imported");
        return [.. bundle.Files.Zip(parts).Where(pair => !Directory.Exists(pair.First))];
    }

    /// <summary>Hashes a file, and checks that it is what was signed.</summary>
    /// <exception cref="ArchiveException">It was changed.</exception>
    public static async Task CheckAsync(string file, BundleFile signed, CancellationToken cancel)
    {
        var size = SizeOf(file);
        if (size == signed.Size && (size == 0 || await new BlobSource(new Slice(file, 0, size)).HashAsync(signed.Digest, _ => { }, cancel) == signed.Digest)) return;
        throw new ArchiveException($"'{file}' was changed since it was signed: its bytes are not those that its receipt has; nothing was imported");
    }

    private static long SizeOf(string file)
    {
        try
        {
            return new FileInfo(file).Length;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new ArchiveException($"'{file}' cannot be read any more: {Words.Line(fault.Message)}; nothing was imported", fault);
        }
    }

    private static string FolderOf(string file) => Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(file)))!;

    private Found? Of(BundlePieces bundle) => _found.FirstOrDefault(one => one.Receipt?.Contents == bundle.Id);

    // One of that name tells more of what happened.
    private ArchiveException Unproved(BundlePieces bundle)
    {
        var expected = Path.GetFullPath(BundleNames.ReceiptFile(Path.Combine(FolderOf(bundle.Files[0]), SetName.Of(bundle.Files[0]) + ".tar")));
        return _found.FirstOrDefault(one => one.Path == expected) switch
        {
            { Problem: { } problem } changed => new ArchiveException($"'{changed.Path}' is not a receipt any more: {Words.Line(problem)}; nothing was imported"),
            { } other => new ArchiveException($"the bundle in {bundle.Place} was changed: it is not the one that '{other.Path}' is the receipt of; nothing was imported"),
            null => new ArchiveException($"the bundle in {bundle.Place} is not signed: its receipt is not beside it, such as '{expected}'; nothing was imported"),
        };
    }

    // Receipt: null if it cannot be understood, with why.
    private sealed record Found(string Path, byte[] Bytes, BundleReceipt? Receipt, string? Problem, string? Signature);
}
