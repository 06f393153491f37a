using System.Buffers;
using System.IO.Compression;
using System.IO.Pipelines;
using System.Security.Cryptography;
using Entrepot.Oci;

namespace Entrepot.Server.Cli.Bundles;

/// <summary>Layers that are packed by gzip, of which it is known only what they unpack to.</summary>
internal static class GzipLayer
{
    private const int BufferBytes = 1 << 17;

    /// <summary>Reads a layer once and hashes it both as it is and unpacked; only buffers of it are in memory.</summary>
    /// <param name="source">The layer.</param>
    /// <param name="unpacked">What it is called unpacked.</param>
    /// <param name="cancel">Ends it.</param>
    /// <returns>What it is called as it is, by the same algorithm; <see langword="null"/> if it unpacks to something else, or not at all.</returns>
    /// <exception cref="ArchiveException">The file cannot be read.</exception>
    public static async Task<Digest?> HashAsync(BlobSource source, Digest unpacked, CancellationToken cancel)
    {
        using var packed = unpacked.NewHash();
        var pipe = new Pipe();
        var feeding = FeedAsync(source, packed, pipe.Writer, cancel);
        Digest? found;
        try
        {
            found = await UnpackAsync(pipe.Reader.AsStream(), unpacked, cancel);
        }
        finally
        {
            // It has a use of the hash, and ends in any case: nobody keeps it waiting any more.
            await feeding.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await feeding;
        return found == unpacked ? Digest.FromHash(packed.GetHashAndReset()) : null;
    }

    // To the source's end, also where the reader has ended before: what follows belongs to the layer as it is.
    private static async Task FeedAsync(BlobSource source, IncrementalHash hash, PipeWriter to, CancellationToken cancel)
    {
        try
        {
            await foreach (var piece in source.ReadAsync(cancel))
            {
                hash.AppendData(piece.Span);
                await to.WriteAsync(piece, cancel);
            }

            await to.CompleteAsync();
        }
        catch (Exception fault)
        {
            await to.CompleteAsync(fault);
            throw;
        }
    }

    private static async Task<Digest?> UnpackAsync(Stream packed, Digest like, CancellationToken cancel)
    {
        using var hash = like.NewHash();
        await using var gzip = new GZipStream(packed, CompressionMode.Decompress);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            for (int count; (count = await gzip.ReadAsync(buffer, cancel)) > 0;) hash.AppendData(buffer, 0, count);
            return Digest.FromHash(hash.GetHashAndReset());
        }
        catch (InvalidDataException)
        {
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
