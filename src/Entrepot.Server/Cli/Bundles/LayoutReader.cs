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
        foreach (var image in images.Where(image => !IsUnnamed(image))) Add(archive, image, name, names, input);
        await AddUnnamedAsync(archive, [.. images.Where(IsUnnamed).DistinctBy(image => image.Image.Digest)], name, names, input, cancel);
    }

    /// <summary>Adds the blobs of an archive.</summary>
    /// <exception cref="ArchiveException">A blob is there twice.</exception>
    public static void AddBlobs(Archive archive, ImportInput input)
    {
        foreach (var member in archive.Members.Keys.Where(member => member.StartsWith(Blobs, StringComparison.Ordinal)))
            if (Digest.TryParse(member[Blobs.Length..].Replace('/', ':'), out var digest)) input.AddBlob(digest, new BlobSource(archive.Find(member)!.Value));
    }

    private static bool IsUnnamed(LayoutImage image) => image is { Name: null, RefName: null or "" };

    // oras lists every manifest and names only what it was asked for: the others come along with that, what refers to something by its digest, as in bundles.
    private static async Task AddUnnamedAsync(
        Archive archive, List<LayoutImage> unnamed, string? name, Dictionary<string, Digest> names, ImportInput input, CancellationToken cancel)
    {
        if (unnamed.Count == 0) return;
        var graph = await LayoutGraph.ReadAsync(unnamed.Select(image => image.Image.Digest).Concat(names.Values), input, cancel);
        var taken = new HashSet<Digest>();
        foreach (var (reference, root) in names) Take(reference, root);
        while (Next() is { } image) Take(Add(archive, image, name, names, input), image.Image.Digest);

        LayoutImage? Next()
        {
            var left = unnamed.Where(image => !taken.Contains(image.Image.Digest)).ToList();
            return left.Find(image => graph.IsRoot(image.Image.Digest)) ?? left.FirstOrDefault();
        }

        void Take(string reference, Digest root)
        {
            var reached = graph.From(root);
            taken.UnionWith(reached);
            foreach (var (image, _, _) in unnamed)
                if (image.Digest != root && reached.Contains(image.Digest) && graph.IsReferrer(image.Digest)) input.AddImage(ImageName.At(reference, image.Digest), image.Digest, image.MediaType);
        }
    }

    private static string Add(Archive archive, LayoutImage entry, string? name, Dictionary<string, Digest> names, ImportInput input)
    {
        var (image, containerd, refName) = entry;
        if (ImageName.Of(containerd, refName, name) is not { } reference) throw Nameless(archive, image.Digest, refName);
        if (!names.TryAdd(reference, image.Digest) && names[reference] != image.Digest)
            throw new ArchiveException($"'{archive.Path}' has two images that would be called {reference}: {names[reference]} and {image.Digest}");
        input.AddImage(reference, image.Digest, image.MediaType);
        return reference;
    }

    private static ArchiveException Nameless(Archive archive, Digest digest, string? refName) => new(refName is { Length: > 0 }
        ? $"'{archive.Path}' calls its image {digest} only '{Words.Line(refName)}', without a repository: say with --name which it is of, e.g. --name docker.io/library/alpine"
        : $"'{archive.Path}' does not say what its image {digest} is called: say it with --name, e.g. --name docker.io/library/alpine:3.20");
}
