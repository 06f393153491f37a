using Entrepot.Bundles;
using Entrepot.Oci;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>Reads OCI image layouts: those of skopeo, podman, buildah, oras and others, and of <c>docker save</c> since Docker 25.</summary>
internal static class LayoutReader
{
    /// <summary>The member that every layout has.</summary>
    public const string Index = "index.json";

    private const string Blobs = "blobs/";

    /// <summary>Adds what is in an archive.</summary>
    /// <param name="archive">The archive.</param>
    /// <param name="name">What the user says that its image is called; <see langword="null"/> if nothing.</param>
    /// <param name="input">Receives it.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="ArchiveException">It is no layout, or an image has no name.</exception>
    public static async Task AddAsync(Archive archive, string? name, ImportInput input, CancellationToken cancel)
    {
        if (LayoutIndex.TryParse(await archive.ReadAsync(Index, cancel)) is not { } images) throw new ArchiveException($"the index.json of '{archive.Path}' is not that of an OCI image layout");
        if (images.Count == 0) throw new ArchiveException($"there is no image in '{archive.Path}': its index.json is empty");

        AddBlobs(archive, input);
        var names = new Dictionary<string, Digest>(StringComparer.Ordinal);
        foreach (var (image, containerd, refName) in images)
        {
            if (ImageName.Of(containerd, refName, name) is not { } reference) throw Nameless(archive, image.Digest, refName);
            if (!names.TryAdd(reference, image.Digest) && names[reference] != image.Digest)
                throw new ArchiveException($"'{archive.Path}' has two images that would be called {reference}: {names[reference]} and {image.Digest}");
            input.AddImage(reference, image.Digest, image.MediaType);
        }
    }

    /// <summary>Adds the blobs of an archive.</summary>
    /// <exception cref="ArchiveException">A blob is there twice.</exception>
    public static void AddBlobs(Archive archive, ImportInput input)
    {
        foreach (var member in archive.Members.Keys.Where(member => member.StartsWith(Blobs, StringComparison.Ordinal)))
            if (Digest.TryParse(member[Blobs.Length..].Replace('/', ':'), out var digest)) input.AddBlob(digest, new BlobSource(archive.Find(member)!.Value));
    }

    private static ArchiveException Nameless(Archive archive, Digest digest, string? refName) => new(refName is { Length: > 0 }
        ? $"'{archive.Path}' calls its image {digest} only '{Words.Line(refName)}', without a repository: say with --name which it is of, e.g. --name docker.io/library/alpine"
        : $"'{archive.Path}' does not say what its image {digest} is called: say it with --name, e.g. --name docker.io/library/alpine:3.20");
}
