namespace Entrepot.Pull;

/// <summary>How fast something arrives: a mean over the last seconds.</summary>
/// <remarks>Not safe for concurrent use; its owner holds a lock.</remarks>
internal sealed class Pace(TimeProvider clock)
{
    private const int Seconds = 4;

    private readonly long[] _bytes = new long[Seconds + 1];   // of the present second and those before it, in a ring
    private readonly long _began = clock.GetTimestamp();
    private long _second;

    /// <summary>Bytes a second, over the last full seconds or what there is of them.</summary>
    public long PerSecond
    {
        get
        {
            Move();
            var time = Math.Min(clock.GetElapsedTime(_began).TotalSeconds, Seconds + clock.GetElapsedTime(_began).TotalSeconds % 1);
            return time > 0 ? (long)(_bytes.Sum() / time) : 0;
        }
    }

    /// <summary>So many bytes have come.</summary>
    public void Add(long bytes)
    {
        Move();
        _bytes[_second % _bytes.Length] += bytes;
    }

    private void Move()
    {
        var now = (long)clock.GetElapsedTime(_began).TotalSeconds;
        for (var gone = Math.Min(now - _second, _bytes.Length); gone > 0; gone--) _bytes[(now - gone + 1) % _bytes.Length] = 0;
        _second = now;
    }
}
