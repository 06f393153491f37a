using System.IO.Compression;
using Entrepot.Oci;
using Entrepot.Server.Cli.Bundles;

namespace Entrepot.Tests.Bundles;

public sealed class GzipLayerTests
{
    private static readonly byte[] Content = Bytes(3 << 20);

    [Fact]
    public async Task HashAsync_WhatItShouldBe_IsCalledByAllItsBytes()
    {
        var packed = Packed(Content);
        byte[] inTwo = [.. Packed(Content[..1000]), .. Packed(Content[1000..])];
        byte[] padded = [.. packed, .. new byte[2 << 20]];

        Assert.Equal(Digest.Of(packed), await HashAsync(packed));
        Assert.Equal(Digest.Of(inTwo), await HashAsync(inTwo));
        Assert.Equal(Digest.Of(padded), await HashAsync(padded));
    }

    [Fact]
    public async Task HashAsync_SomethingElse_IsNone()
    {
        var packed = Packed(Content);

        Assert.Null(await HashAsync(packed[..^1000]));
        Assert.Null(await HashAsync(Packed(Content[1..])));
        Assert.Null(await HashAsync(Content));
        Assert.Null(await HashAsync([]));
    }

    [Fact]
    public async Task HashAsync_FileThatIsGone_IsTold()
    {
        var source = new BlobSource(new Slice("/nonexistent.tar", 0, 100));

        var fault = await Assert.ThrowsAsync<ArchiveException>(() => GzipLayer.HashAsync(source, Digest.Of(Content), default));

        Assert.StartsWith("'/nonexistent.tar' cannot be read: ", fault.Message, StringComparison.Ordinal);
    }

    private static Task<Digest?> HashAsync(byte[] layer) => GzipLayer.HashAsync(new BlobSource(layer), Digest.Of(Content), default);

    private static byte[] Packed(byte[] layer)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionMode.Compress, leaveOpen: true)) gzip.Write(layer);
        return packed.ToArray();
    }

    private static byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        new Random(570).NextBytes(bytes);
        return bytes;
    }
}
