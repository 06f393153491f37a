using System.Globalization;
using Entrepot.Oci;

namespace Entrepot.Bundles;

/// <summary>What the files of a bundle are called, and what is in them. Pure.</summary>
public static class BundleNames
{
    /// <summary>The member that says that this is an OCI image layout.</summary>
    public const string Layout = "oci-layout";

    /// <summary>The member that lists the images as any tool reads them.</summary>
    public const string Index = "index.json";

    /// <summary>The member that lists everything: <see cref="BundleContents"/>.</summary>
    public const string Contents = "entrepot.json";

    /// <summary>What the member <see cref="Layout"/> says (OCI image specification, "oci-layout file").</summary>
    public const string LayoutJson = """{"imageLayoutVersion":"1.0.0"}""";

    /// <summary>Most parts of a bundle: so many numbers have three digits.</summary>
    public const int MaxParts = 999;

    /// <summary>Most pieces of a blob.</summary>
    public const int MaxPieces = MaxParts;

    private const string Blobs = "blobs/";
    private const string Extension = ".tar";

    /// <summary>The member with a blob: <c>blobs/sha256/…</c>.</summary>
    public static string Member(Digest digest) => $"{Blobs}{digest.Algorithm}/{digest.Hex}";

    /// <summary>The member with a piece of a blob that is cut: <c>blobs/sha256/….000</c>.</summary>
    /// <param name="digest">The blob.</param>
    /// <param name="piece">From 0.</param>
    public static string Member(Digest digest, int piece) => string.Create(CultureInfo.InvariantCulture, $"{Member(digest)}.{piece:000}");

    /// <summary>Tells which blob a member is.</summary>
    /// <param name="member">The member's name.</param>
    /// <param name="digest">The blob.</param>
    /// <param name="piece">Which piece of it, from 0; <see langword="null"/> if it is all of it.</param>
    public static bool TryParseMember(string member, out Digest digest, out int? piece)
    {
        (digest, piece) = (default, null);
        var name = member.AsSpan();
        if (!name.StartsWith(Blobs, StringComparison.Ordinal)) return false;
        name = name[Blobs.Length..];
        var dot = name.IndexOf('.');
        if (dot >= 0)
        {
            var number = name[(dot + 1)..];
            if (number.Length != 3 || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed)) return false;
            piece = parsed;
            name = name[..dot];
        }

        var slash = name.IndexOf('/');
        return slash >= 0 && Digest.TryParse($"{name[..slash]}:{name[(slash + 1)..]}", out digest);
    }

    /// <summary>What the names of a bundle's files begin with: the archive's name without <c>.tar</c>.</summary>
    public static string Stem(string archive) =>
        archive.EndsWith(Extension, StringComparison.Ordinal) && archive.Length > Extension.Length ? archive[..^Extension.Length] : archive;

    /// <summary>The file of a part: <c>site.001.tar</c> of <c>site.tar</c>.</summary>
    /// <param name="archive">The archive's name, with or without a directory.</param>
    /// <param name="number">From 1.</param>
    public static string PartFile(string archive, int number) =>
        string.Create(CultureInfo.InvariantCulture, $"{Stem(archive)}.{number:000}{Extension}");

    /// <summary>The receipt beside an archive: <c>site.receipt.json</c> of <c>site.tar</c>.</summary>
    public static string ReceiptFile(string archive) => $"{Stem(archive)}.receipt.json";

    /// <summary>The signature beside a receipt.</summary>
    public static string SignatureFile(string receipt) => $"{receipt}.sig";
}
