using System.Formats.Tar;
using System.Text;
using System.Text.Json.Nodes;
using Entrepot.Bundles;
using Entrepot.FunctionalTests.Registry;
using Entrepot.Oci;

namespace Entrepot.FunctionalTests.Bundles;

/// <summary>Makes archives member by member, right ones and others, in a folder that goes away with it.</summary>
internal sealed class ImageArchive : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("archive-");

    public string Folder => _folder.FullName;

    public string PathOf(string name) => Path.Combine(_folder.FullName, name);

    /// <summary>Writes a tar archive and says where it is.</summary>
    public string Tar(string name, params IEnumerable<TarEntry> members)
    {
        using var file = File.Create(PathOf(name));
        using var writer = new TarWriter(file);
        foreach (var member in members) writer.WriteEntry(member);
        return file.Name;
    }

    /// <summary>Writes an OCI image layout of images by the names that they are to have, in the order in which other programs write it.</summary>
    public string Layout(string name, params IEnumerable<(string RefName, TestImage Image)> images) => Tar(name, LayoutMembers([.. images]));

    public static IEnumerable<TarEntry> LayoutMembers(IReadOnlyList<(string RefName, TestImage Image)> images) =>
        [.. BlobsOf(images.Select(one => one.Image)), Member("index.json", IndexOf(images).ToJsonString()), Member("oci-layout", """{"imageLayoutVersion":"1.0.0"}""")];

    public static IEnumerable<TarEntry> BlobsOf(IEnumerable<TestImage> images) =>
        AllOf(images).OrderBy(blob => blob.Digest.Hex, StringComparer.Ordinal).Select(blob => Member(NameOf(blob.Digest), blob.Bytes));

    /// <summary>Everything that images consist of, each once: layers, configs and manifests.</summary>
    public static IEnumerable<TestBlob> AllOf(IEnumerable<TestImage> images) =>
        images.SelectMany(image => image.Layers.Append(image.Config).Append(new TestBlob(image.Manifest.Digest, image.Manifest.Bytes))).DistinctBy(blob => blob.Digest);

    /// <summary>What a bundle of images says of itself.</summary>
    /// <param name="images">The images.</param>
    /// <param name="known">Those that the far side has: what they consist of is left out.</param>
    public static BundleContents ContentsOf(IReadOnlyList<TestImage> images, params TestImage[] known)
    {
        var needed = AllOf(known).Select(blob => blob.Digest).ToHashSet();
        var all = AllOf(images).OrderBy(blob => blob.Digest.ToString(), StringComparer.Ordinal).Select(blob => new BundleBlob(blob.Digest, blob.Size)).ToList();
        return new BundleContents(
            [.. images.Select(image => new BundleImage(ReferenceOf(image), image.Manifest.Digest, image.Manifest.MediaType, image.Manifest.Bytes.Length, []))
                .OrderBy(image => image.Reference.ToString(), StringComparer.Ordinal)],
            [.. all.Where(blob => !needed.Contains(blob.Digest))], [.. all.Where(blob => needed.Contains(blob.Digest))], []);
    }

    private static Reference ReferenceOf(TestImage image) => image.Tag.Length > 0
        ? new Reference("docker.io", image.Repository, image.Tag)
        : new Reference("docker.io", image.Repository, image.Manifest.Digest);

    public static string NameOf(Digest digest) => $"blobs/{digest.Algorithm}/{digest.Hex}";

    public static JsonObject IndexOf(IEnumerable<(string RefName, TestImage Image)> images) => new()
    {
        ["schemaVersion"] = 2,
        ["manifests"] = new JsonArray([.. images.Select(one => new JsonObject
        {
            ["mediaType"] = one.Image.Manifest.MediaType,
            ["digest"] = one.Image.Manifest.Digest.ToString(),
            ["size"] = one.Image.Manifest.Bytes.Length,
            ["annotations"] = one.RefName.Length == 0 ? null : new JsonObject { ["org.opencontainers.image.ref.name"] = one.RefName },
        })]),
    };

    public static TarEntry Member(string name, string text) => Member(name, Encoding.UTF8.GetBytes(text));

    public static TarEntry Member(string name, byte[] bytes) => new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(bytes) };

    public static TarEntry Link(string name, string target, TarEntryType type = TarEntryType.SymbolicLink) => new PaxTarEntry(type, name) { LinkName = target };

    public void Dispose() => _folder.Delete(recursive: true);
}
