namespace Entrepot.Server.ZeroCopy;

/// <summary>Whether a client that is waited for takes what it is sent at some rate at least.</summary>
/// <remarks>
/// <para>Safe for concurrent use: the output says when it waits, the server's heartbeat asks.</para>
/// <para>What counts is what the client has acknowledged, not what the socket has taken: a socket holds megabytes, and takes nothing for minutes while a slow client reads
/// them. Only time in which the output waited counts, so that neither a slow upstream nor an idle connection is held against a client.
/// It is judged over long spans, since what it takes is told in segments of up to 64 KiB, however slowly it reads.</para>
/// </remarks>
/// <param name="bytesPerSecond">The rate.</param>
/// <param name="clock">The time.</param>
internal sealed class ReadingPace(double bytesPerSecond, TimeProvider clock)
{
    private const long Segment = 64 << 10;

    private static readonly TimeSpan LeastSpan = TimeSpan.FromSeconds(5);

    private readonly TimeSpan _span = TimeSpan.FromSeconds(Math.Max(LeastSpan.TotalSeconds, 2 * Segment / bytesPerSecond));
    private readonly Lock _gate = new();
    private long? _since;       // guarded by _gate, like the next: when the present wait began
    private TimeSpan _waited;   // before that, of the present span
    private long _before;       // bytes acknowledged when the span began

    /// <summary>Whether the output waits for the client now.</summary>
    public bool IsWaiting { get { lock (_gate) return _since is not null; } }

    /// <summary>A wait begins.</summary>
    public void Begin()
    {
        lock (_gate) _since = clock.GetTimestamp();
    }

    /// <summary>It has ended.</summary>
    public void End()
    {
        lock (_gate)
        {
            if (_since is { } since) _waited += clock.GetElapsedTime(since);
            _since = null;
        }
    }

    /// <summary>Whether the client has been too slow in the span that ends now, if one does.</summary>
    /// <param name="acknowledged">Bytes that it has acknowledged since the connection began.</param>
    public bool IsTooSlow(long acknowledged)
    {
        lock (_gate)
        {
            if (_since is not { } since) return false;
            var waited = _waited + clock.GetElapsedTime(since);
            if (waited < _span) return false;

            var isTooSlow = acknowledged - _before < bytesPerSecond * waited.TotalSeconds - Segment;
            (_since, _waited, _before) = (clock.GetTimestamp(), TimeSpan.Zero, acknowledged);
            return isTooSlow;
        }
    }
}
