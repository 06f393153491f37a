using Entrepot.Oci;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>Which manifests of a layout lead to which: an index to its manifests, and any of them to what refers to it. Immutable.</summary>
internal sealed class LayoutGraph
{
    private readonly Dictionary<Digest, List<Digest>> _next = [];
    private readonly HashSet<Digest> _known = [];
    private readonly HashSet<Digest> _children = [];
    private readonly Dictionary<Digest, Digest> _subjects = [];   // by who refers to them

    private LayoutGraph()
    {
    }

    /// <summary>Reads manifests, and those that they lead to.</summary>
    /// <param name="manifests">What the layout lists.</param>
    /// <param name="input">Where their bytes are; what is not there leads nowhere.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="ArchiveException">One is damaged, or the file cannot be read.</exception>
    public static async Task<LayoutGraph> ReadAsync(IEnumerable<Digest> manifests, ImportInput input, CancellationToken cancel)
    {
        var graph = new LayoutGraph();
        var left = new Stack<Digest>(manifests);
        while (left.TryPop(out var digest))
        {
            if (!graph._known.Add(digest) || await ReadAsync(digest, input, cancel) is not { } manifest) continue;
            if (manifest.Subject is { } subject)
            {
                graph._subjects[digest] = subject;
                graph.Link(subject, digest);
            }

            foreach (var child in manifest.Manifests)
            {
                graph._children.Add(child.Digest);
                graph.Link(digest, child.Digest);
                left.Push(child.Digest);
            }
        }

        return graph;
    }

    /// <summary>All that a manifest leads to, itself included.</summary>
    public IReadOnlySet<Digest> From(Digest manifest)
    {
        var reached = new HashSet<Digest>();
        var left = new Stack<Digest>([manifest]);
        while (left.TryPop(out var digest))
        {
            if (!reached.Add(digest) || !_next.TryGetValue(digest, out var next)) continue;
            foreach (var one in next) left.Push(one);
        }

        return reached;
    }

    /// <summary>Whether it refers to another manifest, wherever that is.</summary>
    public bool IsReferrer(Digest manifest) => _subjects.ContainsKey(manifest);

    /// <summary>Whether nothing in the layout leads to it.</summary>
    public bool IsRoot(Digest manifest) => !_children.Contains(manifest) && !(_subjects.TryGetValue(manifest, out var subject) && _known.Contains(subject));

    private static async Task<Manifest?> ReadAsync(Digest digest, ImportInput input, CancellationToken cancel)
    {
        if (!input.Blobs.TryGetValue(digest, out var source) || source.Size > Archive.MaxDocument) return null;
        var content = await source.ReadAllAsync(cancel);
        return digest.Matches(content)
            ? Manifest.TryParse(content)
            : throw new ArchiveException($"{source.Place} is damaged: what it has as {digest} is something else; nothing was imported");
    }

    private void Link(Digest from, Digest to)
    {
        if (!_next.TryGetValue(from, out var next)) _next.Add(from, next = []);
        next.Add(to);
    }
}
