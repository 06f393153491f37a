using Entrepot.Bundles;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>Reads the files of an import, each by its kind.</summary>
/// <param name="name">What the user says that an image without a name is called; <see langword="null"/> if nothing.</param>
/// <param name="key">Who has to have signed all of it; <see langword="null"/> if nobody has to.</param>
internal sealed class ImportReader(string? name, BundleKey? key)
{
    private readonly List<(string File, BundleFile Signed)> _signed = [];

    /// <summary>Reads them all.</summary>
    /// <param name="files">Files and directories, as the user named them.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="ArchiveException">One of them cannot be imported.</exception>
    public async Task<ImportInput> ReadAsync(IReadOnlyList<string> files, CancellationToken cancel)
    {
        var input = new ImportInput();
        var parts = new List<(Archive, BundleContents)>();
        var isAny = false;
        foreach (var file in files.Where(file => !ReceiptFiles.IsOne(file)))
        {
            cancel.ThrowIfCancellationRequested();
            isAny = true;
            var archive = Archive.Open(file);
            if (await ContentsAsync(archive, cancel) is { } contents) parts.Add((archive, contents));
            else await AddForeignAsync(archive, input, cancel);
        }

        if (!isAny) throw new ArchiveException($"'{files[0]}' is not to be imported by itself: name the bundle that lies beside it");
        var bundles = BundlePieces.Of(parts);
        var receipts = await ReceiptFiles.BesideAsync(bundles.SelectMany(bundle => bundle.Files), cancel);
        if (key is not null)
            foreach (var bundle in bundles) _signed.AddRange(receipts.Check(bundle, key));
        foreach (var bundle in BundleOrder.Of(bundles, [.. bundles.Select(receipts.DigestOf)])) await bundle.AddAsync(input, cancel);
        return input;
    }

    /// <summary>Checks that the files are byte for byte what was signed.</summary>
    /// <exception cref="ArchiveException">One was changed.</exception>
    public async Task CheckAsync(CancellationToken cancel)
    {
        foreach (var (file, signed) in _signed) await ReceiptFiles.CheckAsync(file, signed, cancel);
    }

    private static async Task<BundleContents?> ContentsAsync(Archive archive, CancellationToken cancel)
    {
        if (await archive.ReadAsync(BundleNames.Contents, BundleContents.MaxBytes, cancel) is not { } json) return null;
        return BundleContents.Read(json, out var problems)
            ?? throw new ArchiveException($"'{archive.Path}' is damaged: its {BundleNames.Contents} is not what it should be ({Words.Line(problems[0])}); nothing was imported");
    }

    private async Task AddForeignAsync(Archive archive, ImportInput input, CancellationToken cancel)
    {
        if (key is not null) throw new ArchiveException($"'{archive.Path}' is not signed: it is no bundle of 'entrepot bundle export', and --key takes nothing else; nothing was imported");
        if (archive.Find(LayoutReader.Index) is not null) await LayoutReader.AddAsync(archive, name, input, cancel);
        else if (archive.Find(DockerReader.Manifest) is not null) await DockerReader.AddAsync(archive, name, input, cancel);
        else throw new ArchiveException($"'{archive.Path}' is no OCI image layout and no archive of docker save: it has neither {LayoutReader.Index} nor {DockerReader.Manifest}");
    }
}
