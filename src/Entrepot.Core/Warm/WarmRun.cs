using System.Collections.Concurrent;
using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Warm;

/// <summary>How far a warming is. An immutable value.</summary>
/// <param name="Images">Images that have ended.</param>
/// <param name="TotalImages">Images that are wanted.</param>
/// <param name="Planned">Images of which it is known what has to be fetched, ended ones among them.</param>
/// <param name="Bytes">Bytes of blobs that have arrived.</param>
/// <param name="TotalBytes">Bytes of blobs that have to, as far as that is known.</param>
public readonly record struct WarmProgress(int Images, int TotalImages, int Planned, long Bytes, long TotalBytes);

/// <summary>How far the warming of one image is. An immutable value.</summary>
/// <param name="Reference">The image.</param>
/// <param name="Bytes">Bytes of its blobs that have arrived.</param>
/// <param name="TotalBytes">Bytes of its blobs that have to, as far as that is known.</param>
public readonly record struct WarmingImage(Reference Reference, long Bytes, long TotalBytes);

/// <summary>A warming that runs, or has ended. Safe for concurrent use.</summary>
public sealed class WarmRun
{
    // Manifests that a dry run keeps to share them: of 64 images for 64 platforms, some 10 MB. What is beyond is asked for by each image that has it.
    private const int MostLooked = 4096;

    private readonly ConcurrentDictionary<Digest, Lazy<Task<Answer<ReceivedManifest>>>> _looked = new();
    private readonly Lock _gate = new();
    private readonly List<WarmedImage> _ended = [];                          // guarded by _gate, like all below
    private readonly Dictionary<Reference, WarmingImage> _running = [];
    private readonly HashSet<Digest> _claimed = [];
    private readonly HashSet<Digest> _counted = [];
    private WarmProgress _progress;

    internal WarmRun(int images) => _progress = new WarmProgress(0, images, 0, 0, 0);

    /// <summary>Ends with it; it is cancelled when it was ended early. An image that fails is no failure of it.</summary>
    public Task Ended { get; internal set; } = Task.CompletedTask;

    /// <summary>How far it is.</summary>
    public WarmProgress Progress { get { lock (_gate) return _progress; } }

    /// <summary>Images that are worked on now, by name.</summary>
    public IReadOnlyList<WarmingImage> Running { get { lock (_gate) return [.. _running.Values.OrderBy(one => one.Reference.ToString(), StringComparer.Ordinal)]; } }

    /// <summary>Images that have ended, in the order in which they did, but for the first <paramref name="after"/>.</summary>
    public IReadOnlyList<WarmedImage> Done(int after)
    {
        lock (_gate) return _ended[after..];
    }

    /// <summary>Whether what is missing is so for the first time in this run: what several images share is fetched, and counts, once.</summary>
    internal bool Claim(Digest missing)
    {
        lock (_gate) return _claimed.Add(missing);
    }

    /// <summary>Whether a manifest has come for the first time in this run: one request brings it to all names that mean it.</summary>
    internal bool Count(Digest manifest)
    {
        lock (_gate) return _counted.Add(manifest);
    }

    /// <summary>A manifest that a dry run only looks at: it is asked for once, whichever images have it.</summary>
    /// <returns>The answer, and whether this call has asked for it.</returns>
    internal (Task<Answer<ReceivedManifest>> Asking, bool IsOwn) Look(Digest digest, Func<Task<Answer<ReceivedManifest>>> ask)
    {
        var own = new Lazy<Task<Answer<ReceivedManifest>>>(ask);
        var shared = _looked.Count < MostLooked ? _looked.GetOrAdd(digest, own) : own;
        return (shared.Value, shared == own);
    }

    internal void Begin(Reference image)
    {
        lock (_gate) _running[image] = new WarmingImage(image, 0, 0);
    }

    internal void Plan(Reference image, long bytes)
    {
        lock (_gate)
        {
            _running[image] = _running[image] with { TotalBytes = bytes };
            _progress = _progress with { Planned = _progress.Planned + 1, TotalBytes = _progress.TotalBytes + bytes };
        }
    }

    internal void Arrive(Reference image, long bytes)
    {
        lock (_gate)
        {
            var running = _running[image];
            _running[image] = running with { Bytes = running.Bytes + bytes };
            _progress = _progress with { Bytes = _progress.Bytes + bytes };
        }
    }

    internal void End(WarmedImage image, bool isPlanned)
    {
        lock (_gate)
        {
            _running.Remove(image.Reference);
            _ended.Add(image);
            _progress = _progress with { Images = _progress.Images + 1, Planned = _progress.Planned + (isPlanned ? 0 : 1) };
        }
    }
}
