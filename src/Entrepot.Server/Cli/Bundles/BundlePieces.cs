using Entrepot.Bundles;
using Entrepot.Oci;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>A bundle as its files have it: all of its parts, in their order, whatever the files are called. Immutable.</summary>
internal sealed class BundlePieces
{
    private readonly IReadOnlyList<Archive> _files;   // in the order of the parts

    private BundlePieces(BundleContents contents, IReadOnlyList<Archive> files) => (Contents, Id, _files) = (contents, contents.Id(), files);

    /// <summary>What is in it.</summary>
    public BundleContents Contents { get; }

    /// <summary>Its name.</summary>
    public Digest Id { get; }

    /// <summary>Its files, in the order of the parts.</summary>
    public IReadOnlyList<string> Files => [.. _files.Select(file => file.Path)];

    /// <summary>What messages call it.</summary>
    public string Place => string.Join(", ", _files.Select(file => $"'{file.Path}'"));

    /// <summary>Puts the files of bundles together.</summary>
    /// <param name="files">Files, each with what it says is in the bundle, in any order.</param>
    /// <returns>The bundles, in the order of their first files.</returns>
    /// <exception cref="ArchiveException">A part is missing.</exception>
    public static IReadOnlyList<BundlePieces> Of(IEnumerable<(Archive File, BundleContents Contents)> files) => [.. files.GroupBy(file => file.Contents.Id()).Select(bundle =>
    {
        var parts = bundle.DistinctBy(file => file.Contents.Part?.Number ?? 0).OrderBy(file => file.Contents.Part?.Number ?? 0).ToList();
        var (first, contents) = parts[0];
        if (contents.Part is { } part && parts.Count < part.Count)
        {
            var there = parts.Select(file => file.Contents.Part?.Number).ToHashSet();
            var missing = Enumerable.Range(1, part.Count).Where(number => !there.Contains(number)).ToList();
            throw new ArchiveException(
                $"{(missing.Count == 1 ? $"part {missing[0]} of {part.Count} is" : $"parts {string.Join(", ", missing)} of {part.Count} are")} missing "
                + $"of the bundle that '{first.Path}' is part {part.Number} of; nothing was imported");
        }

        return new BundlePieces(contents with { Part = null }, [.. parts.Select(file => file.File)]);
    })];

    /// <summary>Adds it to an import.</summary>
    /// <exception cref="ArchiveException">Something is not there that should be, or is of another size.</exception>
    public async Task AddAsync(ImportInput input, CancellationToken cancel)
    {
        if (await _files[0].ReadAsync(BundleNames.Index, BundleContents.MaxBytes, cancel) is not { } index || !index.AsSpan().SequenceEqual(Contents.ToIndex()))
            throw new ArchiveException($"'{_files[0].Path}' is damaged: its {BundleNames.Index} is not what its {BundleNames.Contents} says; nothing was imported");

        var pieces = Pieces();
        foreach (var (digest, size) in Contents.Blobs)
        {
            if (!pieces.TryGetValue(digest, out var found)) throw new ArchiveException($"{Place} lacks {digest}: it was not copied whole, or is damaged; nothing was imported");
            var source = new BlobSource([.. found.OrderBy(piece => piece.Piece ?? 0).Select(piece => piece.Slice)]);
            if (source.Size != size) throw new ArchiveException($"{source.Place} is damaged: {digest} has {source.Size} bytes there, and should have {size}; nothing was imported");
            input.AddBlob(digest, source);
        }

        foreach (var (digest, _) in Contents.Base) input.AddBase(digest);
        foreach (var image in Contents.Images) input.AddImage(image.Reference.ToString(), image.Digest, image.MediaType);
    }

    private Dictionary<Digest, List<(int? Piece, Slice Slice)>> Pieces()
    {
        var pieces = new Dictionary<Digest, List<(int? Piece, Slice Slice)>>();
        foreach (var file in _files)
        {
            foreach (var member in file.Members.Keys)
            {
                if (!BundleNames.TryParseMember(member, out var digest, out var piece)) continue;
                if (!pieces.TryGetValue(digest, out var found)) pieces.Add(digest, found = []);
                found.Add((piece, file.Find(member)!.Value));
            }
        }

        return pieces;
    }
}
