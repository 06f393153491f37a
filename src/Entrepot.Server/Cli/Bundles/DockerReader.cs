using Entrepot.Bundles;
using Entrepot.Oci;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>Reads archives of <c>docker save</c> in their old form: a config, layers, and no manifest of a registry, which is made here.</summary>
internal static class DockerReader
{
    /// <summary>The member that every such archive has.</summary>
    public const string Manifest = "manifest.json";

    private const int StartBytes = 4;

    /// <summary>Adds what is in an archive.</summary>
    /// <param name="archive">The archive.</param>
    /// <param name="name">What the user says that its image is called; <see langword="null"/> if nothing.</param>
    /// <param name="input">Receives it.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="ArchiveException">It is not what <c>docker save</c> makes, or an image has no name.</exception>
    public static async Task AddAsync(Archive archive, string? name, ImportInput input, CancellationToken cancel)
    {
        if (DockerSave.TryParse(await archive.ReadAsync(Manifest, cancel) ?? []) is not { } images) throw new ArchiveException($"the manifest.json of '{archive.Path}' is not that of docker save");
        if (images.Count == 0) throw new ArchiveException($"there is no image in '{archive.Path}': its manifest.json is empty");
        foreach (var image in images)
        {
            var (digest, mediaType) = await AddAsync(archive, image, input, cancel);
            var tags = image.Tags.Count > 0 ? image.Tags : [""];
            foreach (var tag in tags)
            {
                if (ImageName.Of(null, tag, name) is not { } reference)
                    throw new ArchiveException($"'{archive.Path}' does not say what its image with the config {Words.Line(image.Config)} is called: say it with --name, e.g. --name docker.io/library/alpine:3.20");
                input.AddImage(reference, digest, mediaType);
            }
        }
    }

    private static async Task<(Digest Digest, string MediaType)> AddAsync(Archive archive, DockerImage image, ImportInput input, CancellationToken cancel)
    {
        var config = await archive.ReadAsync(image.Config, cancel) ?? throw Missing(archive, image.Config);
        if (DockerSave.DigestOf(image.Config) is { } named && !named.Matches(config)) throw Damaged(archive, image.Config, named);
        if (DockerSave.DiffIdsOf(config) is not { } ids) throw new ArchiveException($"'{Words.Line(image.Config)}' in '{archive.Path}' is not an image's config");
        if (ids.Count != image.Layers.Count)
            throw new ArchiveException($"an image in '{archive.Path}' has {image.Layers.Count} layers by its manifest.json and {ids.Count} by its config");

        var layers = new List<(Digest, long, LayerPacking)>();
        foreach (var (id, layer) in ids.Zip(image.Layers))
        {
            var slice = archive.Find(layer) ?? throw Missing(archive, layer);
            var source = new BlobSource(slice);
            var packing = DockerSave.PackingOf(await new BlobSource(slice with { Size = Math.Min(StartBytes, slice.Size) }).ReadAllAsync(cancel));

            // The config knows a layer unpacked. What it is called packed, only its bytes say, and whether they are right, only what they unpack to.
            var digest = packing switch
            {
                LayerPacking.None => id,
                LayerPacking.Gzip => await GzipLayer.HashAsync(source, id, cancel) ?? throw Damaged(archive, layer, id),
                _ => await source.HashAsync(id, _ => { }, cancel),
            };

            // Nothing here unpacks it. A member that is named after its bytes can be held against that, and whoever imports is told.
            if (packing is LayerPacking.Zstd)
            {
                if (DockerSave.DigestOf(layer) is { } own && own != digest) throw Damaged(archive, layer, own);
                input.AddUnproven(digest);
            }

            input.AddBlob(digest, source);
            layers.Add((digest, source.Size, packing));
        }

        var (content, mediaType) = DockerSave.ManifestOf((Digest.Of(config), config.Length), layers);
        input.AddBlob(Digest.Of(config), new BlobSource(config));
        input.AddBlob(Digest.Of(content), new BlobSource(content));
        return (Digest.Of(content), mediaType);
    }

    private static ArchiveException Damaged(Archive archive, string member, Digest digest) =>
        new($"'{archive.Path}' is damaged: its '{Words.Line(member)}' should be {digest}, and is something else; nothing was imported");

    private static ArchiveException Missing(Archive archive, string member) =>
        new($"'{archive.Path}' has no '{Words.Line(member)}', which its manifest.json names: it was not copied whole, or is damaged");
}
