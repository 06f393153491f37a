using Entrepot.Oci;
using Entrepot.Pull;

namespace Entrepot.Storage;

/// <content>How those who leave do so.</content>
public sealed partial class DiskSpace
{
    private void Evict(List<Leaver> leavers, CancellationToken cancel)
    {
        var (blobs, bytes) = (0, 0L);
        foreach (var leaver in leavers)
        {
            if (!TryEvict(leaver, cancel)) continue;
            blobs++;
            bytes += leaver.Victim.Size;
        }

        if (blobs > 0) Evicted?.Invoke(blobs, bytes);
    }

    private bool TryEvict(Leaver leaver, CancellationToken cancel)
    {
        var (victim, resting) = leaver;
        lock (NameOf(victim.Digest))
        {
            // Committed anew meanwhile: that has replaced the file, and stays. What rested has a file of its own.
            var isGone = (resting is null && Contains(victim.Digest)) || (!cancel.IsCancellationRequested && TryDelete(victim, resting is not null));
            lock (_gate)
            {
                // What cannot be removed still takes its room; the next reservation tries again.
                if (!isGone) StayLocked(victim.Digest, victim.Size, resting);
                HasLeftLocked(victim.Digest, victim.Size);
            }

            return isGone;
        }
    }

    private List<Leaver> DepartLocked(List<Victim> victims) => victims.ConvertAll(victim =>
    {
        DepartLocked(victim.Digest, victim.Size);
        return new Leaver(victim, _resting.Remove(victim.Digest, out var resting) ? resting : null);
    });

    // Until its file is gone, whoever is granted its room waits for it.
    private void DepartLocked(Digest digest, long size)
    {
        if (!_leaving.TryGetValue(digest, out var departure)) _leaving.Add(digest, departure = new Departure());
        departure.Files++;
        _going += size;
    }

    private void HasLeftLocked(Digest digest, long size)
    {
        _going -= size;
        var departure = _leaving[digest];
        if (--departure.Files > 0) return;
        _leaving.Remove(digest);
        departure.Left.SetResult();
    }

    private void StayLocked(Digest digest, long size, Resting? resting)
    {
        _quota.Adopt(digest, size);
        if (resting is not null) _resting[digest] = resting;
    }

    // Of a blob of which something rests, nothing is a blob.
    private bool ContainsLocked(Digest digest) => _quota.Contains(digest) && !_resting.ContainsKey(digest);

    private bool TryDelete(Victim victim, bool isResting)
    {
        // Forgotten first: whoever still finds the record finds the file, or neither.
        if (!isResting) _index.RemoveBlob(victim.Digest);
        try
        {
            _root.Delete(victim.Digest, isResting);
            _evicted.Count(victim.Reason, victim.Size);
            return true;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
