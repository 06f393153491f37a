using Entrepot.Oci;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>What a command's files hold together: images by name, and blobs by digest. Filled by the readers of the files; not for concurrent use.</summary>
internal sealed class ImportInput
{
    private readonly Dictionary<string, (Digest Digest, string MediaType)> _images = new(StringComparer.Ordinal);
    private readonly Dictionary<Digest, BlobSource> _blobs = [];
    private readonly HashSet<Digest> _base = [];
    private readonly HashSet<Digest> _unproven = [];

    /// <summary>The images, by their names in full form; of a name that comes again the last counts.</summary>
    public IReadOnlyDictionary<string, (Digest Digest, string MediaType)> Images => _images;

    /// <summary>The blobs that are there.</summary>
    public IReadOnlyDictionary<Digest, BlobSource> Blobs => _blobs;

    /// <summary>What a bundle leaves out since an earlier one brought it.</summary>
    public IReadOnlySet<Digest> Base => _base;

    /// <summary>Blobs that have their names from their own bytes alone, since nothing here unpacks them: that they are what their image's config says is not known.</summary>
    public IReadOnlySet<Digest> Unproven => _unproven;

    /// <summary>Adds an image.</summary>
    public void AddImage(string reference, Digest digest, string mediaType) => _images[reference] = (digest, mediaType);

    /// <summary>Adds a blob; where it is there already, that one is as good.</summary>
    public void AddBlob(Digest digest, BlobSource source) => _blobs.TryAdd(digest, source);

    /// <summary>Notes that a blob has its name from its own bytes alone.</summary>
    public void AddUnproven(Digest digest) => _unproven.Add(digest);

    /// <summary>Adds what is needed besides.</summary>
    public void AddBase(Digest digest) => _base.Add(digest);
}
