using System.IO.Pipelines;
using Entrepot.Oci;
using Entrepot.Pull;
using Entrepot.Tests.Kit;

namespace Entrepot.Tests.Pull;

/// <summary>What lies between an upstream's connection and the disk.</summary>
public sealed class IntakeTests : IDisposable
{
    private readonly Run _run = new(new ByteSpan(0, long.MaxValue), isWanted: true);
    private readonly Pipe _upstream = new(new PipeOptions(pauseWriterThreshold: 0));
    private readonly Intake _intake;

    public IntakeTests() => _intake = new Intake(_run, most => most);

    public void Dispose() => _intake.Dispose();

    [Fact]
    public async Task Read_BytesAreAtHand_AreHandedOnInWholeBuffers()
    {
        var content = Waiting.Bytes((2 * Intake.BufferBytes) + 1000);

        Assert.Null(await _intake.ReadAsync(new MemoryStream(content), default).Soon());

        var bytes = new MemoryStream();
        var counts = new List<int>();
        while (_intake.TryTake(out var piece))
        {
            counts.Add(piece.Count);
            bytes.Write(piece.Bytes.Span);
            _intake.Return(piece);
        }

        Assert.Equal([Intake.BufferBytes, Intake.BufferBytes, 1000], counts);
        Assert.Equal(content, bytes.ToArray());
        Assert.False(await _intake.WaitAsync());
    }

    [Fact]
    public async Task Read_UpstreamPauses_WhatThereIsIsHandedOn()
    {
        var content = Waiting.Bytes(30);
        var reading = _intake.ReadAsync(_upstream.Reader.AsStream(), default);
        await _upstream.Writer.WriteAsync(content.AsMemory(0, 10));

        Assert.Equal(content[..10], await TakeAsync());
        Assert.False(_intake.HasMore);
        await _upstream.Writer.WriteAsync(content.AsMemory(10));
        Assert.Equal(content[10..], await TakeAsync());
        await _upstream.Writer.CompleteAsync();

        Assert.Null(await reading.Soon());
    }

    [Fact]
    public async Task Read_ConnectionBreaks_TellsWhyBehindWhatHasCome()
    {
        var reading = _intake.ReadAsync(_upstream.Reader.AsStream(), default);
        await _upstream.Writer.WriteAsync(Waiting.Bytes(10));
        Assert.Equal(Waiting.Bytes(10), await TakeAsync());
        await _upstream.Writer.CompleteAsync(new IOException("broke"));

        Assert.Equal("broke", (await reading.Soon())!.Message);
        Assert.True(_intake.TryTake(out var end));
        Assert.Equal((0, true), (end.Count, end.IsLast));
        _intake.Return(end);
        Assert.False(await _intake.WaitAsync());
    }

    [Fact]
    public async Task Read_NobodyTakes_StopsAndGoesOnWithTheFirstBufferThatIsReturned()
    {
        await _upstream.Writer.WriteAsync(Waiting.Bytes(20 * Intake.BufferBytes));
        var reading = _intake.ReadAsync(_upstream.Reader.AsStream(), default);

        Assert.False(reading.IsCompleted);
        Assert.True(_run.IsHeldUp);
        for (var i = 0; i < 20; i++) Assert.Equal(Intake.BufferBytes, (await TakeAsync()).Length);
        await _upstream.Writer.CompleteAsync();
        Assert.Null(await reading.Soon());
    }

    [Fact]
    public async Task Read_FewBytesAreWanted_TakesASmallBuffer()
    {
        using var small = new Intake(_run, _ => 1000);
        await small.ReadAsync(new MemoryStream(Waiting.Bytes(1000)), default).Soon();

        Assert.True(small.TryTake(out var piece));
        Assert.Equal(1000, piece.Count);
        Assert.InRange(piece.Buffer.Length, 1000, 8 << 10);
    }

    private async Task<byte[]> TakeAsync()
    {
        Assert.True(await _intake.WaitAsync().Soon());
        Assert.True(_intake.TryTake(out var piece));
        var bytes = piece.Bytes.ToArray();
        _intake.Return(piece);
        return bytes;
    }
}
