using System.IO.Compression;

namespace Entrepot.Upstream;

/// <summary>A body that came gzipped although identity was asked for, as what it means. Disposes the body.</summary>
internal sealed class GunzipStream(Stream body, string upstream) : ForwardStream
{
    private readonly GZipStream _decoder = new(body, CompressionMode.Decompress);

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return await _decoder.ReadAsync(buffer, cancellationToken);
        }
        catch (InvalidDataException e)
        {
            throw new IOException($"{upstream} sent a body that is not the gzip it was announced as", e);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _decoder.Dispose();
        base.Dispose(disposing);
    }
}
