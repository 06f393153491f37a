using System.Security.Cryptography;
using Entrepot.Storage;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Tests.Storage;

public sealed class BlockWriterTests : IDisposable
{
    private const int Block = BlockWriter.BlockBytes;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("entrepot-blocks-");

    private string PathOfFile => Path.Combine(_folder.FullName, "file");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Block - 1)]
    [InlineData(Block)]
    [InlineData(Block + 1)]
    [InlineData((7 * Block) + 4096)]
    public async Task Write_AnySizeInAnyPieces_IsThatFileAndThoseHashes(int size)
    {
        var bytes = Bytes(size);
        var written = 0;

        var (all, odd) = await WriteAsync(new FileCalls(), bytes, there: 0, count => Interlocked.Add(ref written, count));

        Assert.Equal(bytes, await File.ReadAllBytesAsync(PathOfFile));
        Assert.Equal(SHA256.HashData(bytes), all);
        Assert.Equal(all, odd);
        Assert.Equal(size, written);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(Block)]
    [InlineData((2 * Block) + 1000)]
    public async Task Write_WhatIsThereAlready_IsHashedAndTheRestWritten(int there)
    {
        var bytes = Bytes(4 * Block);
        await File.WriteAllBytesAsync(PathOfFile, bytes[..there]);
        var written = 0;

        var (all, _) = await WriteAsync(new FileCalls(), bytes, there, count => Interlocked.Add(ref written, count));

        Assert.Equal(bytes, await File.ReadAllBytesAsync(PathOfFile));
        Assert.Equal(SHA256.HashData(bytes), all);
        Assert.Equal((4 - (there / Block)) * Block, written);   // whole blocks
    }

    [Fact]
    public async Task Write_PastThePageCacheRefused_GoesThroughIt()
    {
        var bytes = Bytes((3 * Block) + 5);

        await WriteAsync(new Refusing(first: 0, InvalidArgument), bytes, there: 0, _ => { });

        Assert.Equal(bytes, await File.ReadAllBytesAsync(PathOfFile));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task Write_DiskIsFull_SaysSoAndCountsWhatIsWritten(int first)
    {
        var written = 0;

        var fault = await Assert.ThrowsAsync<IOException>(() => WriteAsync(new Refusing(first, NoSpace), Bytes(9 * Block), there: 0, count => Interlocked.Add(ref written, count)));

        Assert.Equal(NoSpace, fault.HResult);
        Assert.Equal(first * Block, written);
    }

    [Fact]
    public async Task Write_ManyBlocks_LeavesThemOutOfThePageCache()
    {
        await WriteAsync(new FileCalls(), Bytes(8 * Block), there: 0, _ => { });

        using var file = File.OpenHandle(PathOfFile, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        if (!Posix.TryWriteDirectly(file, true) || new DriveInfo(_folder.FullName).DriveFormat is not ("ext4" or "xfs")) return;   // memory is all that some have
        Assert.True(Posix.TryWriteDirectly(file, false));
        Assert.Equal(0, PageCache.Held(file, 0, 1));
    }

    private const int InvalidArgument = 22, NoSpace = 28;

    private async Task<(byte[] All, byte[] Other)> WriteAsync(FileCalls files, byte[] bytes, int there, Action<int> wrote)
    {
        using var handle = File.OpenHandle(PathOfFile, FileMode.OpenOrCreate, FileAccess.ReadWrite);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var other = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await using var blocks = new BlockWriter(files, wrote);
        blocks.Begin(handle);
        var random = new Random(5);
        while (blocks.Position < bytes.Length)
        {
            var at = (int)blocks.Position;
            var isThere = at < there;
            var most = Math.Min(blocks.Room.Length, (isThere ? there : bytes.Length) - at);
            var count = random.Next(4) == 0 ? random.Next(1, most + 1) : most;
            bytes.AsMemory(at, count).CopyTo(blocks.Room);
            await blocks.AddAsync(count, isThere, hash, other);
        }

        await blocks.EndAsync();
        return (hash.GetHashAndReset(), other.GetHashAndReset());
    }

    private static byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }

    // A disk that refuses: once because it wants it otherwise, or from then on because it is full.
    private sealed class Refusing(int first, int error) : FileCalls
    {
        private int _writes;

        public override void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset)
        {
            var number = _writes++;
            if (error == InvalidArgument ? number == first : number >= first) throw new IOException("refused", error);
            base.Write(file, bytes, offset);
        }
    }
}
