using System.Security.Cryptography;
using Entrepot.Storage;

namespace Entrepot.Tests.Storage;

public sealed class PageCacheTests : IDisposable
{
    private const int Size = 1_000_000;

    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    // In pieces: what is written at once leaves the memory at once.
    public PageCacheTests()
    {
        using var file = new FileStream(_path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        foreach (var piece in RandomNumberGenerator.GetBytes(Size).Chunk(16 << 10)) file.Write(piece);
    }

    public void Dispose() => File.Delete(_path);

    [Theory]
    [InlineData(0, Size)]
    [InlineData(5, 1)]
    [InlineData(300_000, 500_001)]
    [InlineData(Size - 1, 1)]
    public void Held_JustWritten_IsAllOfIt(long offset, int count)
    {
        using var file = File.OpenHandle(_path);

        Assert.Equal(count, PageCache.Held(file, offset, count));
    }

    [Fact]
    public void Held_PieceBetweenProbesHasLeft_IsNotAllOfIt()
    {
        using var file = File.OpenHandle(_path, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(file);
        PageCache.Forget(file, 160 << 10, 64 << 10);

        // Not every file system lets go, and Linux before 6.5 does not tell.
        if (PageCache.TryRead(file, new byte[1], 192 << 10) is not null || Environment.OSVersion.Version < new Version(6, 5)) return;
        Assert.InRange(PageCache.Held(file, 0, 512 << 10), 0, (512 << 10) - 1);
    }

    [Fact]
    public async Task ReadyAsync_InMemory_IsAllOfItAtOnce()
    {
        await using var blob = new FileBlob(new SharedFile(File.OpenHandle(_path)), new ColdReads(new FileCalls()), Size);

        var ready = blob.ReadyAsync(0, Size, default);

        Assert.True(ready.IsCompletedSuccessfully);
        Assert.Equal(Size, await ready);
    }

    [Fact]
    public async Task ReadyAsync_FileIsShorter_GoesByWhatIsThere()
    {
        await using var blob = new FileBlob(new SharedFile(File.OpenHandle(_path)), new ColdReads(new FileCalls()), 2 * Size);

        Assert.InRange(await blob.ReadyAsync(Size - 10, Size, default), 1, Size);
    }
}
