using System.Net;

namespace Entrepot.Server.Cli;

/// <summary>What a request sends: pieces, of which it is known how many bytes they are together.</summary>
/// <remarks>Sent once, by the one request that has it; the request disposes it.</remarks>
/// <param name="pieces">The bytes, read as they are sent; each piece is of use until the next is read.</param>
/// <param name="size">How many there are.</param>
/// <param name="sent">Told of bytes that are sent; must return at once.</param>
internal sealed class UploadContent(IAsyncEnumerable<ReadOnlyMemory<byte>> pieces, long size, Action<int> sent) : HttpContent
{
    /// <summary>Called whenever some of it has gone: the other side still takes it.</summary>
    public Action Progressed { get; set; } = () => { };

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        await foreach (var piece in pieces.WithCancellation(cancellationToken))
        {
            await stream.WriteAsync(piece, cancellationToken);
            sent(piece.Length);
            Progressed();
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = size;
        return true;
    }
}
