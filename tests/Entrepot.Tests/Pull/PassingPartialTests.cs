using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

public sealed class PassingPartialTests : IDisposable
{
    private const int Window = PassingPartial.WindowBytes;

    private readonly byte[] _content = Waiting.Bytes(2 * Window);
    private readonly PassingPartial _passing;

    public PassingPartialTests() => _passing = new PassingPartial(Digest.Of(_content), _content.Length);

    public void Dispose() => _passing.DisposeAsync().AsTask().GetAwaiter().GetResult();

    [Fact]
    public async Task Write_HalfTheWindowAhead_WaitsForTheFastestReader()
    {
        var fast = _passing.OpenReader(_content.Length);
        var slow = _passing.OpenReader(_content.Length);
        var written = _passing.WriteAsync(_content.AsMemory(0, Window / 2 + 10), 0, default).AsTask();
        Assert.False(written.IsCompleted);
        Assert.Equal(Window / 2, _passing.Written().Total);

        Assert.Equal(_content[..10], await fast.ReadAsync(0, 10));

        await written.Soon();
        Assert.Equal(_content[10..100], await fast.ReadAsync(10, 90));
        Assert.Equal(_content[..1], await slow.ReadAsync(0, 1));
    }

    [Fact]
    public async Task Read_HalfTheWindowBehind_IsTheMost()
    {
        var fast = _passing.OpenReader(_content.Length);
        var slow = _passing.OpenReader(_content.Length);
        await _passing.WriteAsync(_content.AsMemory(0, Window / 2), 0, default);
        await fast.ReadAsync(0, Window / 2);

        await _passing.WriteAsync(_content.AsMemory(Window / 2, Window / 2), Window / 2, default);
        Assert.Equal(_content[..1], await slow.ReadAsync(0, 1));
        await fast.ReadAsync(Window / 2, 1);
        await _passing.WriteAsync(_content.AsMemory(Window, 1), Window, default);

        await Assert.ThrowsAsync<IOException>(() => slow.ReadAsync(0, 1));
        Assert.Equal(_content[1..2], await slow.ReadAsync(1, 1));
    }

    [Theory]
    [InlineData(Window)]
    [InlineData(10)]
    public async Task Write_BlobNoLargerThanTheWindow_WaitsForNobody(int size)
    {
        await using var small = new PassingPartial(Digest.Of(_content.AsSpan(0, size)), size);
        var reader = small.OpenReader(size);

        await small.WriteAsync(_content.AsMemory(0, size), 0, default).AsTask().Soon();

        Assert.True(await small.VerifyAsync(default));
        Assert.Equal(_content[..size], await reader.ReadAsync(0, size));
    }

    [Fact]
    public async Task Read_AroundTheEndOfTheWindow_GivesTheRightBytes()
    {
        var reader = _passing.OpenReader(_content.Length);
        var written = Task.Run(async () =>
        {
            for (var at = 0; at < _content.Length; at += 70_001) await _passing.WriteAsync(_content.AsMemory(at, Math.Min(70_001, _content.Length - at)), at, default);
        });
        var read = new MemoryStream();
        var buffer = new byte[33_333];
        while (read.Length < _content.Length)
        {
            while (_passing.Written().Total == read.Length) await Task.Yield();
            read.Write(buffer, 0, await reader.ReadAsync(buffer, read.Length, default));
        }

        await written.Soon();
        Assert.Equal(_content, read.ToArray());
        Assert.True(await _passing.VerifyAsync(default));
    }

    [Fact]
    public async Task Write_LastReaderLeaves_Ends()
    {
        var one = _passing.OpenReader(_content.Length);
        var other = _passing.OpenReader(_content.Length);
        var written = _passing.WriteAsync(_content, 0, default).AsTask();
        await one.DisposeAsync();
        Assert.False(written.IsCompleted);

        await other.DisposeAsync();

        await Assert.ThrowsAsync<NobodyReadsException>(() => written.Soon());
    }

    [Fact]
    public async Task Write_NobodyCameAndNobodyWillCome_Ends()
    {
        var written = _passing.WriteAsync(_content, 0, default).AsTask();
        Assert.False(written.IsCompleted);

        _passing.Abandon();

        await Assert.ThrowsAsync<NobodyReadsException>(() => written.Soon());
    }

    [Fact]
    public async Task Write_Cancelled_EndsItsWait()
    {
        _passing.OpenReader(_content.Length);
        using var stop = new CancellationTokenSource();
        var written = _passing.WriteAsync(_content, 0, stop.Token).AsTask();

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => written.Soon());
    }
}
