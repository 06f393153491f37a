using Entrepot.Pull;

namespace Entrepot.Upstream;

/// <summary>A body brought nothing, or next to nothing, for too long.</summary>
internal sealed class StalledException(string message) : IOException(message);

/// <summary>An answer's body on its way from the wire. Read by one reader at a time; disposal gives its connection back.</summary>
/// <remarks>
/// Every failure is an <see cref="IOException"/>: a broken connection, an end before the announced length, and silence longer than the
/// bound, for which less than 1 KiB in as much waiting counts, too: what drips does not arrive in anybody's lifetime. Time that the reader takes is not waiting. Only the reader's own token makes it an <see cref="OperationCanceledException"/>.
/// </remarks>
internal sealed class BodyStream : ForwardStream
{
    // A slower body than the slowest that is any use: 70 bytes a second at the default of 15 s.
    private const int LeastBytes = 1 << 10;

    private readonly Stream _source;
    private readonly Action<bool> _close;
    private readonly string _upstream;
    private readonly TimeSpan _stall;
    private readonly UpstreamCounters _counters;
    private readonly TimeProvider _clock;
    private readonly CancellationTokenSource _stalled = new();   // never disposed: the timer may fire beside disposal
    private readonly ITimer _timer;
    private CancellationTokenSource? _link;     // of the stall and the token that reads were last made with
    private CancellationToken _linked;
    private long? _left;
    private bool _isWhole;
    private bool _hasBegun;
    private (TimeSpan Time, int Bytes) _waited;   // since the last look at how fast they come

    /// <param name="source">The raw body.</param>
    /// <param name="close">What is done at disposal, told whether the body was read to its end.</param>
    /// <param name="left">Bytes that were announced; <see langword="null"/> if none were.</param>
    /// <param name="upstream">The upstream's name, for messages.</param>
    /// <param name="stall">Longest silence.</param>
    /// <param name="counters">Where received bytes are counted.</param>
    /// <param name="clock">What the silence is measured with.</param>
    public BodyStream(
        Stream source, Action<bool> close, long? left, string upstream, TimeSpan stall, UpstreamCounters counters, TimeProvider clock)
    {
        (_source, _close, _left, _upstream, _stall, _counters, _clock) = (source, close, left, upstream, stall, counters, clock);
        _timer = clock.CreateTimer(_ => _stalled.Cancel(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>What reading is bounded by; <see langword="null"/> for nothing.</summary>
    public Bandwidth? Bandwidth { get; init; }

    /// <summary>Whether somebody waits for the bytes.</summary>
    public Demand Demand { get; init; } = Demand.Always;

    /// <summary>Told whether it begins to come; <see langword="null"/> for nobody.</summary>
    public BodyWatch? Watch { get; init; }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty) return 0;

        var count = await ReadShareAsync(buffer, cancellationToken);
        if (count == 0 && _left > 0) throw new IOException($"{_upstream} ended the body {_left} bytes before its announced length");

        if (!_hasBegun) Watch?.Came();
        _hasBegun = true;
        _counters.Received(count);
        _left -= count;
        _isWhole = count == 0 || _left == 0;
        return count;
    }

    private async ValueTask<int> ReadShareAsync(Memory<byte> buffer, CancellationToken cancel)
    {
        if (Bandwidth is null) return await ReadSourceAsync(buffer, cancel);

        var share = await Bandwidth.TakeAsync(buffer.Length, Demand, cancel);
        var count = 0;
        try
        {
            return count = await ReadSourceAsync(buffer[..share], cancel);
        }
        finally
        {
            Bandwidth.Return(share - count);
        }
    }

    private async ValueTask<int> ReadSourceAsync(Memory<byte> buffer, CancellationToken cancel)
    {
        try
        {
            var reading = _source.ReadAsync(buffer, LinkedTo(cancel));
            if (reading.IsCompleted)
            {
                var ready = await reading;
                Look(TimeSpan.Zero, ready);
                return ready;
            }

            var began = _clock.GetTimestamp();
            _timer.Change(_stall, Timeout.InfiniteTimeSpan);
            var count = await reading;
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            Look(_clock.GetElapsedTime(began), count);
            return count;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancel);
        }
        catch (Exception) when (_stalled.IsCancellationRequested)
        {
            var what = $"{_upstream} sent nothing for {_stall.TotalSeconds:0.###} s";
            if (!_hasBegun) Watch?.IsSilent(what);
            throw new StalledException(what);
        }
        catch (Exception e) when (e is not IOException)
        {
            throw new IOException($"the connection to {_upstream} broke", e);
        }
    }

    private void Look(TimeSpan waited, int count)
    {
        _waited = (_waited.Time + waited, (int)Math.Min(LeastBytes, (long)_waited.Bytes + count));
        if (_waited.Time < _stall) return;
        if (_waited.Bytes < LeastBytes && count > 0 && _left != count)
            throw new StalledException($"{_upstream} sent no more than {_waited.Bytes} bytes in {_stall.TotalSeconds:0.###} s");
        _waited = default;
    }

    private CancellationToken LinkedTo(CancellationToken cancel)
    {
        if (_link is null || _linked != cancel)
        {
            _link?.Dispose();
            _link = CancellationTokenSource.CreateLinkedTokenSource(cancel, _stalled.Token);
            _linked = cancel;
        }
        return _link.Token;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _timer.Dispose();
            _close(_isWhole);
            _source.Dispose();
            _link?.Dispose();
        }
        base.Dispose(disposing);
    }
}
