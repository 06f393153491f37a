using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Server.ZeroCopy;
using Entrepot.Storage;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Entrepot.Server.Edge;

/// <summary>The body of one response: what of it was really sent, and the way on which bytes of blobs go there.</summary>
/// <remarks>
/// Used by the one task that handles the request; nothing is written before the last write has completed. Content-Length is set before: output of files has no other
/// framing. Bytes of a file that are in memory go from there to the socket; a few of them, and all where that cannot be (see <see cref="ZeroCopyOutput"/>),
/// are read into the server's memory.
/// </remarks>
/// <param name="context">The request.</param>
/// <param name="began">Told once the first bytes are at hand.</param>
internal sealed class BodyOutput(HttpContext context, Action began)
{
    // Copying so few costs less than having them sent.
    private const int FewBytes = 32 << 10;

    // The server's own output holds a client back at 64 KiB; reads of less cost more calls for the same bytes.
    private const int CopiedBytes = 128 << 10;

    private SocketOutput? _files;
    private int _unsent;     // bytes that wait for others
    private bool _isKnown;   // whether there is such an output

    /// <summary>Bytes of the body that the connection has taken: all that the client got, if it stayed to the end.</summary>
    public long Sent { get; private set; }

    /// <summary>Whether the connection takes no more, which is the client's doing.</summary>
    public bool TakesNoMore { get; private set; }

    /// <summary>Whether the response was ended by a fault on this side, after its headers.</summary>
    public bool HasFault { get; private set; }

    /// <summary>Whether the client was given up, because it reads too slowly.</summary>
    public bool IsTooSlow => _files?.IsTooSlow == true;

    private PipeWriter Writer => context.Response.BodyWriter;

    // Chosen once for each connection.
    private SocketOutput? Files
    {
        get
        {
            if (_isKnown) return _files;
            _isKnown = true;
            if (!HttpProtocol.IsHttp11(context.Request.Protocol) || context.Features.Get<SocketOutput>() is not { SendsFiles: true } output) return null;

            // That measure is of the server's own output, and takes one who reads what the socket holds for one who does not read.
            if (context.Features.Get<IHttpMinResponseDataRateFeature>() is { } measure) measure.MinDataRate = null;
            return _files = output;
        }
    }

    /// <summary>Sends what has been written, and the headers.</summary>
    public async ValueTask FlushAsync(CancellationToken cancel) => GoOn(await OnPoolAsync(Writer.FlushAsync(cancel)));

    /// <summary>Writes a few bytes, which go with those that follow.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        Writer.Write(bytes);
        _unsent += bytes.Length;
    }

    /// <summary>Writes bytes that are at hand, in pieces, so that of a client that leaves it is known how much it got.</summary>
    /// <remarks>That it has left ends a flush without being asked for, and asking costs each request a source of cancellation.</remarks>
    public async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        for (var done = 0; done < bytes.Length;)
        {
            var piece = bytes.Slice(done, Math.Min(CopiedBytes, bytes.Length - done));
            GoOn(await OnPoolAsync(Writer.WriteAsync(piece, CancellationToken.None)));
            done += piece.Length;
            Sent += piece.Length;
        }
    }

    /// <summary>Writes bytes of a blob, following them as they arrive.</summary>
    /// <exception cref="IOException">They cannot be had. After the headers the response must not end cleanly.</exception>
    /// <exception cref="OperationCanceledException">The client has gone.</exception>
    public async Task WriteAsync(Blob blob, ByteSpan span, CancellationToken cancel)
    {
        for (var position = span.From; position < span.To;)
        {
            var count = (int)Math.Min(SocketOutput.MostFileBytes, span.To - position);
            if (count > FewBytes && Files is { SendsFiles: true } files)
            {
                var (at, end) = await blob.ArrivedAsync(position, cancel);
                count = (int)Math.Min(count, end - position);
                if (count > FewBytes && at is FileBlob file)
                {
                    position += await SendAsync(files, file, position, count, Math.Min(end, span.To), cancel);
                    continue;
                }
            }

            position += await CopyAsync(blob, position, (int)Math.Min(Files is null ? CopiedBytes : FewBytes, span.To - position), cancel);
        }
    }

    private async ValueTask<int> SendAsync(SocketOutput files, FileBlob file, long position, int most, long end, CancellationToken cancel)
    {
        var count = await file.ReadyAsync(position, most, cancel);
        began();

        // What is written before the head would be copied behind it.
        if (!context.Response.HasStarted) await context.Response.StartAsync(cancel);
        files.Take(file, position, count, hasMore: position + count < end);
        _ = Writer.GetMemory();
        Writer.Advance(count);
        var flushed = default(FlushResult);
        try
        {
            flushed = await OnPoolAsync(Writer.FlushAsync(cancel));
        }
        catch (OperationCanceledException) when (files.Fault is not null)
        {
            // The connection was aborted for the file's sake, and the request with it.
        }
        finally
        {
            Sent += files.FileBytesSent;
        }

        if (files.Fault is not { } fault)
        {
            GoOn(flushed);
            return count;
        }

        HasFault = true;
        throw new IOException(fault.Message, fault);
    }

    private async ValueTask<int> CopyAsync(Blob blob, long position, int most, CancellationToken cancel)
    {
        var count = await blob.ReadAsync(Writer.GetMemory(most)[..most], position, cancel);
        if (count == 0) throw new IOException($"the blob ends at {position} of {blob.Size} bytes");
        began();
        Writer.Advance(count);
        GoOn(await OnPoolAsync(Writer.FlushAsync(cancel)));
        Sent += count;
        return count;
    }

    // A flush that had to wait ends where the socket's event was taken, and what follows reads, closes or follows files (invariant 9).
    private static ValueTask<FlushResult> OnPoolAsync(ValueTask<FlushResult> flushing) => flushing.IsCompleted ? flushing : HopAsync(flushing);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private static async ValueTask<FlushResult> HopAsync(ValueTask<FlushResult> flushing)
    {
        try
        {
            return await flushing;
        }
        finally
        {
            if (!Thread.CurrentThread.IsThreadPoolThread) await Task.Yield();
        }
    }

    private void GoOn(FlushResult flushed)
    {
        TakesNoMore = flushed.IsCompleted;
        if (TakesNoMore) throw new OperationCanceledException("the client has gone");
        (Sent, _unsent) = (Sent + _unsent, 0);
    }
}
