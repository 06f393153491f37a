using System.IO.Compression;
using Entrepot.Pull;
using Entrepot.Tests.Kit;
using Entrepot.Upstream;
using Microsoft.Extensions.Time.Testing;

namespace Entrepot.Tests.Upstream;

public sealed class BodyStreamTests : IDisposable
{
    private readonly FakeTimeProvider _clock = new();
    private readonly UpstreamCounters _counters = new();
    private readonly Owner _owner = new();
    private readonly SlowStream _source = new();

    [Fact]
    public async Task ReadAsync_NothingArrivesForTheBound_SaysSo()
    {
        await using var body = New(_source, null);
        var reading = body.ReadAsync(new byte[10]).AsTask();

        _clock.Advance(TimeSpan.FromSeconds(14));
        Assert.False(reading.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(1));

        var error = await Assert.ThrowsAsync<StalledException>(() => reading);
        Assert.Contains("docker.io sent nothing for 15 s", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadAsync_AKibibytePerBound_GoesOn()
    {
        await using var body = New(_source, null);
        for (var i = 0; i < 5; i++)
        {
            var reading = body.ReadAsync(new byte[2000]).AsTask();
            _clock.Advance(TimeSpan.FromSeconds(14));
            _source.Arrive(1024);
            Assert.Equal(1024, await reading);
        }

        _clock.Advance(TimeSpan.FromMinutes(1));   // a reader that is slow itself
        _source.Arrive(1);
        Assert.Equal(1, await body.ReadAsync(new byte[10]));
        Assert.Equal(5121, _counters.Bytes);
    }

    [Fact]
    public async Task ReadAsync_FewerBytesPerBound_IsAsGoodAsSilence()
    {
        await using var body = New(_source, null);
        for (var i = 0; i < 4; i++) await DripAsync(body, 100);

        var error = await Assert.ThrowsAsync<StalledException>(() => DripAsync(body, 100));

        Assert.Contains("docker.io sent no more than 500 bytes in 15 s", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadAsync_DripsToItsEnd_IsWhole()
    {
        await using var body = New(_source, 500);

        for (var i = 0; i < 5; i++) Assert.Equal(100, await DripAsync(body, 100));
    }

    private Task<int> DripAsync(BodyStream body, int bytes)
    {
        var reading = body.ReadAsync(new byte[2000]).AsTask();
        _clock.Advance(TimeSpan.FromSeconds(3));
        _source.Arrive(bytes);
        return reading;
    }

    [Fact]
    public async Task ReadAsync_ReaderLeaves_IsCancelledAndNotAFailure()
    {
        await using var body = New(_source, null);
        using var leaving = new CancellationTokenSource();
        var reading = body.ReadAsync(new byte[10], leaving.Token).AsTask();

        await leaving.CancelAsync();

        var error = await Assert.ThrowsAsync<OperationCanceledException>(() => reading);
        Assert.Equal(leaving.Token, error.CancellationToken);
    }

    [Fact]
    public async Task ReadAsync_EndsBeforeItsLength_Throws()
    {
        await using var body = New(new MemoryStream(new byte[7]), 10);
        Assert.Equal(7, await body.ReadAsync(new byte[10]));

        var error = await Assert.ThrowsAsync<IOException>(() => body.ReadAsync(new byte[10]).AsTask());

        Assert.Contains("3 bytes before", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadAsync_OtherExceptionOfTheSource_BecomesIOException()
    {
        await using var body = New(_source, null);
        var reading = body.ReadAsync(new byte[10]).AsTask();

        _source.Break(new ObjectDisposedException("connection"));

        await Assert.ThrowsAsync<IOException>(() => reading);
    }

    [Fact]
    public async Task ReadAsync_LimitedBandwidth_ReadsSharesAndReturnsWhatDidNotCome()
    {
        var bandwidth = new Bandwidth(_clock) { BytesPerSecond = 1_000_000 };
        await using var body = new BodyStream(new MemoryStream(new byte[30_000]), _owner.Close, 30_000, "docker.io", TimeSpan.FromSeconds(15), _counters, _clock)
        {
            Bandwidth = bandwidth,
        };
        var buffer = new byte[64 << 10];
        Assert.Equal(20_000, await body.ReadAsync(buffer));

        var reading = body.ReadAsync(buffer).AsTask();
        _clock.Advance(TimeSpan.FromMilliseconds(19));
        Assert.False(reading.IsCompleted);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(10_000, await reading.Soon());

        var other = bandwidth.TakeAsync(1, Demand.Always, default);   // half of the last share has come back
        Assert.False(other.IsCompleted);
        _clock.Advance(TimeSpan.FromMilliseconds(10));
        Assert.Equal(1, await other.Soon());
    }

    [Theory]
    [InlineData(20, 20L, true)]
    [InlineData(30, null, true)]
    [InlineData(10, 20L, false)]
    [InlineData(10, null, false)]
    public async Task DisposeAsync_TellsWhetherAllWasRead(int read, long? length, bool isWhole)
    {
        var body = New(new MemoryStream(new byte[20]), length);
        for (var at = 0; at < read; at += 10) _ = await body.ReadAsync(new byte[10]);
        Assert.Null(_owner.WasWhole);

        await body.DisposeAsync();

        Assert.Equal(isWhole, _owner.WasWhole);
    }

    [Fact]
    public async Task Gunzip_DecodesAndCountsWhatCameOverTheWire()
    {
        var content = new byte[100_000];
        var packed = Gzip(content);

        await using var body = new GunzipStream(New(new MemoryStream(packed), packed.Length), "docker.io");
        using var unpacked = new MemoryStream();
        await body.CopyToAsync(unpacked);

        Assert.Equal(content, unpacked.ToArray());
        Assert.Equal(packed.Length, _counters.Bytes);
    }

    [Fact]
    public async Task Gunzip_Garbage_Throws()
    {
        await using var body = new GunzipStream(New(new MemoryStream("this is no gzip"u8.ToArray()), null), "docker.io");

        await Assert.ThrowsAsync<IOException>(() => body.ReadAsync(new byte[10]).AsTask());
    }

    public void Dispose() => _source.Dispose();

    private BodyStream New(Stream source, long? length) =>
        new(source, _owner.Close, length, "docker.io", TimeSpan.FromSeconds(15), _counters, _clock);

    private static byte[] Gzip(byte[] content)
    {
        using var packed = new MemoryStream();
        using (var encoder = new GZipStream(packed, CompressionLevel.Fastest)) encoder.Write(content);
        return packed.ToArray();
    }

    private sealed class Owner
    {
        public bool? WasWhole { get; private set; }

        public void Close(bool isWhole) => WasWhole = isWhole;
    }

    private sealed class SlowStream : ForwardStream
    {
        private TaskCompletionSource<int> _next = new();

        public void Arrive(int count) => _next.SetResult(count);

        public void Break(Exception error) => _next.SetException(error);

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = await _next.Task.WaitAsync(cancellationToken);
            _next = new TaskCompletionSource<int>();
            return count;
        }
    }
}
