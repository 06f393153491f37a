using System.Formats.Tar;
using System.IO.Compression;

namespace Entrepot.ClientTests.Images;

/// <summary>A layer made from a seed: the same bytes at every run on one machine.</summary>
/// <param name="Blob">What is pushed.</param>
/// <param name="DiffId">The digest of the tar inside.</param>
internal sealed record Layer(Content Blob, string DiffId)
{
    public const string OciGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
    public const string OciTar = "application/vnd.oci.image.layer.v1.tar";
    public const string DockerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";

    /// <summary>Makes a compressed layer.</summary>
    /// <param name="seed">What its bytes are made from; another seed gives another file name and other bytes.</param>
    /// <param name="size">Bytes of the file inside, which do not compress.</param>
    /// <param name="mediaType">What the manifest calls it.</param>
    public static Layer Gzip(int seed, int size, string mediaType = OciGzip)
    {
        var tar = Tar(seed, size);
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest)) gzip.Write(tar);
        return new Layer(new Content(mediaType, compressed.ToArray()), Content.DigestOf(tar));
    }

    /// <summary>Makes a layer that is the tar itself.</summary>
    public static Layer Plain(int seed, int size)
    {
        var tar = Tar(seed, size);
        return new Layer(new Content(OciTar, tar), Content.DigestOf(tar));
    }

    private static byte[] Tar(int seed, int size)
    {
        var noise = new byte[size];
        new Random(seed).NextBytes(noise);

        using var archive = new MemoryStream();
        using (var writer = new TarWriter(archive, TarEntryFormat.Ustar, leaveOpen: true))
        {
            writer.WriteEntry(Entry(TarEntryType.Directory, "srv/", "755"));
            var file = Entry(TarEntryType.RegularFile, $"srv/{seed}", "644");
            file.DataStream = new MemoryStream(noise);
            writer.WriteEntry(file);
        }

        return archive.ToArray();
    }

    private static UstarTarEntry Entry(TarEntryType type, string name, string octalMode) => new(type, name)
    {
        ModificationTime = DateTimeOffset.UnixEpoch.AddYears(50),
        Mode = (UnixFileMode)Convert.ToInt32(octalMode, 8),
    };
}
