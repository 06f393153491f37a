using Entrepot.Oci;

namespace Entrepot.Bundles;

/// <summary>What tells of a bundle after it has left: the document <c>NAME.receipt.json</c> beside it. Immutable.</summary>
/// <remarks>Who has imported the bundle has its blobs and its base: a later bundle can leave them out.</remarks>
/// <param name="Contents">The bundle: <see cref="BundleContents.Id"/>.</param>
/// <param name="Index">The digest of its <c>index.json</c>.</param>
/// <param name="Images">As the contents have them.</param>
/// <param name="Blobs">As the contents have them.</param>
/// <param name="Base">As the contents have them.</param>
/// <param name="Since">As the contents have them.</param>
/// <param name="Parts">Its files in order; one for a bundle that is not cut.</param>
public sealed record BundleReceipt(
    Digest Contents, Digest Index, IReadOnlyList<BundleImage> Images, IReadOnlyList<BundleBlob> Blobs, IReadOnlyList<BundleBlob> Base, IReadOnlyList<Digest> Since,
    IReadOnlyList<BundleFile> Parts)
{
    /// <summary>Most characters of a file's name: what file systems allow.</summary>
    public const int MaxNameLength = 255;

    /// <summary>The receipt of a bundle.</summary>
    /// <param name="contents">What is in it.</param>
    /// <param name="files">Its files in order.</param>
    public static BundleReceipt Of(BundleContents contents, IReadOnlyList<BundleFile> files) =>
        new(contents.Id(), Digest.Of(contents.ToIndex()), contents.Images, contents.Blobs, contents.Base, contents.Since, files);

    /// <summary>Whether a bundle is the one that this is of. Says nothing of its blobs, whose digests are their names.</summary>
    public bool IsOf(BundleContents contents) => contents.Id() == Contents && Digest.Of(contents.ToIndex()) == Index;

    /// <summary>The document.</summary>
    public byte[] ToJson() => BundleJson.Write(writer =>
    {
        writer.WriteNumber("version", BundleContents.Version);
        writer.WriteString("contents", Contents.ToString());
        writer.WriteString("index", Index.ToString());
        BundleJson.Write(writer, "images", Images);
        BundleJson.Write(writer, "blobs", Blobs);
        BundleJson.Write(writer, "base", Base);
        BundleJson.Write(writer, "since", Since);
        writer.WriteStartArray("parts");
        foreach (var part in Parts)
        {
            writer.WriteStartObject();
            writer.WriteString("name", part.Name);
            writer.WriteNumber("size", part.Size);
            writer.WriteString("digest", part.Digest.ToString());
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    });

    /// <summary>Reads the document.</summary>
    /// <param name="json">Its bytes.</param>
    /// <param name="problems">Everything that is wrong with it, each with where it stands; empty if nothing is.</param>
    /// <returns>What it says; <see langword="null"/> if anything is wrong.</returns>
    public static BundleReceipt? Read(ReadOnlyMemory<byte> json, out IReadOnlyList<string> problems)
    {
        var reading = new StrictJson();
        problems = reading.Problems;
        using var document = reading.Open(json, BundleContents.MaxBytes);
        if (document is null) return null;

        var root = document.RootElement;
        if (!BundleJson.IsReadable(reading, root)) return null;
        reading.OnlyHas(root, "", "version", "contents", "index", "images", "blobs", "base", "since", "parts");
        var contents = BundleJson.Contents(reading, root);
        var files = reading.List(root, "parts", "", BundleNames.MaxParts, (element, path) =>
        {
            if (!reading.IsObject(element, path)) return new BundleFile("", 0, default);
            path += '.';
            reading.OnlyHas(element, path, "name", "size", "digest");
            var name = reading.Text(element, "name", path, IsFileName, $"a file's name of at most {MaxNameLength} characters, without a directory,");
            return new BundleFile(name, reading.Number(element, "size", path, 0, long.MaxValue), reading.Name(element, "digest", path));
        });
        if (files.Count == 0 && reading.Problems.Count == 0) reading.Add("parts", "is empty; a bundle has at least one file");
        var receipt = new BundleReceipt(
            reading.Name(root, "contents", ""), reading.Name(root, "index", ""), contents.Images, contents.Blobs, contents.Base, contents.Since, files);
        if (reading.Problems.Count == 0 && !receipt.IsOf(contents)) reading.Add("", "contents and index are not the digests of what the receipt lists: it was changed");
        return reading.Problems.Count == 0 ? receipt : null;
    }

    private static bool IsFileName(string name) =>
        name is { Length: > 0 and <= MaxNameLength } and not ("." or "..") && !name.Any(c => c == '/' || c == '\\' || char.IsControl(c));
}
