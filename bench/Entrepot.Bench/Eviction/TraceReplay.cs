using Entrepot.Pull;

namespace Entrepot.Bench;

/// <summary>What became of a trace's requests.</summary>
internal sealed record ReplayResult(long Requests, long Hits, long Bytes, long HitBytes, TimeSpan Cpu)
{
    public double ObjectRatio => (double)Hits / Requests;

    public double ByteRatio => (double)HitBytes / Bytes;

    public long UpstreamBytes => Bytes - HitBytes;
}

/// <summary>Gives the pulls of a trace to a quota with a policy, through what the product itself uses.</summary>
/// <remarks>
/// As in a pull of the product: a manifest that was pulled marks what it references as used, once in <see cref="RecentTouches.Interval"/>; a blob that is a hit is marked;
/// one that is not reserves its room, which evicts, and is admitted.
/// </remarks>
internal sealed class TraceReplay(EvictionPolicy policy, long limit)
{
    private readonly Quota _quota = new(policy, limit);
    private readonly RecentTouches _recent = new();
    private readonly List<Victim> _victims = [];
    private long _requests;
    private long _hits;
    private long _bytes;
    private long _hitBytes;

    public static ReplayResult Run(Trace trace, EvictionPolicy policy, long limit)
    {
        var replay = new TraceReplay(policy, limit);
        var before = Environment.CpuUsage.UserTime;
        foreach (var pull in trace.Pulls) replay.Pull(pull);
        return new ReplayResult(replay._requests, replay._hits, replay._bytes, replay._hitBytes, Environment.CpuUsage.UserTime - before);
    }

    private void Pull(TracePull pull)
    {
        Ask(pull.Manifest);
        if (_recent.ShouldTouch(pull.Manifest.Digest, DateTimeOffset.UnixEpoch.AddSeconds(pull.Seconds)))
        {
            _quota.Touch(pull.Manifest.Digest);
            foreach (var blob in pull.Asked) _quota.Touch(blob.Digest);
            foreach (var blob in pull.Kept) _quota.Touch(blob.Digest);
        }

        foreach (var blob in pull.Asked) Ask(blob);
    }

    private void Ask(TraceBlob blob)
    {
        _requests++;
        _bytes += blob.Size;
        if (_quota.Contains(blob.Digest))
        {
            _hits++;
            _hitBytes += blob.Size;
            _quota.Touch(blob.Digest);
            return;
        }

        _victims.Clear();
        var size = Quota.OnDisk(blob.Size);
        if (_quota.TryReserve(size, _victims)) _quota.Admit(blob.Digest, size, size);
    }
}
