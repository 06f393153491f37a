using System.Buffers;
using System.Diagnostics;
using System.Threading.Channels;

namespace Entrepot.Pull;

/// <summary>What a run has read from its upstream and not kept yet: a few large buffers, whose pieces are taken in order.</summary>
/// <remarks>
/// One task reads (<see cref="ReadAsync"/>) and one takes; neither waits for the other for long, and they end in that order. A buffer is filled with all that is at
/// hand before it is handed on, since each hand-over wakes somebody, and what is kept in large pieces costs less. Before the reader waits for its upstream it hands on
/// what there is. The pieces of a buffer are taken one after the other, so that whoever has taken the last one returns it.
/// </remarks>
/// <param name="run">Whose bytes they are.</param>
/// <param name="next">How many bytes are wanted next, of so many; may be asked at any time.</param>
internal sealed class Intake(Run run, Func<int, int> next) : IDisposable
{
    /// <summary>Bytes of a buffer, and most of a piece. Both copies and the hash find it in the processors' caches still.</summary>
    public const int BufferBytes = 256 << 10;

    private const int LeastBytes = 4 << 10;

    private readonly Channel<Piece> _pieces = Channel.CreateUnbounded<Piece>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private readonly SemaphoreSlim _free = new(8);   // buffers that may be rented

    /// <summary>Whether there is a piece that <see cref="TryTake"/> would give at once.</summary>
    public bool HasMore => _pieces.Reader.TryPeek(out _);

    /// <summary>Reads a body to its end, or until <paramref name="cancel"/>.</summary>
    /// <returns>Why it ended early; <see langword="null"/> if it did not.</returns>
    public async Task<Exception?> ReadAsync(Stream content, CancellationToken cancel)
    {
        var (piece, fault) = (default(Piece), default(Exception));
        try
        {
            while (true)
            {
                if (piece.Buffer is null)
                {
                    var free = _free.WaitAsync(cancel);
                    if (!free.IsCompleted) run.IsHeldUp = true;
                    await free;
                    piece = new Piece(ArrayPool<byte>.Shared.Rent(Math.Max(LeastBytes, next(BufferBytes))), 0, 0, IsLast: false);
                }

                var reading = content.ReadAsync(piece.Room, cancel);
                if (!reading.IsCompleted && piece.Count > 0)
                {
                    _pieces.Writer.TryWrite(piece);
                    piece = piece with { From = piece.To, Count = 0 };
                }

                var count = await reading;
                if (count == 0) break;
                piece = piece with { Count = piece.Count + count };
                if (!piece.Room.IsEmpty) continue;
                _pieces.Writer.TryWrite(piece with { IsLast = true });
                piece = default;
            }
        }
        catch (Exception e)   // Whatever it is, the other end has to be told: it would wait for ever.
        {
            fault = e;
        }

        if (piece.Buffer is not null) _pieces.Writer.TryWrite(piece with { IsLast = true });
        _pieces.Writer.Complete();
        return fault;
    }

    /// <summary>Waits for a piece.</summary>
    /// <returns><see langword="false"/> if there will be none.</returns>
    public ValueTask<bool> WaitAsync() => _pieces.Reader.WaitToReadAsync();

    /// <summary>Takes the next piece, with what follows it in its buffer; its taker returns it.</summary>
    public bool TryTake(out Piece piece)
    {
        if (!_pieces.Reader.TryRead(out piece)) return false;
        while (!piece.IsLast && _pieces.Reader.TryRead(out var more))
        {
            Debug.Assert(more.Buffer == piece.Buffer && more.From == piece.To);
            piece = piece with { Count = piece.Count + more.Count, IsLast = more.IsLast };
        }

        return true;
    }

    /// <summary>Nobody uses a piece that was taken any longer.</summary>
    public void Return(Piece piece)
    {
        if (!piece.IsLast) return;
        ArrayPool<byte>.Shared.Return(piece.Buffer);
        _free.Release();
    }

    /// <summary>Gives back all buffers. Nobody reads or takes any longer.</summary>
    public void Dispose()
    {
        while (TryTake(out var piece)) Return(piece);
        _free.Dispose();
    }

    /// <summary>Bytes of a buffer that follow those of the piece before.</summary>
    /// <param name="Buffer">The buffer.</param>
    /// <param name="From">The first byte in it.</param>
    /// <param name="Count">Bytes; a last piece may have none.</param>
    /// <param name="IsLast">Whether no other piece of the buffer follows.</param>
    internal readonly record struct Piece(byte[] Buffer, int From, int Count, bool IsLast)
    {
        public int To => From + Count;

        public ReadOnlyMemory<byte> Bytes => Buffer.AsMemory(From, Count);

        /// <summary>What of the buffer lies behind it.</summary>
        public Memory<byte> Room => Buffer.AsMemory(To, Math.Min(Buffer.Length, BufferBytes) - To);
    }
}
