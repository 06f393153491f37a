using Entrepot.Oci;
using Entrepot.Server.Admin;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>Finds out what of the files the images need: what nothing needs is not sent, and what is needed and not there has to be stored already.</summary>
internal sealed class ImportClosure(ImportInput input)
{
    private const int Depth = 2;

    private readonly HashSet<Digest> _seen = [];
    private readonly List<Digest> _manifests = [];
    private readonly List<Digest> _blobs = [];
    private readonly HashSet<Digest> _missing = [];
    private bool _isAllNeeded;

    /// <summary>The plan for a server.</summary>
    /// <exception cref="ArchiveException">A manifest is damaged, or a blob has another size than its manifest says.</exception>
    public async Task<ImportPlan> PlanAsync(CancellationToken cancel)
    {
        foreach (var (digest, _) in input.Images.Values) await FollowAsync(digest, Depth, isNeeded: true, cancel);

        // What a manifest needs that the server has, only the server can say.
        if (_isAllNeeded)
        {
            _blobs.AddRange(input.Blobs.Keys.Where(digest => !_seen.Contains(digest)).OrderBy(digest => digest.ToString(), StringComparer.Ordinal));
            _missing.UnionWith(input.Base.Where(digest => !input.Blobs.ContainsKey(digest)));
        }

        return new ImportPlan(
            [.. input.Images.Select(image => new PlannedImage(image.Key, image.Value.Digest.ToString(), image.Value.MediaType))],
            [.. _manifests.Concat(_blobs).Select(digest => new PlannedBlob(digest.ToString(), input.Blobs[digest].Size))],
            [.. _missing.Select(digest => digest.ToString()).Order(StringComparer.Ordinal).Select(digest => new PlannedBlob(digest, 0))]);
    }

    private async Task FollowAsync(Digest digest, int depth, bool isNeeded, CancellationToken cancel)
    {
        if (!_seen.Add(digest)) return;
        if (!input.Blobs.TryGetValue(digest, out var source))
        {
            if (!isNeeded && !input.Base.Contains(digest)) return;   // left out on purpose: another platform's
            _missing.Add(digest);
            _isAllNeeded = true;
            return;
        }

        _manifests.Add(digest);
        if (source.Size > Archive.MaxDocument) throw new ArchiveException($"{source.Place} has a manifest {digest} of {source.Size} bytes; at most {Archive.MaxDocument} are allowed");
        var content = await source.ReadAllAsync(cancel);
        if (!digest.Matches(content)) throw new ArchiveException($"{source.Place} is damaged: what it has as {digest} is something else; nothing was imported");
        if (Manifest.TryParse(content) is not { } manifest) throw new ArchiveException($"{source.Place} has {digest} as a manifest, which it is not");

        foreach (var blob in manifest.Blobs) AddBlob(blob);
        foreach (var child in manifest.Manifests.Where(_ => depth > 0)) await FollowAsync(child.Digest, depth - 1, isNeeded: false, cancel);
    }

    private void AddBlob(Descriptor blob)
    {
        if (!_seen.Add(blob.Digest)) return;
        if (!input.Blobs.TryGetValue(blob.Digest, out var source))
        {
            _missing.Add(blob.Digest);
            return;
        }

        if (blob.Size > 0 && blob.Size != source.Size)
            throw new ArchiveException($"{source.Place} is damaged: {blob.Digest} has {source.Size} bytes there, and {blob.Size} by its manifest; nothing was imported");
        _blobs.Add(blob.Digest);
    }
}
