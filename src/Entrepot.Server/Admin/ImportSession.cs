using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;

namespace Entrepot.Server.Admin;

/// <summary>What an import is to bring, checked. Immutable.</summary>
/// <param name="Set">The set that its images make up.</param>
/// <param name="Images">The images, each reference once.</param>
/// <param name="Blobs">What can be sent, in the order in which it is listed, with its bytes.</param>
/// <param name="Base">What has to be stored already.</param>
internal sealed record ImportContents(
    string Set, IReadOnlyList<ImportedImage> Images, IReadOnlyList<KeyValuePair<Digest, long>> Blobs, IReadOnlyList<Digest> Base);

/// <summary>An import that has begun: the room that is set aside for it, and what it keeps from leaving.</summary>
/// <remarks>Safe for concurrent use. Ended by its owner; what still arrives then gives its room back itself.</remarks>
internal sealed class ImportSession(string id, ImportContents contents, Staging staging, IDisposable hold, long reserved)
{
    private readonly Dictionary<Digest, long> _sizes = new(contents.Blobs);
    private readonly Lock _gate = new();
    private long _reserved = reserved;   // bytes on disk that nothing has been written for; guarded by _gate, like all below
    private int _running;
    private DateTimeOffset _lastUse;
    private bool _isEnded;

    /// <summary>What requests call it.</summary>
    public string Id => id;

    /// <summary>What it is to bring.</summary>
    public ImportContents Contents => contents;

    /// <summary>What was made here for it, and arrived with it. Only for whoever commits or ends it.</summary>
    public HashSet<Digest> Made { get; } = [];

    /// <summary>The bytes of a blob that belongs to it; <see langword="null"/> if it does not.</summary>
    public long? SizeOf(Digest digest) => _sizes.TryGetValue(digest, out var size) ? size : null;

    /// <summary>Whether nothing has been asked of it since then.</summary>
    public bool IsIdleSince(DateTimeOffset then)
    {
        lock (_gate) return _running == 0 && _lastUse < then;
    }

    /// <summary>A request begins that sends something.</summary>
    public void Begin()
    {
        lock (_gate) _running++;
    }

    /// <summary>It has ended.</summary>
    public void End(DateTimeOffset now)
    {
        lock (_gate) (_running, _lastUse) = (_running - 1, now);
    }

    /// <summary>Takes room for a blob out of what is set aside; more is set aside if that does not suffice, as for a blob that is sent twice.</summary>
    /// <returns>Whether there is room; then it is the caller's.</returns>
    public async Task<bool> TakeAsync(long bytes, CancellationToken cancel)
    {
        lock (_gate)
        {
            if (!_isEnded && _reserved >= bytes)
            {
                _reserved -= bytes;
                return true;
            }
        }

        return await staging.TryReserveAsync(bytes, cancel);
    }

    /// <summary>Gives room back that was taken and not used up.</summary>
    public void Give(long bytes)
    {
        lock (_gate)
        {
            if (!_isEnded) _reserved += bytes;
            else staging.Release(bytes);
        }
    }

    /// <summary>Gives back what is set aside, and lets go of what it keeps. May be called again.</summary>
    public void Close()
    {
        lock (_gate)
        {
            if (_isEnded) return;
            _isEnded = true;
            staging.Release(_reserved);
        }

        hold.Dispose();
    }
}
