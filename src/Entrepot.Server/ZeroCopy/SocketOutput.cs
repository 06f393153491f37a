using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Entrepot.Storage;
using Microsoft.AspNetCore.Connections;

namespace Entrepot.Server.ZeroCopy;

/// <summary>The output of one connection: a pipe writer that sends to the socket itself, and knows one thing more, a range of a file (sendfile).</summary>
/// <remarks>
/// <para>The server writes heads and small bodies as to any pipe. For a range of a file a body says <see cref="Take"/>; the next bytes that are advanced are that
/// range, so that the server counts them against Content-Length and waits for them, and nobody touches them. Then they are flushed.</para>
/// <para>Concurrency. Everything but <see cref="Beat"/> is called by one at a time: the server holds its own lock around GetMemory, Advance and FlushAsync, lets no flush
/// begin before the last one has completed, and keeps what is written meanwhile to itself; and a body waits for each flush. A flush goes on by itself, without that
/// lock, when the socket is full. It is the only one then who touches the state: nothing is written before it completes, and that is what hands the state back.
/// <see cref="Beat"/> reads what is volatile or guarded. An abort closes the socket beside all this: calls hold the handle (see <see cref="SocketCalls"/>), and a flush that
/// waits is ended by it.</para>
/// <para>A flush never throws: the server would swallow that and go on with the connection, in whose stream bytes are missing then. Whatever goes wrong, be it
/// the file or the client, the connection is aborted, the rest is dropped, and this flush and all later ones say that they are completed.</para>
/// </remarks>
internal sealed class SocketOutput : PipeWriter
{
    /// <summary>Most bytes of a file in one flush: the server holds a lock of the connection for the time that the system takes for them, a few hundred microseconds.</summary>
    /// <remarks>What a flush costs beside its bytes, at 512 KiB a fifth of all, is spread over so many.</remarks>
    public const int MostFileBytes = 2 << 20;

    // Where the socket is full, so many bytes are sent in the ordinary way, which waits until it takes more.
    private const int WaitingBytes = 4 << 10;

    private const int CopiedBytes = 64 << 10;

    // So long what was found in memory is taken to be there still.
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(100);

    private const int LeastBuffer = 16 << 10;   // a head and a small body in one piece

    private readonly ConnectionContext _connection;
    private readonly Socket _socket;
    private readonly SafeSocketHandle _handle;
    private readonly SocketCalls _calls;
    private readonly ReadingPace _pace;
    private readonly ZeroCopyCounts _counts;
    private readonly TimeProvider _clock;
    private byte[] _buffer = [];
    private int _start;               // of the bytes in the buffer that are to be sent, ahead of the file
    private int _end;
    private FileBlob? _file;          // what comes next, or what is to be sent after the buffer
    private long _offset;
    private long _foundAt;            // when it was found in memory
    private int _taken;               // bytes of it that were announced and not advanced yet
    private int _fileBytes;           // bytes of it that are to be sent
    private bool _hasMore;            // whether another range comes at once
    private bool _isCorked;
    private long _written;            // all that the socket has taken; read by Beat
    private volatile bool _isBroken;
    private volatile bool _isTooSlow;

    public SocketOutput(ConnectionContext connection, Socket socket, SocketCalls calls, ReadingPace pace, ZeroCopyCounts counts, TimeProvider clock)
    {
        (_connection, _socket, _calls, _pace, _counts, _clock) = (connection, socket, calls, pace, counts, clock);
        socket.Blocking = false;   // sendfile has no flag for that
        _handle = socket.SafeHandle;
    }

    /// <summary>Whether ranges of files can be sent. Once the system has refused one, they are copied.</summary>
    public bool SendsFiles { get; private set; } = true;

    /// <summary>Bytes of the last range that the socket has taken; less than all of them if the flush has failed.</summary>
    public int FileBytesSent { get; private set; }

    /// <summary>Why the connection was aborted, if that was the file's fault.</summary>
    public IOException? Fault { get; private set; }

    /// <summary>Whether the connection was aborted because the client reads too slowly.</summary>
    public bool IsTooSlow => _isTooSlow;

    /// <inheritdoc/>
    public override bool CanGetUnflushedBytes => true;

    /// <inheritdoc/>
    public override long UnflushedBytes => _end - _start + _fileBytes;

    /// <summary>The next bytes that are advanced are these of a file; they are flushed before anything else is written.</summary>
    /// <param name="file">The file; stays open until the flush has completed.</param>
    /// <param name="offset">The first byte.</param>
    /// <param name="count">Bytes; at most <see cref="MostFileBytes"/>, and just found in memory, or the flush waits for the disk.</param>
    /// <param name="hasMore">Whether what comes behind it is at hand, too: the end of the range may wait for that.</param>
    public void Take(FileBlob file, long offset, int count, bool hasMore)
    {
        Debug.Assert(_fileBytes == 0 && count is > 0 and <= MostFileBytes);
        (_file, _offset, _taken, _foundAt, FileBytesSent, _hasMore) = (file, offset, count, _clock.GetTimestamp(), 0, hasMore);
        if (hasMore) Cork(true);
    }

    /// <inheritdoc/>
    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        var needed = Math.Max(sizeHint, 1);
        if (_taken > 0) return Memory<byte>.Empty;   // nobody writes there
        if (_buffer.Length - _end < needed) Grow(needed);
        return _buffer.AsMemory(_end);
    }

    /// <inheritdoc/>
    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    /// <inheritdoc/>
    public override void Advance(int bytes)
    {
        if (_taken == 0)
        {
            Debug.Assert(_fileBytes == 0 && bytes <= _buffer.Length - _end);
            _end += bytes;
            return;
        }

        Debug.Assert(bytes == _taken, "a range is advanced as a whole");
        (_fileBytes, _taken) = (bytes, 0);
    }

    /// <inheritdoc/>
    /// <param name="cancellationToken">Ends the wait for the client, and with it the connection: bytes are missing then.</param>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (TrySend()) return new(Flushed());
        return FlushSlowlyAsync(cancellationToken);
    }

    /// <summary>Does nothing: a flush ends when its bytes are taken, or with the connection.</summary>
    public override void CancelPendingFlush()
    {
    }

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null) => _isBroken = true;   // what is not flushed by now never will be

    /// <summary>Ends what is sent where it is, before an abort. The runtime resets a connection that is closed while another thread is in a call on its socket; a client that has
    /// the end before that reads all that came until then, and the end.</summary>
    public void End() => _calls.End(_handle);

    /// <summary>Once a second: aborts a connection whose client reads too slowly.</summary>
    public void Beat()
    {
        if (!_pace.IsWaiting || !_pace.IsTooSlow(Volatile.Read(ref _written) - _calls.Unacknowledged(_handle))) return;
        _isTooSlow = true;
        _connection.Abort(new ConnectionAbortedException("the client reads less than limits.minRate"));
    }

    // Returns whether there is nothing left to send: all is sent, or nothing can be any more.
    private bool TrySend()
    {
        while (!_isBroken && _start < _end)
        {
            var sent = _calls.Send(_handle, _buffer.AsSpan(_start, _end - _start), more: _fileBytes > 0);
            if (sent == SocketCalls.Interrupted) continue;
            if (sent == SocketCalls.WouldBlock) return false;
            if (sent < 0) Break(null);
            else BufferSent(sent);
        }

        while (!_isBroken && _fileBytes > 0)
        {
            if (!SendsFiles) return false;
            var sent = _calls.SendFile(_handle, _file!.Handle, _offset, _fileBytes);
            if (sent == SocketCalls.Interrupted) continue;
            if (sent is SocketCalls.WouldBlock) return false;
            if (SocketCalls.IsRefusal(sent)) SendsFiles = false;
            else if (sent == 0) Break(Short());
            else if (sent < 0) Break(SocketCalls.IsEndOfSocket(sent) ? null : new IOException($"the file could not be sent at {_offset} bytes: error {-sent}"));
            else FileSent(sent, isCopied: false);
        }

        return true;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<FlushResult> FlushSlowlyAsync(CancellationToken cancel)
    {
        _pace.Begin();
        try
        {
            do
            {
                // It goes on where the socket's event was taken, where nothing may block (invariant 9): sending what is in memory does not.
                await SendSomeAsync(cancel);
                await FindAgainAsync(cancel);
            }
            while (!TrySend());
        }
        catch (IOException fault)
        {
            Break(fault);
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            Break(null);
        }
        finally
        {
            _pace.End();
        }

        return Flushed();
    }

    // What is to be sent was in memory when the flush began; a client that reads slowly has been waited for since.
    private async ValueTask FindAgainAsync(CancellationToken cancel)
    {
        if (_fileBytes == 0 || _clock.GetElapsedTime(_foundAt) < Moment) return;
        for (var found = 0; found < _fileBytes;) found += await _file!.ReadyAsync(_offset + found, _fileBytes - found, cancel);
        _foundAt = _clock.GetTimestamp();
    }

    // Waits until the socket takes something.
    private async ValueTask SendSomeAsync(CancellationToken cancel)
    {
        if (_start < _end)
        {
            BufferSent(await _socket.SendAsync(_buffer.AsMemory(_start, _end - _start), cancel));
            return;
        }

        var buffer = ArrayPool<byte>.Shared.Rent(SendsFiles ? WaitingBytes : CopiedBytes);
        var count = RandomAccess.Read(_file!.Handle, buffer.AsSpan(0, Math.Min(buffer.Length, _fileBytes)), _offset);
        if (count == 0) throw Short();
        FileSent(await _socket.SendAsync(buffer.AsMemory(0, count), cancel), isCopied: true);
        ArrayPool<byte>.Shared.Return(buffer);   // not if that failed: it may be in use still
    }

    private void BufferSent(int count)
    {
        _start += count;
        Volatile.Write(ref _written, _written + count);
    }

    private void FileSent(int count, bool isCopied)
    {
        _offset += count;
        _fileBytes -= count;
        FileBytesSent += count;
        Volatile.Write(ref _written, _written + count);
        _counts.Add(count, isCopied);
    }

    private FlushResult Flushed()
    {
        if (!_hasMore) Cork(false);
        if (_buffer.Length > 0 && !_isBroken) ArrayPool<byte>.Shared.Return(_buffer);
        (_buffer, _start, _end, _file, _fileBytes, _hasMore) = ([], 0, 0, null, 0, false);
        return new FlushResult(isCanceled: false, isCompleted: _isBroken);
    }

    // Between ranges and while the socket is full, the system would send what it has in small segments, as it was told to wait for nothing.
    private void Cork(bool isOn)
    {
        if (_isCorked == isOn) return;
        _calls.Cork(_handle, isOn);
        _isCorked = isOn;
    }

    // What is missing in the stream now can never be made good.
    private void Break(IOException? fault)
    {
        Fault ??= fault;
        _isBroken = true;
        End();
        _connection.Abort(new ConnectionAbortedException(fault?.Message ?? "the client has gone"));
    }

    private IOException Short() => new($"the file ends at {_offset} bytes, where more was to be sent");

    private void Grow(int needed)
    {
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(LeastBuffer, _end - _start + needed));
        _buffer.AsSpan(_start, _end - _start).CopyTo(larger);
        if (_buffer.Length > 0) ArrayPool<byte>.Shared.Return(_buffer);
        (_buffer, _start, _end) = (larger, 0, _end - _start);
    }
}
