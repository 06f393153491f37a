using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Storage;
using Entrepot.Tests.Kit;
using Microsoft.Extensions.Time.Testing;
using Microsoft.Win32.SafeHandles;

namespace Entrepot.Tests.Storage;

/// <summary>Blobs that are written in any order, rest, and are gone on with, and what is counted of them.</summary>
public sealed class DiskPartialTests : IDisposable
{
    private const int Size = 1_000_003;
    private const int Half = 500_001;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("entrepot-partial-");
    private readonly byte[] _content = Waiting.Bytes(Size);
    private StoreRoot _root;
    private DiskSpace _space = null!;   // set by Open
    private DiskBlobStore _store = null!;

    public DiskPartialTests()
    {
        _root = StoreRoot.Open(_directory.FullName);
        Open();
    }

    private Digest Digest => Digest.Of(_content);

    private string File => Path.Combine(_directory.FullName, "partial", Digest.Hex);

    public void Dispose()
    {
        _root.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Write_OutOfOrder_IsVerifiedAndStored()
    {
        await using (var partial = await _store.CreateAsync(Digest, FillMode.Complete, default))
        {
            foreach (var (from, to) in new[] { (700_000, Size), (100, 5_000), (0, 100), (5_000, 700_000) })
                await partial.WriteAsync(_content.AsMemory(from..to), from, default);
            Assert.True(await partial.VerifyAsync(default));
            await partial.CommitAsync(default);
        }

        await AssertStoredAsync();
    }

    [Fact]
    public async Task Verify_WithAGap_IsFalse()
    {
        await using var partial = await _store.CreateAsync(Digest, FillMode.Complete, default);
        await partial.WriteAsync(_content.AsMemory(0, 100), 0, default);
        await partial.WriteAsync(_content.AsMemory(200), 200, default);

        Assert.False(await partial.VerifyAsync(default));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Rest_GoneOnWith_HasWhatWasThereAndIsStored(bool restarts)
    {
        await RestAsync(0, Half);
        Assert.Equal((0, Quota.OnDisk(Half), 0), (_space.Usage.Blobs, _space.Usage.Used, _space.Usage.Reserved));
        if (restarts) Restart();

        await using (var partial = await _store.CreateAsync(Digest, FillMode.Complete, default))
        {
            Assert.Equal((Size, "\"v\""), (partial.Left!.Size, partial.Left.Validator));
            Assert.Equal([new ByteSpan(0, Half)], partial.Left.Written.Spans);
            Assert.Equal((0, Quota.OnDisk(Half)), (_space.Usage.Used, _space.Usage.Reserved));
            await partial.WriteAsync(_content.AsMemory(Half), Half, default);
            Assert.True(await partial.VerifyAsync(default));
            await partial.CommitAsync(default);
        }

        await AssertStoredAsync();
    }

    [Fact]
    public async Task Rest_GoneOnWithAndGivenUp_LeavesNothing()
    {
        await RestAsync(0, Half);

        await using (await _store.CreateAsync(Digest, FillMode.Complete, default)) { }

        Assert.Equal((0, 0), (_space.Usage.Used, _space.Usage.Reserved));
        Assert.Empty(Directory.EnumerateFiles(Path.GetDirectoryName(File)!));
    }

    [Fact]
    public async Task Rest_WhileAnotherWrites_DoesNotDisturbThatOne()
    {
        await using var first = await _store.CreateAsync(Digest, FillMode.Complete, default);
        await using (var second = await _store.CreateAsync(Digest, FillMode.Complete, default))
        {
            second.Describe(Size, null);
            await second.WriteAsync(_content.AsMemory(0, 100), 0, default);
            await second.RestAsync(default);   // it has no place to rest in
        }

        await first.WriteAsync(_content, 0, default);
        Assert.True(await first.VerifyAsync(default));
        await first.CommitAsync(default);
        await AssertStoredAsync();
    }

    [Fact]
    public async Task Rest_Again_CountsEachByteOnceAndEachPieceStays()
    {
        for (var from = 0; from < Size; from += 100_000) await RestAsync(from, Math.Min(Size, from + 100_000));

        Assert.Equal((0, Quota.OnDisk(Size), 0), (_space.Usage.Blobs, _space.Usage.Used, _space.Usage.Reserved));
        await using (var partial = await _store.CreateAsync(Digest, FillMode.Complete, default))
        {
            Assert.True(await partial.VerifyAsync(default));
            await partial.CommitAsync(default);
        }

        await AssertStoredAsync();
    }

    [Fact]
    public async Task Rest_RoomIsNeeded_IsEvictedWithItsRecord()
    {
        await RestAsync(0, Half);

        await _space.SetLimit(_space.Usage.Overhead, default);

        Assert.Empty(Directory.EnumerateFiles(Path.GetDirectoryName(File)!));
        Assert.Equal((0, 0), (_space.Usage.Used, _space.Usage.Reserved));
        Assert.Equal(1, _space.Evictions.Blobs(EvictionReason.Quota));
    }

    [Fact]
    public async Task RemoveExpired_OnlyWhatWasToBeWhole_IsRemoved()
    {
        await RestAsync(0, Half, FillMode.Touched);
        _store.RemoveExpired(DateTimeOffset.MaxValue);
        Assert.Equal(Quota.OnDisk(Half), _space.Usage.Used);
        await RestAsync(Half, Half + 10);

        _store.RemoveExpired(DateTimeOffset.MaxValue);

        Assert.Equal((0, 1), (_space.Usage.Used, _space.Evictions.Blobs(EvictionReason.Expired)));
        Assert.Empty(Directory.EnumerateFiles(Path.GetDirectoryName(File)!));
    }

    [Theory]
    [InlineData(FillMode.Complete)]
    [InlineData(FillMode.Touched)]
    public async Task Write_ManyAtOnce_AllIsThere(FillMode fill)
    {
        await using (var partial = await _store.CreateAsync(Digest, fill, default))
        {
            Assert.True(await partial.ReserveAsync(Size, default));
            await Task.WhenAll(Enumerable.Range(0, 4).Select(run => Task.Run(async () =>
            {
                var end = run == 3 ? Size : (run + 1) * 250_000;
                for (var at = run * 250_000; at < end; at += 10_000)
                    await partial.WriteAsync(_content.AsMemory(at, Math.Min(10_000, end - at)), at, default);
            }))).Soon();
            Assert.True(await partial.VerifyAsync(default).Soon());
            await partial.CommitAsync(default);
        }

        await AssertStoredAsync();
    }

    [Fact]
    public async Task Write_SizeIsNotAnnounced_GetsAQuarterOfTheLimitTogetherWithOthers()
    {
        await _space.SetLimit(8 * Half, default);
        var before = _space.Usage.Reserved;
        var other = await _store.CreateAsync(Digest.Of([]), FillMode.Complete, default);
        await using (var partial = await _store.CreateAsync(Digest, FillMode.Complete, default))
        {
            await other.WriteAsync(_content.AsMemory(0, 4096), 0, default);
            await partial.WriteAsync(_content.AsMemory(0, Half / 2), 0, default);

            await Assert.ThrowsAsync<UnannouncedException>(() => partial.WriteAsync(_content.AsMemory(Half / 2, Half / 2), Half / 2, default).AsTask());
        }

        await other.DisposeAsync();
        Assert.Equal(before, _space.Usage.Reserved);
    }

    [Fact]
    public async Task Write_SizeIsAnnouncedLater_TakesNoMoreOfWhatIsForOthers()
    {
        await _space.SetLimit(8 * Half, default);
        await using var other = await _store.CreateAsync(Digest.Of([]), FillMode.Complete, default);
        await other.WriteAsync(_content.AsMemory(0, Half), 0, default);
        await using var partial = await _store.CreateAsync(Digest, FillMode.Complete, default);
        await Assert.ThrowsAsync<UnannouncedException>(() => partial.WriteAsync(_content.AsMemory(0, Half), 0, default).AsTask());

        other.Describe(Half, null);

        await partial.WriteAsync(_content.AsMemory(0, Half), 0, default);
    }

    [Fact]
    public async Task Write_IsWrittenDownOnceASecondAtMost()
    {
        const int piece = 9 << 20;
        var (flushes, clock) = (new Flushes(), new FakeTimeProvider());
        Restart(flushes, clock);
        await using var partial = await _store.CreateAsync(Digest, FillMode.Complete, default);
        partial.Describe(8 * piece, null);
        await WriteAsync(0);
        await WriteAsync(1);
        Assert.False(flushes.Next.IsCompleted);

        clock.Advance(TimeSpan.FromSeconds(1));
        await WriteAsync(2);
        await flushes.Next.Soon();
        var next = flushes.Expect();
        await WriteAsync(3);
        Assert.False(next.IsCompleted);

        async Task WriteAsync(int number) => await partial.WriteAsync(new byte[piece], (long)number * piece, default);
    }

    private async Task RestAsync(int from, int to, FillMode fill = FillMode.Complete)
    {
        await using var partial = await _store.CreateAsync(Digest, fill, default);
        partial.Describe(Size, "\"v\"");
        await partial.WriteAsync(_content.AsMemory(from..to), from, default);
        await partial.RestAsync(default);
    }

    private async Task AssertStoredAsync()
    {
        await using var blob = await _store.OpenAsync(Digest, default);
        Assert.Equal(_content, await blob!.ReadAsync());
        Assert.Equal((1, Quota.OnDisk(Size), 0), (_space.Usage.Blobs, _space.Usage.Used, _space.Usage.Reserved));
        Assert.Empty(Directory.EnumerateFiles(Path.GetDirectoryName(File)!));
    }

    private void Restart(FileCalls? files = null, TimeProvider? clock = null)
    {
        _root.Dispose();
        _root = StoreRoot.Open(_directory.FullName, files ?? new FileCalls());
        Open(clock);
    }

    private void Open(TimeProvider? clock = null)
    {
        var index = new MemoryIndex();
        _space = DiskSpaces.Large(_root, index);
        _store = new DiskBlobStore(_root, index, _space, clock ?? TimeProvider.System, _ => { });
    }

    private sealed class Flushes : FileCalls
    {
        private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Next => _next.Task;

        public Task Expect() => (_next = new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

        public override void Flush(SafeFileHandle file)
        {
            base.Flush(file);
            _next.TrySetResult();
        }
    }
}
